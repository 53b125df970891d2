"""The least squares that linear models of items by items solve: one system for each item."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.progress import Bar


class Products(NamedTuple):
    """What the systems are made of; ``Systems.places`` says where the values of pairs are."""

    gram: Tensor
    """[m] float: a value for each pair of two items."""
    target: Tensor
    """[m'] float: a value for each ordered pair, from one item to another."""
    own: Tensor
    """[n_items] float: ``gram`` of each item with itself."""
    itself: Tensor
    """[n_items] float: the target of the weight from each item to itself."""


class Weights(NamedTuple):
    """The weights to each item from some others, and to itself."""

    items: Tensor
    """[n_items, k] int64: the others; any number where the value is 0."""
    values: Tensor
    """[n_items, k] float"""
    itself: Tensor
    """[n_items] float"""


class Systems(ABC):
    """One system for each item. Items may have new numbers here.

    With A and B the matrices of ``Products.gram`` and ``Products.target``, the weights from the
    items N to the item j are the solution w of (A_NN + ridge I) w = B_Nj; j itself is not in N. The
    weight from j to itself is that of a system of j alone.
    """

    order: Tensor
    """[n_items] int64: the items, by their new numbers."""
    sets: Products
    """Of users' sets of items: numbers of users in common, and 0 from items to themselves."""

    @abstractmethod
    def places(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The places of pairs of different items that have users in common: in ``Products.gram``,
        and in ``Products.target`` as weights from ``one`` to ``other``."""

    @abstractmethod
    def solved(
        self, order: Products | None, shares: Sequence[float], ridges: Sequence[float], bar: Bar
    ) -> dict[tuple[float, float], Weights]:
        """The weights, by share and ridge. ``bar`` wraps the loop over solutions.

        The products are ``share`` times those of ``sets`` and 1 - ``share`` times those of
        ``order``. If ``order`` is None, they are those of ``sets``.
        """

    def parts(self, order: Products | None) -> list[Products]:
        """The products of the order, if there are any, and those of the sets."""
        return [self.sets] if order is None else [order, self.sets]


def products(parts: Sequence[Products], share: float) -> Products:
    """The products of the systems, from ``Systems.parts``."""
    return Products(*(mixed(values, share) for values in zip(*parts, strict=True)))


def mixed(values: Sequence[Tensor], share: float) -> Tensor:
    """Mix the values of the order and of the sets by ``share``. One tensor alone is returned."""
    return values[0] if len(values) == 1 else torch.lerp(values[0], values[1], share)
