"""Models that score from all items of the history, where recent ones weigh more."""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.baselines.neighbours import spans
from models.batches import known
from models.counted import Counted
from models.model import Histories

ROWS_PER_CHUNK = 32  # histories whose entries are added up at once
MOST_VALUES = 1 << 27  # values of a matrix of all items by all items that is made of sparse weights
ROUNDING = 1e-6  # scores below it, in either direction, are 0 but for rounding
MANY = 32  # histories that are scored at once, for which such a matrix is made


class Decayed(Counted):
    """An item of the history weighs ``decay`` ** age.

    Its age is the number of baskets after its last occurrence.
    """

    max_length = 1 << 20  # all of the history

    decay: Tensor
    """[] float"""
    popularity: Tensor
    """[n_items] float, below 0: the scores of a history from which no item has a score."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("decay", torch.ones(()))
        self.register_buffer("popularity", torch.zeros(n_items))

    @abstractmethod
    def score_all(self, items: Tensor, weights: Tensor) -> Tensor:
        """The scores of all items, [batch, n_items] float.

        The histories are ``items`` [batch, length] int64, each once, with ``weights`` [batch,
        length] float; an item with the weight 0 is no part of the history.
        """

    def queries(self, histories: Histories) -> Tensor:
        """The scores of all items, [batch, n_items] float."""
        last = torch.full((1, 1), histories.items.shape[1] - 1, device=histories.items.device)
        items, _, ages = (x[:, 0] for x in known(histories, last, self.n_items))  # [batch, length]
        scores = self.score_all(items.clamp(min=0), self.decay**ages * (items >= 0))
        none = (scores.amax(1) < ROUNDING) & (scores.amin(1) > -ROUNDING)  # [batch]
        scores[none] = self.popularity
        return scores

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        return queries[:, first:last].clone()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A state of before version 0.15 may have no popularity: its scores stay 0 then."""
        state.setdefault(prefix + "popularity", torch.zeros(self.n_items))
        super()._load_from_state_dict(state, prefix, *rest)


class SparseLinear(Decayed):
    """Items score by the sum of the weights from the items of the history to them.

    There are weights from each item to some items.
    """

    offsets: Tensor
    """[n_items + 1] int64: the weights from item i are those at offsets[i] .. offsets[i + 1] - 1.
    """
    columns: Tensor
    """[m] int64: the item to which each weight leads."""
    weights: Tensor
    """[m] float"""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("offsets", torch.zeros(n_items + 1, dtype=torch.int64))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("weights", torch.zeros(0))
        self.matrix: tuple[Tensor, Tensor] | None = None  # ``weights``, and the matrix of them

    def fill(self, rows: Tensor, columns: Tensor, weights: Tensor) -> None:
        """Set the weights [m] from the items ``rows`` to the items ``columns``, in any order."""
        order = rows.argsort(stable=True)
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns = columns[order]
        self.weights = weights[order]

    def score_all(self, items: Tensor, weights: Tensor) -> Tensor:
        if len(items) >= MANY and self.n_items**2 <= MOST_VALUES:
            return weighted_sums(self._dense(), items, weights)
        scores = weights.new_zeros(len(items), self.n_items)
        parts = (x.split(ROWS_PER_CHUNK) for x in (scores, items, weights))
        for out, some, weigh in zip(*parts, strict=True):
            row, column = weigh.nonzero(as_tuple=True)
            item = some[row, column]
            owner, place = spans(self.offsets[item], self.offsets[item + 1] - self.offsets[item])
            target = row[owner] * self.n_items + self.columns[place]
            out.view(-1).index_add_(0, target, self.weights[place] * weigh[row, column][owner])
        return scores

    def _dense(self) -> Tensor:
        """The weights as a matrix [n_items, n_items], which is kept for the next call.

        Sums of its rows take a tenth of the time of sums of sparse weights, or less: 30 times as
        many values, but in order.
        """
        if self.matrix is None or self.matrix[0] is not self.weights:
            rows = torch.arange(self.n_items, device=self.weights.device)
            dense = self.weights.new_zeros(self.n_items, self.n_items)
            dense[torch.repeat_interleave(rows, self.offsets.diff()), self.columns] = self.weights
            self.matrix = self.weights, dense
        return self.matrix[1]


def weighted_sums(table: Tensor, items: Tensor, weights: Tensor) -> Tensor:
    """The sums of rows of ``table`` [n_items, width], those of ``items`` [batch, length] int64,
    times ``weights`` [batch, length] float: [batch, width] float."""
    row, column = weights.nonzero(as_tuple=True)
    counts = torch.bincount(row, minlength=len(items))
    return F.embedding_bag(
        items[row, column],
        table,
        counts.cumsum(0) - counts,
        mode="sum",
        per_sample_weights=weights[row, column],
    )
