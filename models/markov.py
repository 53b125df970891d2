"""A first-order Markov chain: which item came next after the last one, and how often."""

import torch
from torch import Tensor

from models.counted import ItemToItem


class Markov(ItemToItem):
    """Items are ordered by how often they came next; equals, and other items, by popularity."""

    link = "https://doi.org/10.1145/1772690.1772773"  # Rendle et al. 2010, FPMC's unfactorised part

    def count(self, items: Tensor, users: Tensor) -> None:
        one_user = users[1:] == users[:-1]
        pairs = items[:-1][one_user] * self.n_items + items[1:][one_user]
        pairs, counts = torch.unique(pairs, return_counts=True)  # [m] each, ordered by row
        rows = pairs // self.n_items
        self.fill(rows, pairs % self.n_items, counts, items)
