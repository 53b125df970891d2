"""Models that are counted, in one pass over the interactions, and have nothing to learn."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class Counted(nn.Module):
    """Has ``count`` where a learned model has ``examples`` and ``forward``, and no parameters.

    What it counts is kept in buffers, whose sizes follow from the data.
    """

    recipes: ClassVar = {"fast": {}}
    max_length = 1  # so much of a history counts

    def __init__(self, n_items: int):
        super().__init__()
        self.n_items = n_items

    def count(self, items: Tensor, users: Tensor) -> None:
        """All training interactions: [n] int64 each, by user, and in time order inside each."""
        raise NotImplementedError

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest) -> None:
        """Buffers of whatever size; torch would refuse those of another."""
        for name in self._buffers:
            if prefix + name in state:
                self._buffers[name] = state[prefix + name].clone()
        super()._load_from_state_dict(state, prefix, *rest)


class ItemToItem(Counted):
    """Scores follow from the last item of the history, by a sparse matrix [n_items, n_items].

    Popularity, up to half the smallest entry, is added to all of them: it puts items that have no
    entry in order, below those that have, and items whose entries are alike.
    """

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0))
        self.register_buffer("popularity", torch.zeros(n_items))

    def fill(self, rows: Tensor, columns: Tensor, values: Tensor, items: Tensor) -> None:
        """Entries [m], by row, each positive and once; ``items`` [n] is what is popular."""
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns, self.values = columns, values.float()
        popularity = torch.bincount(items, minlength=self.n_items).double()
        smallest = values.min() if len(values) else 1.0
        self.popularity = (popularity / popularity.max() * smallest / 2).float()

    def queries(self, histories: Tensor) -> Tensor:
        return histories[:, -1]

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """[batch] int64: the last items -> [batch, last - first] float; padding has no entries."""
        scores = self.popularity[first:last].repeat(len(queries), 1)
        starts = self.offsets[queries]
        counts = self.offsets[(queries + 1).clamp(max=self.n_items)] - starts
        row = torch.repeat_interleave(torch.arange(len(queries), device=queries.device), counts)
        place = torch.arange(len(row), device=queries.device)
        entry = starts[row] + place - (counts.cumsum(0) - counts)[row]
        column = self.columns[entry] - first
        inside = (column >= 0) & (column < last - first)
        scores[row[inside], column[inside]] += self.values[entry[inside]]
        return scores
