"""Items of the history again: what is added to their scores."""

import torch
from torch import Tensor, nn

from models.batches import known
from models.model import Histories
from models.networks.functional import Seen

COUNTS = 16  # classes of how often an item occurs
AGES = 17  # classes of how many baskets ago it occurred last; class 0: in the latest basket
FIRST_SHARE = 0.3  # of their usual score that seen items keep; learned from there
SCALE = 10.0  # of the learned numbers: Adam moves each by about the learning rate in a step


class Frequency(nn.Module):
    """How the scores of items of the history differ, by how often and how long ago they occurred.

    Both numbers are in classes that widen with the number. Time is counted in baskets, so that the
    latest basket, whose items seldom occur in it twice, has a class of its own. Beside these, each
    item has a gain, and so has each history, by its vector: whether to repeat at all.
    """

    def __init__(self, n_items: int, hidden_size: int):
        super().__init__()
        self.n_items = n_items
        self.count_gain = nn.Parameter(torch.zeros(COUNTS, 1))
        self.age_gain = nn.Parameter(torch.zeros(AGES))
        self.gain = nn.Parameter(torch.zeros(COUNTS, AGES))
        self.item_gain = nn.Parameter(torch.zeros(n_items))
        self.vector_gain = nn.Linear(hidden_size, 1)
        self.share = nn.Parameter(torch.tensor(FIRST_SHARE))

    def forward(self, histories: Histories, limits: Tensor, vectors: Tensor) -> Seen:
        """The items, [batch, k, length], that k places know.

        ``limits`` [batch or 1, k] int64: the column of ``histories`` before each place; ``vectors``
        [batch, k, hidden].
        """
        items, counts, ages = known(histories, limits, self.n_items)
        table = SCALE * (self.count_gain + self.age_gain + self.gain)
        cells = _class(counts, COUNTS, 1) * AGES + _class(ages, AGES, 0)  # [batch, k, length]
        # The gradient of ``gather`` is a sum for each sequence: a step of it waits for no other.
        gains = table.flatten().expand(len(items), -1).gather(1, cells.flatten(1)).view_as(cells)
        own = self.item_gain[histories.items.clamp(max=self.n_items - 1)]  # [batch, length]
        return Seen(items, gains + SCALE * own[:, None] + self.vector_gain(vectors), self.share)


def _class(numbers: Tensor, classes: int, first: int) -> Tensor:
    """Classes by the logarithm: numbers up to ``first`` are class 0, each doubling takes two."""
    twice = (2 * numbers.clamp(min=1).log2()).round().long()
    return (twice + 1 - first).masked_fill(numbers <= first, 0).clamp(max=classes - 1)
