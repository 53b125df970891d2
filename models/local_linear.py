"""Linear models whose weights to an item come from its neighbours alone, for large catalogues.

One small linear system for each item takes the place of one of all items by all items: the feature
selection of fsSLIM (Ning and Karypis, ICDM 2011, https://doi.org/10.1109/ICDM.2011.134, section
IV-C). The weights are the solution of least squares, as in EASE: their absolute values have no
penalty.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from models.linear import SparseLinear
from models.neighbours import by_popularity, chunks, nearest, pairs_in_common

ENTRIES = 1 << 30  # of the systems of all items, where items may have fewer neighbours
ENTRIES_PER_BATCH = 1 << 21  # of the systems that are solved at once
POPULAR = 8192  # items whose pairs are looked up in a matrix: a search takes ten times as long


class Products(NamedTuple):
    """What the systems are made of: a value for each of the m pairs of ``Neighbourhoods``."""

    gram: Tensor
    """[m] float: of both items of the pair."""
    forth: Tensor
    """[m] float: the target of the weight from the first item to the second."""
    back: Tensor
    """[m] float: the target of the weight from the second item to the first."""
    own: Tensor
    """[n_items + 1] float: ``gram`` of each item with itself; 0 for padding."""
    itself: Tensor
    """[n_items + 1] float: the target of the weight from each item to itself."""


@dataclass(frozen=True)
class Neighbourhoods:
    """The neighbours of all items. Items have new numbers here, in the order of popularity."""

    order: Tensor
    """[n_items] int64: the items, the most popular first."""
    neighbours: Tensor
    """[n_items, k] int64, ascending; ``n_items`` where there are fewer than k."""
    keys: Tensor
    """[m] int64, ascending: first * (n_items + 1) + second, of pairs with users in common and first
    < second. The last one is larger than any that is searched."""
    users: Tensor
    """[m] float: the users of these pairs."""
    sizes: Tensor
    """[n_items + 1] float: the users of each item; 0 for padding."""

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
        return cls(
            order,
            neighbours.sort(1).values,
            torch.cat([*keys, sizes.new_full((1,), (n_items + 1) ** 2)]),
            torch.cat([*both, sizes.new_zeros(1).float()]),
            torch.cat([sizes, sizes.new_zeros(1)]).float(),
        )

    def places(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The places in ``keys`` of pairs of items, in any order, and whether each is there."""
        searched = torch.minimum(one, other) * len(self.sizes) + torch.maximum(one, other)
        place = torch.searchsorted(self.keys, searched)
        return place, self.keys[place] == searched

    def solved(self, products: Products, ridges: Sequence[float]) -> Tensor:
        """The weights from the ``neighbours`` to each item, 0 at padding: [ridges, n_items, k].

        With A and B the matrices of ``gram`` and of the targets, the weights from the neighbours N
        to the item j are the solution of (A_NN + ridge I) w = B_Nj.
        """
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
        return solutions

    def _popular(self, products: Products) -> Tensor:
        """A of the most popular items, and zeros: [m + 1, m + 1] float, m up to ``POPULAR``."""
        m = min(POPULAR, len(self.order))
        first, second = self.keys // len(self.sizes), self.keys % len(self.sizes)
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
        if m < len(self.order):
            a, b = torch.triu_indices(near.shape[1], near.shape[1], 1, device=near.device)
            row, pair = (near[:, b] >= m).nonzero(as_tuple=True)  # near is ascending
            a, b = a[pair], b[pair]
            place, there = self.places(near[row, a], near[row, b])
            gram[row, a, b] = (products.gram[place] * there).double()
            gram[row, b, a] = gram[row, a, b]
        gram.diagonal(dim1=1, dim2=2).copy_(products.own[near])
        return gram

    def _targets(self, near: Tensor, items: Tensor, products: Products) -> Tensor:
        """B_Nj of neighbours N and ``items`` j, [batch, k] float64."""
        item = items[:, None].expand_as(near)
        place, there = self.places(near, item)
        target = torch.where(near < item, products.forth[place], products.back[place])
        return (target * there).double()


class LocalLinear(SparseLinear):
    """A model whose weights are those of ``Neighbourhoods.solved``."""

    NEIGHBOURS: ClassVar[tuple[int, int]]
    """The fewest and the most of each item; see ``n_neighbours``."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        # Once counted: the neighbours of the items ``order``, and, by share and ridge, the weights
        # from the neighbours and those from the items to themselves.
        self.order = torch.zeros(0, dtype=torch.int64)
        self.neighbours = torch.zeros(0, 0, dtype=torch.int64)
        self.solved: dict[tuple[float, float], tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def products(
        self, pairs: Neighbourhoods, items: Tensor, users: Tensor, share: float
    ) -> Products:
        """``items`` and ``users`` are those of ``count``, with the numbers of ``pairs``. ``share``
        is 1 in models whose ``variants`` have none."""

    @property
    def n_neighbours(self) -> int:
        """Of each item: fewer in a large catalogue, where all systems together would be larger than
        ``ENTRIES``."""
        fewest, most = self.NEIGHBOURS
        return min(most, max(fewest, isqrt(ENTRIES // max(self.n_items, 1))))

    def count(
        self, items: Tensor, users: Tensor, variants: Sequence[Mapping[str, float]] | None = None
    ) -> None:
        """``variants``: the values that ``use`` can take afterwards; None: those of the class."""
        pairs = Neighbourhoods.of(items, users, self.n_items, self.n_neighbours)
        items = pairs.order.argsort()[items]
        ridges: dict[float, set[float]] = {}
        for values in variants or self.variants:
            ridges.setdefault(values.get("share", 1.0), set()).add(values["ridge"])
        for share, some in ridges.items():
            products = self.products(pairs, items, users, share)
            for ridge, weights in zip(some, pairs.solved(products, [*some]), strict=True):
                to_itself = (products.itself / (products.own + ridge))[:-1]
                self.solved[share, ridge] = weights, to_itself
        self.order = pairs.order
        self.neighbours = pairs.neighbours

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``, and ``share`` where the model has one."""
        self.decay.fill_(values["decay"])
        weights, to_itself = self.solved[values.get("share", 1.0), values["ridge"]]
        item, place = weights.nonzero(as_tuple=True)
        again = to_itself.nonzero()[:, 0]
        self.fill(
            self.order[torch.cat([self.neighbours[item, place], again])],
            self.order[torch.cat([item, again])],
            torch.cat([weights[item, place], to_itself[again]]),
        )

    def forget(self) -> None:
        """Keep the solution that is used, and no other."""
        self.solved = {}
        self.neighbours = self.neighbours[:0]
