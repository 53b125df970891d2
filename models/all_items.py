"""Linear systems of all items, solved at once, for small catalogues."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from models.inverse import inverse_of
from models.neighbours import users_in_common
from models.progress import Bar
from models.systems import Products, Systems, Weights, products


class AllItems(Systems):
    """Weights come from all items. The largest ones of each item are kept.

    Items keep their numbers. A place is that of a matrix [n_items, n_items]; a pair has it above
    the diagonal.
    """

    def __init__(self, items: Tensor, users: Tensor, n_items: int, kept: int):
        """``items`` and ``users`` are those of ``Counted.count``; ``kept``: weights to an item."""
        common = users_in_common(items, users, n_items)
        self.kept = min(kept, n_items)
        self.order = torch.arange(n_items, device=items.device)
        own = common.diagonal().clone()
        common.fill_diagonal_(0.0)
        upper = common.triu(1)
        self.sets = Products(upper.view(-1), common.view(-1), own, torch.zeros_like(own))

    def places(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        n = len(self.order)
        pair = torch.minimum(one, other) * n + torch.maximum(one, other)
        return pair, one * n + other

    def solved(
        self, order: Products | None, shares: Sequence[float], ridges: Sequence[float], bar: Bar
    ) -> dict[tuple[float, float], Weights]:
        """With P the inverse of A + ridge I, the weights to the item j from all others are those of
        P B_j - P_j (P B)_jj / P_jj: the solution whose weight from j is 0."""
        found = {}
        todo = self._systems(order, shares, ridges)
        n = len(shares) * len(ridges)
        for share, ridge, (gram, target, own, itself) in bar(todo, total=n, desc="linear systems"):
            inverse = inverse_of(gram, ridge)
            weights = target.T @ inverse  # a row for each item to which weights lead
            weights -= inverse.mul_((weights.diagonal() / inverse.diagonal())[:, None])
            weights.fill_diagonal_(0.0)  # which it is, but for rounding
            chosen = torch.abs(weights, out=inverse).topk(self.kept).indices
            values = weights.gather(1, chosen)
            found[share, ridge] = Weights(chosen, values, itself / (own + ridge))
        return found

    def _systems(
        self, order: Products | None, shares: Sequence[float], ridges: Sequence[float]
    ) -> Iterator[tuple[float, float, Products]]:
        """Yield each share and ridge, and the products of the share as whole matrices."""
        parts = self.parts(order)
        for share in shares:
            gram, target, own, itself = products(parts, share)
            gram, target = (x.view(len(own), len(own)) for x in (gram, target))
            gram = gram + gram.T
            gram.diagonal().copy_(own)
            for ridge in ridges:
                yield share, ridge, Products(gram, target, own, itself)
