"""Models that are counted in one pass over the interactions."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from models.model import Model


class Counted(Model):
    """A model without parameters. Buffers hold its counts; their sizes follow from the data."""

    max_length = 1  # the last item is all that is read, unless a model says otherwise

    def __init__(self, n_items: int):
        super().__init__()
        self.n_items = n_items

    @abstractmethod
    def count(self, items: Tensor, users: Tensor) -> None:
        """Count all training interactions.

        ``items`` and ``users`` are [n] int64, ordered by user and in time order inside each.
        """

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """torch would refuse buffers of another size."""
        for name in self._buffers:
            if prefix + name in state:
                self._buffers[name] = state[prefix + name].clone()
        super()._load_from_state_dict(state, prefix, *rest)


class ItemToItem(Counted):
    """Scores from the last item of the history, by a sparse matrix [n_items, n_items].

    The popularity of an item, at most half the smallest entry, is added to its score. It orders the
    items without an entry, which stay below those with one, and items with equal entries.
    """

    offsets: Tensor
    """[n_items + 1] int64: the entries of row i are offsets[i] .. offsets[i + 1] - 1."""
    columns: Tensor
    """[m] int64: the item of each entry."""
    values: Tensor
    """[m] float."""
    popularity: Tensor
    """[n_items] float."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0))
        self.register_buffer("popularity", torch.zeros(n_items))

    def fill(self, rows: Tensor, columns: Tensor, values: Tensor, items: Tensor) -> None:
        """Set the entries: ``rows``, ``columns`` and ``values`` are [m], ordered by row.

        Each entry is positive and occurs once. ``items`` [n] int64 are the training interactions,
        which popularity is counted from.
        """
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns = columns
        self.values = values.float()
        popularity = torch.bincount(items, minlength=self.n_items).double()
        smallest = values.min() if len(values) else 1.0
        self.popularity = (popularity / popularity.max() * smallest / 2).float()

    def queries(self, histories: Tensor) -> Tensor:
        """[batch, length] int64 -> the last items, [batch] int64."""
        return histories[:, -1]

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """Padding, the query of an empty history, has no entries: popularity is its score."""
        scores = self.popularity[first:last].repeat(len(queries), 1)  # [batch, last - first]
        starts = self.offsets[queries]  # [batch]
        counts = self.offsets[(queries + 1).clamp(max=self.n_items)] - starts
        row = torch.repeat_interleave(torch.arange(len(queries), device=queries.device), counts)
        place = torch.arange(len(row), device=queries.device)
        entry = starts[row] + place - (counts.cumsum(0) - counts)[row]  # [entries of all queries]
        column = self.columns[entry] - first
        inside = (column >= 0) & (column < last - first)
        scores[row[inside], column[inside]] += self.values[entry[inside]]
        return scores
