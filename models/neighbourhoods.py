"""Linear systems of each item's neighbours alone, for catalogues of any size.

One small system for each item takes the place of one of all items by all items: the feature
selection of fsSLIM (Ning and Karypis, ICDM 2011, https://doi.org/10.1109/ICDM.2011.134, section
IV-C).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.neighbours import by_popularity, chunks, nearest, pairs_in_common
from models.systems import Products, Systems, Weights

ENTRIES_PER_BATCH = 1 << 21  # of the systems that are solved at once
POPULAR = 8192  # items whose pairs are looked up in a matrix: a search takes ten times as long


@dataclass(frozen=True)
class Neighbourhoods(Systems):
    """Items have new numbers, in the order of popularity."""

    order: Tensor
    """[n_items] int64: the items, the most popular first."""
    neighbours: Tensor
    """[n_items, k] int64, ascending; ``n_items`` where there are fewer than k."""
    keys: Tensor
    """[m] int64, ascending: first * (n_items + 1) + second, of pairs with users in common and first
    < second. The last one is larger than any that is searched."""
    sets: Products

    @classmethod
    def of(cls, items: Tensor, users: Tensor, n_items: int, k: int) -> "Neighbourhoods":
        """``items`` and ``users`` are those of ``Counted.count``, on any device.

        The neighbours of an item are the ``k`` others with the highest cosine of users.
        """
        order, sizes, renamed = by_popularity(items, users, n_items)
        neighbours = torch.full((n_items, k), n_items, device=items.device)
        keys = []
        both = []
        for pairs in pairs_in_common(renamed, users, n_items):
            near = pairs.chosen(nearest(pairs, sizes, k))
            place = torch.arange(len(near.rows), device=items.device)
            place -= torch.searchsorted(near.rows, near.rows)
            neighbours[near.rows, place] = near.columns
            upper = pairs.chosen(pairs.rows < pairs.columns)
            keys.append(upper.rows * (n_items + 1) + upper.columns)
            both.append(upper.users.float())
        both.append(torch.zeros(1, device=items.device))
        in_common = torch.cat(both)
        own = sizes.float()
        return cls(
            order,
            neighbours.sort(1).values,
            torch.cat([*keys, sizes.new_full((1,), (n_items + 1) ** 2)]),
            Products(in_common, in_common.repeat(2), own, torch.zeros_like(own)),
        )

    @property
    def n_items(self) -> int:
        return len(self.order)

    def pair(self, one: Tensor, other: Tensor) -> Tensor:
        return self._found(one, other)[0]

    def ordered(self, one: Tensor, other: Tensor) -> Tensor:
        return self.pair(one, other) + len(self.keys) * (one > other)

    def _found(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The places in ``keys`` of pairs of items, in any order, and whether each is there."""
        searched = torch.minimum(one, other) * (self.n_items + 1) + torch.maximum(one, other)
        place = torch.searchsorted(self.keys, searched)
        return place, self.keys[place] == searched

    def solved(self, products: Products, ridges: Sequence[float]) -> list[Weights]:
        n_items, k = self.neighbours.shape
        solutions = torch.zeros(len(ridges), n_items, k, device=self.neighbours.device)
        found = (self.neighbours < n_items).sum(1)
        # The items of a batch have equally many neighbours, or nearly: there is little to pad.
        order = found.argsort()
        order = order[found[order] > 0]
        popular = self._popular(products)
        for first, last in chunks(found[order] ** 2, ENTRIES_PER_BATCH):
            batch = order[first:last]
            most = int(found[batch[-1]])
            near = self.neighbours[batch, :most]
            gram = self._gram(near, products, popular)
            target = self._targets(near, batch, products)
            for place, ridge in enumerate(ridges):
                system = gram.clone()
                system.diagonal(dim1=1, dim2=2).add_(ridge)
                weights = torch.cholesky_solve(target[..., None], torch.linalg.cholesky(system))
                solutions[place, batch, :most] = weights[..., 0].float()
        return [Weights(self.neighbours, values) for values in solutions]

    def _popular(self, products: Products) -> Tensor:
        """A of the most popular items, and zeros: [m + 1, m + 1] float, m up to ``POPULAR``."""
        m = min(POPULAR, self.n_items)
        first, second = self.keys // (self.n_items + 1), self.keys % (self.n_items + 1)
        both = second < m  # and so is the first; the last key's second is 0, and its gram
        matrix = products.gram.new_zeros(m + 1, m + 1)
        matrix[first[both].clamp(max=m), second[both]] = products.gram[both]
        matrix += matrix.T.clone()
        return matrix

    def _gram(self, near: Tensor, products: Products, popular: Tensor) -> Tensor:
        """A_NN of neighbours N, [batch, k, k] float64."""
        m = len(popular) - 1
        inside = near.clamp(max=m)
        gram = popular[inside[:, :, None], inside[:, None, :]].double()
        if m < self.n_items:
            a, b = torch.triu_indices(near.shape[1], near.shape[1], 1, device=near.device)
            row, pair = (near[:, b] >= m).nonzero(as_tuple=True)  # near is ascending
            a, b = a[pair], b[pair]
            place, there = self._found(near[row, a], near[row, b])
            gram[row, a, b] = (products.gram[place] * there).double()
            gram[row, b, a] = gram[row, a, b]
        # Where an item has fewer neighbours, 0: of padding.
        gram.diagonal(dim1=1, dim2=2).copy_(F.pad(products.own, (0, 1))[near])
        return gram

    def _targets(self, near: Tensor, items: Tensor, products: Products) -> Tensor:
        """B_Nj of neighbours N and ``items`` j, [batch, k] float64."""
        item = items[:, None].expand_as(near)
        there = self._found(near, item)[1]
        return (products.target[self.ordered(near, item)] * there).double()
