"""The items that the user had most often, recent ones first: the bar for data with repeats.

Personal frequency with recency is the core of TIFU-KNN (Hu et al., SIGIR 2020,
https://arxiv.org/abs/2006.00556) and of UP-CF (Faggioli et al., UMAP 2020,
https://doi.org/10.1145/3340631.3394850); what other users bought is left out here.
"""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from models.counted import Counted, differs
from models.model import Histories

OLDEST = 1e-300  # the least weight of an occurrence


class Personal(NamedTuple):
    """The different items of each history."""

    items: Tensor
    """[batch, length] int64, each once; ``n_items`` where there are fewer."""
    scores: Tensor
    """[batch, length] float32"""


class PersonalFrequency(Counted):
    """Items of the history by the sum of ``decay`` ** age over their occurrences.

    The age of an occurrence is the number of baskets after it. The sum counts ``latest`` times for
    items of the latest basket, which may be open still. Equal sums are ordered by popularity, and
    so are the items outside the history, which follow. Items with a sum of 0 rank last. As in
    ``Markov``, scores are places in this order.
    """

    link = "https://arxiv.org/abs/2006.00556"
    max_length = 1 << 20  # all of the history
    variants = tuple(
        {"decay": decay, "latest": latest}
        for latest, decay in product((1.0, 0.5, 0.2, 0.0), (1.0, 0.98, 0.95, 0.9))
    )

    popularity: Tensor
    """[n_items] float: the place of each item's number of interactions among all such numbers."""
    decay: Tensor
    """[] float"""
    latest: Tensor
    """[] float"""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("popularity", torch.zeros(n_items))
        self.register_buffer("decay", torch.ones(()))
        self.register_buffer("latest", torch.ones(()))

    def count(self, items: Tensor, users: Tensor) -> None:
        interactions = torch.bincount(items, minlength=self.n_items)
        self.popularity = interactions.unique(return_inverse=True)[1].float()

    def use(self, **values: float) -> None:
        """``values`` are ``decay`` and ``latest``."""
        self.decay.fill_(values["decay"])
        self.latest.fill_(values["latest"])

    def queries(self, histories: Histories) -> Personal:
        items, baskets = histories
        ages = (baskets[:, -1:] - baskets).clamp(min=0)  # [batch, length]
        # Above 0, however old: with a sum of 0 an item would rank behind those never seen.
        weights = (self.decay.double() ** ages).clamp(min=OLDEST)
        weights = weights.masked_fill(items == self.n_items, 0.0)
        items, order = items.sort(dim=1, stable=True)
        new = torch.ones_like(items, dtype=torch.bool)
        new[:, 1:] = items[:, 1:] != items[:, :-1]
        group = new.cumsum(1) - 1  # of each occurrence: the number of its item
        sums = torch.zeros_like(weights).scatter_add(1, group, weights.gather(1, order))
        open_still = (ages == 0).gather(1, order).long()
        open_still = torch.zeros_like(group).scatter_reduce(1, group, open_still, "amax")
        sums = torch.where(open_still > 0, sums * self.latest, sums)
        items = torch.full_like(items, self.n_items).scatter(1, group, items)
        return Personal(items, self._places(items, sums))

    def _places(self, items: Tensor, sums: Tensor) -> Tensor:
        """The scores of items [batch, length] int64 with these sums [batch, length] float64."""
        popularity = torch.cat([self.popularity, self.popularity.new_zeros(1)])[items]
        order = popularity.argsort(dim=1, stable=True)
        order = order.gather(1, sums.gather(1, order).argsort(dim=1, stable=True))
        keys = torch.stack([sums, popularity.double()])  # [2, batch, length]
        ordered = keys.gather(2, order.expand(2, -1, -1))
        # Places are counted from 1 at the first positive sum, whether there is padding or not.
        place = (differs(ordered) & (ordered[0] > 0)).cumsum(1).float()
        scores = torch.empty_like(place).scatter_(1, order, place)
        return torch.where(sums > 0, scores + self.n_items, -1.0)

    def scores(self, queries: Personal, first: int, last: int) -> Tensor:
        items, personal = queries
        scores = self.popularity[first:last].repeat(len(items), 1)  # [batch, last - first]
        inside = (items >= first) & (items < last)
        column = (items - first).clamp(0, last - first - 1)
        more = personal - scores.gather(1, column)
        return scores.scatter_add_(1, column, more * inside)
