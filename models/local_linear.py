"""Linear models whose weights to an item come from some other items.

The weights are the solution of least squares, as in EASE: their absolute values have no penalty.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from models.linear import SparseLinear
from models.neighbourhoods import Neighbourhoods
from models.systems import Products, Systems, Weights


class LocalLinear(SparseLinear):
    """A model whose weights are those of ``Systems.solved``."""

    NEIGHBOURS: ClassVar[int]
    """Of each item."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        # Once counted: the numbers of items in the systems and, by share and ridge, the weights
        # from other items and those from the items to themselves.
        self.order = torch.zeros(0, dtype=torch.int64)
        self.solved: dict[tuple[float, float], tuple[Weights, Tensor]] = {}

    def systems(self, items: Tensor, users: Tensor) -> Systems:
        """``items`` and ``users`` are those of ``count``."""
        return Neighbourhoods.of(items, users, self.n_items, self.NEIGHBOURS)

    @abstractmethod
    def products(
        self, systems: Systems, items: Tensor, users: Tensor, shares: Sequence[float]
    ) -> Iterator[Products]:
        """Yield those of each share; it is 1 in models whose ``variants`` have none.

        ``items`` and ``users`` are those of ``count``, with the numbers of ``systems``.
        """

    def count(
        self, items: Tensor, users: Tensor, variants: Sequence[Mapping[str, float]] | None = None
    ) -> None:
        """``variants``: the values that ``use`` can take afterwards; None: those of the class."""
        systems = self.systems(items, users)
        items = systems.order.argsort()[items]
        ridges: dict[float, set[float]] = {}
        for values in variants or self.variants:
            ridges.setdefault(values.get("share", 1.0), set()).add(values["ridge"])
        made = self.products(systems, items, users, [*ridges])
        for (share, some), products in zip(ridges.items(), made, strict=True):
            for ridge, weights in zip(some, systems.solved(products, [*some]), strict=True):
                self.solved[share, ridge] = weights, products.itself / (products.own + ridge)
        self.order = systems.order

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``, and ``share`` where the model has one."""
        self.decay.fill_(values["decay"])
        weights, to_itself = self.solved[values.get("share", 1.0), values["ridge"]]
        item, place = weights.values.nonzero(as_tuple=True)
        again = to_itself.nonzero()[:, 0]
        self.fill(
            self.order[torch.cat([weights.items[item, place], again])],
            self.order[torch.cat([item, again])],
            torch.cat([weights.values[item, place], to_itself[again]]),
        )

    def forget(self) -> None:
        """Keep the solution that is used, and no other."""
        self.solved = {}
