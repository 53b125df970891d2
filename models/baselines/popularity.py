"""The most popular items, for every user."""

import torch
from torch import Tensor

from models.counted import Counted
from models.model import Histories


class Popularity(Counted):
    """An item scores by its number of training interactions."""

    link = "https://recbole.io/docs/user_guide/model/general/pop.html"

    interactions: Tensor
    """[n_items] float."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        self.register_buffer("interactions", torch.zeros(n_items))

    def count(self, items: Tensor, users: Tensor) -> None:
        self.interactions = torch.bincount(items, minlength=self.n_items).float()

    def queries(self, histories: Histories) -> Tensor:
        return histories.items[:, -1]

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        return self.interactions[first:last].repeat(len(queries), 1)
