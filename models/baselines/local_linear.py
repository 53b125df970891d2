"""Linear models whose weights to an item come from some other items.

The weights are the solution of least squares, as in EASE: their absolute values have no penalty.
``neighbourhoods`` and ``all_items``, beside this file, say which items they come from.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from models.baselines.linear import SparseLinear
from models.baselines.neighbourhoods import Neighbourhoods
from models.baselines.neighbours import popularity_below_zero
from models.baselines.systems import Products, Systems, Weights


class LocalLinear(SparseLinear):
    """A model whose weights are those of ``Systems.solved``."""

    NEIGHBOURS: ClassVar[int]
    """The number of neighbours of each item, where weights come from neighbours."""

    def __init__(self, n_items: int):
        super().__init__(n_items)
        # Once counted: the numbers of items in the systems, and the weights by share and ridge.
        self.order = torch.zeros(0, dtype=torch.int64)
        self.solved: dict[tuple[float, float], Weights] = {}

    def systems(self, items: Tensor, users: Tensor) -> Systems:
        """``items`` and ``users`` are those of ``count``."""
        return Neighbourhoods.of(items, users, self.n_items, self.NEIGHBOURS)

    @abstractmethod
    def of_order(self, systems: Systems, items: Tensor, users: Tensor) -> Products | None:
        """The products of the order of the items, which are mixed with those of sets; None: of
        sets alone.

        ``items`` and ``users`` are those of ``count``, with the numbers of ``systems``.
        """

    def count(
        self, items: Tensor, users: Tensor, variants: Sequence[Mapping[str, float]] | None = None
    ) -> None:
        """``variants``: the values that ``use`` can take afterwards; None: those of the class."""
        self.popularity = popularity_below_zero(items, self.n_items)
        systems = self.systems(items, users)
        order = self.of_order(systems, systems.order.argsort()[items], users)
        shares, ridges = (
            list(dict.fromkeys(values.get(name, 1.0) for values in variants or self.variants))
            for name in ("share", "ridge")
        )
        self.solved = systems.solved(order, shares, ridges, self.progress_bar)
        self.order = systems.order

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``, and ``share`` where the model has one."""
        self.decay.fill_(values["decay"])
        weights = self.solved[values.get("share", 1.0), values["ridge"]]
        item, place = weights.values.nonzero(as_tuple=True)
        again = weights.itself.nonzero()[:, 0]
        self.fill(
            self.order[torch.cat([weights.items[item, place], again])],
            self.order[torch.cat([item, again])],
            torch.cat([weights.values[item, place], weights.itself[again]]),
        )

    def forget_variants(self) -> None:
        self.solved = {}
