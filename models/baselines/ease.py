"""EASE: a linear model of all items by all items, solved in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019,
https://arxiv.org/abs/1905.03375. It knows users' sets of items in training, and no order; in the
ranking, the items of a history weigh less the older they are.
"""

from itertools import product

import torch
from torch import Tensor

from models.baselines.inverse import inverse_of
from models.baselines.linear import Decayed, weighted_sums
from models.baselines.neighbours import popularity_below_zero, users_in_common
from models.counted import Cost

LARGEST_CATALOGUE = 30_000  # items: four matrices of its square are in memory, 14 GB


class EASE(Decayed):
    """Items score by the sum of weights from the items of the history to them.

    With G the number of users of each pair of items, and P the inverse of G + ``ridge`` I, the
    weight from item i to item j is -P_ij / P_jj, and 0 from an item to itself (equation 8 of the
    paper).
    """

    link = "https://arxiv.org/abs/1905.03375"
    version = 2  # before, histories without any score had the first items
    variants = tuple(
        {"ridge": ridge, "decay": decay}
        for ridge, decay in product((20.0, 100.0, 300.0, 1000.0), (1.0, 0.9, 0.75, 0.5))
    )

    weights: Tensor
    """[n_items, n_items] float: from the item of the row to that of the column."""
    ridge: Tensor
    """[] float: of ``weights``; 0 before the first solution."""

    def __init__(self, n_items: int):
        """Raises ValueError for a catalogue whose square does not fit into memory."""
        if n_items > LARGEST_CATALOGUE:
            raise ValueError(
                "EASE holds matrices of all items by all items, for at most "
                f"{LARGEST_CATALOGUE:,} items; these data have {n_items:,}: try SLIST"
            )
        super().__init__(n_items)
        self.register_buffer("weights", torch.zeros(0, 0))
        self.register_buffer("ridge", torch.zeros(()))
        self.common: Tensor | None = None  # [n_items, n_items]: users of each pair, while counting

    def cost(self, pairs: float) -> Cost:
        """Four matrices of all items by all items; a solution is an inversion."""
        ridges = {values["ridge"] for values in self.variants}
        return Cost(4 * 4 * self.n_items**2, 4 / 3 * self.n_items**3, len(ridges))

    def count(self, items: Tensor, users: Tensor) -> None:
        self.popularity = popularity_below_zero(items, self.n_items)
        self.common = users_in_common(items, users, self.n_items)

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``. A new ridge takes a matrix inversion."""
        self.decay.fill_(values["decay"])
        if values["ridge"] != float(self.ridge):
            self.ridge.fill_(values["ridge"])
            self._solve(values["ridge"])

    def forget_variants(self) -> None:
        self.common = None

    def _solve(self, ridge: float) -> None:
        assert self.common is not None, "counted before, and not forgotten"
        self.weights = torch.zeros(0, 0, device=self.common.device)  # frees the memory
        inverse = inverse_of(self.common, ridge)
        self.weights = inverse.div_(-inverse.diagonal().clone()).fill_diagonal_(0.0)

    def score_all(self, items: Tensor, weights: Tensor) -> Tensor:
        return weighted_sums(self.weights, items, weights)
