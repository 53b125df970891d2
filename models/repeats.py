"""Items of the history again: what is added to their scores."""

import torch
from torch import Tensor, nn

from models.functional import Seen
from models.model import Histories

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


def known(histories: Histories, limits: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor]:
    """The items in the columns up to each of ``limits`` [batch or 1, k] int64.

    Returns each item once, at its last occurrence, and -1 elsewhere; how often it occurs; and how
    many baskets before the latest one it occurred last: [batch, k, length] int64 each.
    """
    items, baskets = histories
    counts, following = _occurrences(items)
    column = torch.arange(items.shape[1], device=items.device)
    limits = limits.expand(len(items), -1)[..., None]  # [batch, k, 1]
    last = (column <= limits) & (following[:, None] > limits) & (items < n_items)[:, None]
    latest = baskets.gather(1, limits[..., 0].clamp(min=0))[..., None]  # [batch, k, 1]
    ages = (latest - baskets[:, None]).clamp(min=0)
    return items[:, None].where(last, -1), counts[:, None].expand_as(ages), ages


def _occurrences(items: Tensor) -> tuple[Tensor, Tensor]:
    """How often the item of each column occurs up to it, and the column of its next occurrence, or
    the number of columns: [batch, length] int64 each."""
    batch, length = items.shape
    order = items.argsort(dim=1, stable=True)  # by item, and by column inside each
    ordered = items.gather(1, order)
    new = torch.ones_like(items, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = torch.arange(length, device=items.device).expand(batch, -1)
    counts = place - torch.where(new, place, 0).cummax(1).values + 1
    following = torch.full_like(order, length)
    following[:, :-1] = order[:, 1:].masked_fill(new[:, 1:], length)
    return (
        torch.empty_like(counts).scatter_(1, order, counts),
        torch.empty_like(order).scatter_(1, order, following),
    )


def _class(numbers: Tensor, classes: int, first: int) -> Tensor:
    """Classes by the logarithm: numbers up to ``first`` are class 0, each doubling takes two."""
    twice = (2 * numbers.clamp(min=1).log2()).round().long()
    return (twice + 1 - first).masked_fill(numbers <= first, 0).clamp(max=classes - 1)
