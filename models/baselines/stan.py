"""STAN: items of the training sequences that share items with the history, near the shared ones.

Garg et al., "Sequence and Time Aware Neighborhood for Session-based Recommendations", SIGIR 2019,
https://doi.org/10.1145/3331184.3331322. The training sequence of each user is one session. The
paper's second factor, the time between two sessions, is left out.
"""

from itertools import product

import torch
from torch import Tensor

from models.baselines.linear import Decayed
from models.baselines.neighbours import popularity_below_zero, spans

ROWS_PER_CHUNK = 32  # histories that are compared with all sessions at once


class STAN(Decayed):
    """Items score by the similarities of those neighbours that have them, times ``near`` ** steps.

    The similarity of a session is the sum of the weights of the items that it shares with the
    history, by the square root of its number of items. The ``NEIGHBOURS`` most similar sessions are
    the neighbours. The steps are those between the item in the session and the last item there that
    is shared. Items of no neighbour follow, by popularity.
    """

    link = "https://doi.org/10.1145/3331184.3331322"
    NEIGHBOURS = 500
    variants = tuple(
        {"decay": decay, "near": near}
        for decay, near in product((0.9, 0.75, 0.5, 0.25), (0.9, 0.75))
    )

    near: Tensor
    """[] float"""
    popularity: Tensor
    """[n_items] float, below 0: the scores of the items of no neighbour."""
    offsets: Tensor
    """[n_sessions + 1] int64: session s is offsets[s] .. offsets[s + 1] - 1 of the next two."""
    items: Tensor
    """[m] int64: the different items of the sessions, in the order of their last occurrences."""
    places: Tensor
    """[m] int64: the place of this occurrence in the sequence, from 0."""
    item_offsets: Tensor
    """[n_items + 1] int64: item i is in the sessions at item_offsets[i] .. of the next."""
    sessions: Tensor
    """[m] int64: the sessions of the items."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        none = torch.zeros(0, dtype=torch.int64)
        self.register_buffer("near", torch.ones(()))
        self.register_buffer("offsets", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("items", none)
        self.register_buffer("places", none.clone())
        self.register_buffer("item_offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("sessions", none.clone())

    def count(self, items: Tensor, users: Tensor) -> None:
        n_sessions = int(users.max()) + 1
        starts = _offsets(users, n_sessions)
        keys, inverse = torch.unique(users * self.n_items + items, return_inverse=True)
        at = torch.arange(len(items), device=items.device)
        last = torch.zeros_like(keys).scatter_reduce(0, inverse, at, "amax").sort().values
        self.items = items[last]
        sessions = users[last]
        self.places = last - starts[sessions]
        self.offsets = _offsets(sessions, n_sessions)
        self.item_offsets = _offsets(self.items, self.n_items)
        self.sessions = sessions[self.items.argsort(stable=True)]
        self.popularity = popularity_below_zero(items, self.n_items)

    def use(self, **values: float) -> None:
        """``values`` are ``decay`` and ``near``."""
        self.decay.fill_(values["decay"])
        self.near.fill_(values["near"])

    def score_all(self, items: Tensor, weights: Tensor) -> Tensor:
        parts = zip(items.split(ROWS_PER_CHUNK), weights.split(ROWS_PER_CHUNK), strict=True)
        scores = torch.cat([self._score_some(*part) for part in parts])
        return torch.where(scores > 0, scores, self.popularity)

    def _score_some(self, items: Tensor, weights: Tensor) -> Tensor:
        """The sums over the neighbours, [batch, n_items], as of ``score_all``."""
        own = weights.new_zeros(len(items), self.n_items).scatter_add_(1, items, weights)
        similar, neighbours = self._neighbours(items, weights)
        row, column = similar.nonzero(as_tuple=True)  # [neighbours of all rows]
        session = neighbours[row, column]
        first = self.offsets[session]
        owner, at = spans(first, self.offsets[session + 1] - first)  # [their items]
        entry = row[owner] * self.n_items + self.items[at]
        places = self.places[at]
        shared = places * (own.view(-1)[entry] > 0)
        latest = torch.zeros_like(session).scatter_reduce(0, owner, shared, "amax")
        steps = (places - latest[owner]).abs()
        sums = torch.zeros_like(own)
        sums.view(-1).index_add_(0, entry, similar[row, column][owner] * self.near**steps)
        return sums

    def _neighbours(self, items: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities and sessions, [batch, k] each; one with similarity 0 is no neighbour."""
        row, column = weights.nonzero(as_tuple=True)
        item = items[row, column]
        first = self.item_offsets[item]
        owner, at = spans(first, self.item_offsets[item + 1] - first)
        n_sessions = len(self.offsets) - 1
        similar = weights.new_zeros(len(items), n_sessions)
        entry = row[owner] * n_sessions + self.sessions[at]
        similar.view(-1).index_add_(0, entry, weights[row, column][owner])
        similar *= self.offsets.diff().clamp(min=1).rsqrt()
        found = similar.topk(min(self.NEIGHBOURS, n_sessions))
        return found.values, found.indices


def _offsets(numbers: Tensor, n: int) -> Tensor:
    """Where each of the numbers 0 .. n - 1 begins when ``numbers`` are in order, [n + 1] int64."""
    counts = torch.bincount(numbers, minlength=n)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
