"""Models whose scores are sums over the items of the history."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from models.counted import Counted
from models.model import Histories
from models.neighbours import spans
from models.repeats import known

ROWS_PER_CHUNK = 32  # of which sparse sums are added up at once


class Linear(Counted):
    """Items score by the sum of the weights from the items of the history to them.

    An item of the history counts ``decay`` ** age, where its age is the number of baskets after
    its last occurrence.
    """

    max_length = 1 << 20  # all of the history

    decay: Tensor
    """[] float"""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("decay", torch.ones(()))

    @abstractmethod
    def sums(self, items: Tensor, counts: Tensor) -> Tensor:
        """The weights from ``items`` [batch, length] int64, times ``counts`` [batch, length] float.

        Returns the sums for all items, [batch, n_items] float. Items that count 0 are any.
        """

    def queries(self, histories: Histories) -> Tensor:
        """The scores of all items, [batch, n_items] float."""
        last = torch.full((1, 1), histories.items.shape[1] - 1, device=histories.items.device)
        items, _, ages = (x[:, 0] for x in known(histories, last, self.n_items))  # [batch, length]
        return self.sums(items.clamp(min=0), self.decay**ages * (items >= 0))

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        return queries[:, first:last].clone()


class DenseLinear(Linear):
    """With weights from all items to all items."""

    weights: Tensor
    """[n_items, n_items] float: from the item of the row to that of the column."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("weights", torch.zeros(0, 0))

    def sums(self, items: Tensor, counts: Tensor) -> Tensor:
        return F.embedding_bag(items, self.weights, mode="sum", per_sample_weights=counts)


class SparseLinear(Linear):
    """With weights from each item to some items."""

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

    def fill(self, rows: Tensor, columns: Tensor, weights: Tensor) -> None:
        """Set the weights [m] from the items ``rows`` to the items ``columns``, in any order."""
        order = rows.argsort(stable=True)
        counts = torch.bincount(rows, minlength=self.n_items)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.columns = columns[order]
        self.weights = weights[order]

    def sums(self, items: Tensor, counts: Tensor) -> Tensor:
        scores = counts.new_zeros(len(items), self.n_items)
        parts = (x.split(ROWS_PER_CHUNK) for x in (scores, items, counts))
        for out, some, times in zip(*parts, strict=True):
            row, column = times.nonzero(as_tuple=True)
            item = some[row, column]
            owner, place = spans(self.offsets[item], self.offsets[item + 1] - self.offsets[item])
            target = row[owner] * self.n_items + self.columns[place]
            out.view(-1).index_add_(0, target, self.weights[place] * times[row, column][owner])
        return scores
