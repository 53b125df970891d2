"""Models that are counted in one pass over the interactions."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from models.model import Histories, Model

ITEMS_PER_CHUNK = 512  # of which the users of all pairs are counted at once


class Counted(Model):
    """A model without parameters. Buffers hold its counts; their sizes follow from the data."""

    max_length = 1  # the last item is all that is read, unless a model says otherwise
    variants: ClassVar[tuple[Mapping[str, float], ...]] = ({},)
    """Arguments of ``use`` that are tried on validation, in order, one set in each epoch."""

    def __init__(self, n_items: int):
        super().__init__()
        self.n_items = n_items

    @abstractmethod
    def count(self, items: Tensor, users: Tensor) -> None:
        """Count all training interactions.

        ``items`` and ``users`` are [n] int64, ordered by user and in time order inside each.
        """

    def use(self, **values: float) -> None:
        """Rank with these values from now on. They are kept in buffers."""

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """torch would refuse buffers of another size."""
        for name, buffer in self._buffers.items():
            if buffer is not None and prefix + name in state:
                self._buffers[name] = state[prefix + name].to(buffer.device, copy=True)
        super()._load_from_state_dict(state, prefix, *rest)


class ItemToItem(Counted):
    """Scores from the last item of the history, by a sparse matrix [n_items, n_items].

    Items are ordered by their entry, items without an entry last; equal entries, and items without
    one, by popularity; items that are equal in both have the same score. Scores are places in this
    order, not sums of an entry and a small number: a sum would reorder entries that differ by less
    than the number, and lose it in rounding.
    """

    offsets: Tensor
    """[n_items + 1] int64: the entries of row i are offsets[i] .. offsets[i + 1] - 1."""
    columns: Tensor
    """[m] int64: the item of each entry."""
    values: Tensor
    """[m] float: the entry's place among those of its row, less the item's popularity."""
    popularity: Tensor
    """[n_items] float: the place of each item's number of interactions among all such numbers."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0))
        self.register_buffer("popularity", torch.zeros(n_items))

    def fill(self, rows: Tensor, columns: Tensor, values: Tensor, items: Tensor) -> None:
        """Set the entries: ``rows``, ``columns`` and ``values`` are [m], ordered by row.

        Each entry occurs once. ``items`` [n] int64 are the training interactions, which popularity
        is counted from. All scores are integers below 2^24, which float32 represents exactly.
        """
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns = columns
        interactions = torch.bincount(items, minlength=self.n_items)
        levels, popularity = interactions.unique(return_inverse=True)
        order = popularity[columns].argsort(stable=True)  # by row, value and popularity
        order = order[values[order].argsort(stable=True)]
        order = order[rows[order].argsort(stable=True)]
        keys = torch.stack([rows, values.double(), popularity[columns]])[:, order]  # [3, m]
        new_row = differs(keys[:1])
        place = differs(keys).cumsum(0)  # from 1, over all rows
        before = torch.where(new_row, place, 0).cummax(0).values  # the place where the row begins
        scores = torch.empty_like(place)
        scores[order] = place - before + len(levels)  # above all items without an entry
        self.values = (scores - popularity[columns]).float()
        self.popularity = popularity.float()

    def queries(self, histories: Histories) -> Tensor:
        """The last items, [batch] int64."""
        return histories.items[:, -1]

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


def users_in_common(items: Tensor, users: Tensor, n_items: int) -> Tensor:
    """The number of users of each pair of items: [n_items, n_items] float32.

    ``items`` and ``users`` are those of ``Counted.count``. Repeats count once.
    """
    n_users = int(users.max()) + 1
    had = torch.unique(items * n_users + users)  # ordered by item
    edges = torch.searchsorted(had, torch.arange(n_items + 1, device=had.device) * n_users)
    common = torch.empty(n_items, n_items, device=items.device)
    for first, rows in rows_in_common(had % n_users, edges):
        common[first : first + len(rows)] = rows
    return common


def rows_in_common(users: Tensor, edges: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the rows of ``users_in_common`` in chunks: the first item, and [chunk, n_items].

    The different users of item i are ``users[edges[i]:edges[i + 1]]``.
    """
    n_items = len(edges) - 1
    n_users = int(users.max()) + 1
    for first in range(0, n_items, ITEMS_PER_CHUNK):
        last = min(first + ITEMS_PER_CHUNK, n_items)
        chunk = torch.arange(last - first, device=users.device)
        theirs = torch.zeros(n_users, len(chunk), device=users.device)  # 1 where the user has it
        item = torch.repeat_interleave(chunk, edges[first : last + 1].diff())
        theirs[users[edges[first] : edges[last]], item] = 1.0
        yield first, F.embedding_bag(users, theirs, edges[:-1], mode="sum").T


def differs(keys: Tensor) -> Tensor:
    """Whether the keys [k, ..., m] at each place differ from those before it: [..., m] bool."""
    first = keys.new_ones(keys[0, ..., :1].shape, dtype=torch.bool)
    return torch.cat([first, (keys[..., 1:] != keys[..., :-1]).any(0)], -1)
