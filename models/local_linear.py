"""Linear models whose weights to an item come from its neighbours alone, for large catalogues.

One small linear system for each item takes the place of one of all items by all items: the feature
selection of fsSLIM (Ning and Karypis, ICDM 2011, https://doi.org/10.1109/ICDM.2011.134, section
IV-C). The weights are the solution of least squares, as in EASE: their absolute values have no
penalty.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from models.linear import SparseLinear
from models.neighbours import by_popularity, chunks, nearest, pairs_in_common

ENTRIES_PER_BATCH = 1 << 21  # of the systems that are solved at once


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
        for first, last in chunks(found[order] ** 2, ENTRIES_PER_BATCH):
            batch = order[first:last]
            most = int(found[batch[-1]])
            gram, target = self._systems(batch, self.neighbours[batch, :most], products)
            for place, ridge in enumerate(ridges):
                system = gram.clone()
                system.diagonal(dim1=1, dim2=2).add_(ridge)
                weights = torch.cholesky_solve(target[..., None], torch.linalg.cholesky(system))
                solutions[place, batch, :most] = weights[..., 0].float()
        return solutions

    def _systems(self, items: Tensor, near: Tensor, products: Products) -> tuple[Tensor, Tensor]:
        """A_NN [batch, k, k] and B_Nj [batch, k], float64, of ``items`` j and neighbours N."""
        k = near.shape[1]
        a, b = torch.triu_indices(k, k, 1, device=near.device)
        place, there = self.places(near[:, a], near[:, b])
        gram = torch.diag_embed(products.own[near].double())
        gram[:, a, b] = (products.gram[place] * there).double()
        gram[:, b, a] = gram[:, a, b]
        item = items[:, None].expand_as(near)
        place, there = self.places(near, item)
        target = torch.where(near < item, products.forth[place], products.back[place])
        return gram, (target * there).double()


class LocalLinear(SparseLinear):
    """A model whose weights are those of ``Neighbourhoods.solved``."""

    NEIGHBOURS: ClassVar[int]
    """Of each item."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        # Once counted: the neighbours of the items ``order``, and the weights by share and ridge.
        self.order = torch.zeros(0, dtype=torch.int64)
        self.neighbours = torch.zeros(0, 0, dtype=torch.int64)
        self.solved: dict[tuple[float, float], Tensor] = {}

    @abstractmethod
    def products(
        self, pairs: Neighbourhoods, items: Tensor, users: Tensor, share: float
    ) -> Products:
        """``items`` and ``users`` are those of ``count``, with the numbers of ``pairs``. ``share``
        is 1 in models whose ``variants`` have none."""

    def count(
        self, items: Tensor, users: Tensor, variants: Sequence[Mapping[str, float]] | None = None
    ) -> None:
        """``variants``: the values that ``use`` can take afterwards; None: those of the class."""
        pairs = Neighbourhoods.of(items, users, self.n_items, self.NEIGHBOURS)
        items = pairs.order.argsort()[items]
        ridges: dict[float, set[float]] = {}
        for values in variants or self.variants:
            ridges.setdefault(values.get("share", 1.0), set()).add(values["ridge"])
        for share, some in ridges.items():
            products = self.products(pairs, items, users, share)
            for ridge, weights in zip(some, pairs.solved(products, [*some]), strict=True):
                self.solved[share, ridge] = weights
        self.order = pairs.order
        self.neighbours = pairs.neighbours

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``, and ``share`` where the model has one."""
        self.decay.fill_(values["decay"])
        weights = self.solved[values.get("share", 1.0), values["ridge"]]
        item, place = weights.nonzero(as_tuple=True)
        near = self.order[self.neighbours[item, place]]
        self.fill(near, self.order[item], weights[item, place])

    def forget(self) -> None:
        """Keep the solution that is used, and no other."""
        self.solved = {}
        self.neighbours = self.neighbours[:0]
