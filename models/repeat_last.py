"""What the user had last, again."""

import torch
from torch import Tensor

from models.counted import Counted


class RepeatLast(Counted):
    """The items of the history, the latest first; all others score alike, and rank last."""

    def __init__(self, n_items: int, *, max_length: int):
        super().__init__(n_items)
        self.max_length = max_length

    def count(self, items: Tensor, users: Tensor) -> None:
        """Nothing to count."""

    def queries(self, histories: Tensor) -> Tensor:
        return histories[:, -self.max_length :]

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """[batch, length] int64: histories -> [batch, last - first] float: places, from 1."""
        batch, length = queries.shape
        scores = torch.zeros(batch, last - first, device=queries.device)
        place = torch.arange(1.0, length + 1, device=queries.device).expand(batch, -1)
        inside = (queries >= first) & (queries < last)
        column = (queries - first).clamp(0, last - first - 1)
        return scores.scatter_reduce_(1, column, place * inside, "amax")
