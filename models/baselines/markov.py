"""A first-order Markov chain: which item came next after the last one, and how often."""

import torch
from torch import Tensor

from models.baselines.neighbours import spans
from models.counted import Counted, differs
from models.model import Histories


class Markov(Counted):
    """Items are ordered by how often they came next after the last item of the history.

    Equals, and items that never did, are ordered by popularity; items that are equal in both have
    the same score. Scores are places in this order, not sums of a count and a small number: a sum
    would lose the number in rounding where counts are large.
    """

    link = "https://doi.org/10.1145/1772690.1772773"  # Rendle et al. 2010, FPMC's unfactorised part

    offsets: Tensor
    """[n_items + 1] int64: the successors of item i are offsets[i] .. offsets[i + 1] - 1."""
    columns: Tensor
    """[m] int64: the item that came next."""
    values: Tensor
    """[m] float: the place of its count among those of its row, less the item's popularity."""
    popularity: Tensor
    """[n_items] float: the place of each item's number of interactions among all such numbers."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0))
        self.register_buffer("popularity", torch.zeros(n_items))

    def count(self, items: Tensor, users: Tensor) -> None:
        """All scores are integers below 2^24, which float32 represents exactly."""
        one_user = users[1:] == users[:-1]
        pairs = items[:-1][one_user] * self.n_items + items[1:][one_user]
        pairs, times = torch.unique(pairs, return_counts=True)  # [m] each, ordered by row
        rows = pairs // self.n_items
        columns = pairs % self.n_items
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns = columns
        interactions = torch.bincount(items, minlength=self.n_items)
        levels, popularity = interactions.unique(return_inverse=True)
        order = popularity[columns].argsort(stable=True)  # by row, count and popularity
        order = order[times[order].argsort(stable=True)]
        order = order[rows[order].argsort(stable=True)]
        keys = torch.stack([rows, times, popularity[columns]])[:, order]  # [3, m]
        new_row = differs(keys[:1])
        place = differs(keys).cumsum(0)  # from 1, over all rows
        before = torch.where(new_row, place, 0).cummax(0).values  # the place where the row begins
        scores = torch.empty_like(place)
        scores[order] = place - before + len(levels)  # above all items that never came next
        self.values = (scores - popularity[columns]).float()
        self.popularity = popularity.float()

    def queries(self, histories: Histories) -> Tensor:
        """The last items, [batch] int64."""
        return histories.items[:, -1]

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """Padding, the query of an empty history, has no successors: popularity is its score."""
        scores = self.popularity[first:last].repeat(len(queries), 1)  # [batch, last - first]
        starts = self.offsets[queries]  # [batch]
        counts = self.offsets[(queries + 1).clamp(max=self.n_items)] - starts
        row, entry = spans(starts, counts)  # [entries of all queries]
        column = self.columns[entry] - first
        inside = (column >= 0) & (column < last - first)
        scores[row[inside], column[inside]] += self.values[entry[inside]]
        return scores
