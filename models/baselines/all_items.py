"""Linear systems of all items, solved at once, for small catalogues."""

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from models.baselines.inverse import inverse_of
from models.baselines.neighbours import users_in_common
from models.baselines.systems import Products, Systems, Weights, products
from models.progress import Bar


class AllItems(Systems):
    """Weights come from all items. The largest ones of each item are kept.

    Items keep their numbers. Places are those of a matrix [n_items, n_items] in one row; a pair of
    items stands once, above the diagonal.
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
        parts = self.parts(order)
        n = len(self.order)
        wanted = list(product(shares, ridges))
        of_share: Products | None = None
        for share, ridge in bar(wanted, total=len(wanted), desc="linear systems"):
            if ridge == ridges[0]:
                of_share = None  # frees the memory
                of_share = products(parts, share)
                gram = of_share.gram.view(n, n)
                gram = gram + gram.T
                gram.diagonal().copy_(of_share.own)
                of_share = of_share._replace(gram=gram)
                del gram
            assert of_share is not None
            inverse = inverse_of(of_share.gram, ridge)
            weights = of_share.target.view(n, n).T @ inverse  # a row for each item they lead to
            weights -= inverse.mul_((weights.diagonal() / inverse.diagonal())[:, None])
            weights.fill_diagonal_(0.0)  # which it is, but for rounding
            chosen = torch.abs(weights, out=inverse).topk(self.kept).indices
            values = weights.gather(1, chosen)
            del inverse, weights
            itself = of_share.itself / (of_share.own + ridge)
            found[share, ridge] = Weights(chosen, values, itself)
        return found
