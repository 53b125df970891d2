"""The items of the user's own history again, the latest first."""

import torch
from torch import Tensor

from models.counted import Counted
from models.model import Histories


class RepeatLast(Counted):
    """An item scores by its last place in the history; items outside it score 0 and rank last."""

    def __init__(self, n_items: int, *, max_length: int):
        super().__init__(n_items)
        self.max_length = max_length

    def count(self, items: Tensor, users: Tensor) -> None:
        """There is nothing to count."""

    def queries(self, histories: Histories) -> Tensor:
        """At most the last ``max_length`` items, [batch, length] int64."""
        return histories.last(self.max_length).items

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        scores = torch.zeros(len(queries), last - first, device=queries.device)
        place = (queries < self.n_items).cumsum(1).float()  # from 1, after the padding
        inside = (queries >= first) & (queries < last)
        column = (queries - first).clamp(0, last - first - 1)
        return scores.scatter_reduce_(1, column, place * inside, "amax")
