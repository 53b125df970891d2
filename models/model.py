"""What every model is: item sequences in, item scores out.

A model ranks by two methods, ``queries`` and ``scores``. It learns by gradients (``LearnedModel``)
or is counted in one pass over the interactions (``models.counted.Counted``).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

Setting = str | int | float


class Model(nn.Module, ABC):
    """Items are 0 .. n_items - 1; ``n_items`` is padding.

    The constructor takes ``n_items`` and, by name, the settings that the model has.
    """

    link: ClassVar[str] = ""
    """The page that describes the model."""
    recipes: ClassVar[Mapping[str, Mapping[str, Setting]]] = {"fast": {}}
    """Named sets of defaults, where they differ from those of benchmark/settings.py."""

    version: ClassVar[int] = 1
    """Raised when the same settings give other results than before, so that reports do not pool
    trials of two versions."""

    n_items: int
    max_length: int
    """The longest history that ``queries`` reads."""

    @classmethod
    def check(cls, settings: Mapping[str, Setting]) -> None:
        """Raises ValueError if the settings, by name, do not go together."""

    @abstractmethod
    def queries(self, histories: Tensor) -> Any:
        """What the model knows of some histories before any item is scored.

        ``histories`` are [batch, length] int64 with length <= max_length, padded on the left. The
        result is passed to ``scores`` as it is.
        """

    @abstractmethod
    def scores(self, queries: Any, first: int, last: int) -> Tensor:
        """The scores of the items first .. last - 1: [batch, last - first] float, a new tensor."""


class Examples(Protocol):
    """What a learned model trains on in one step: the arguments of its ``forward``, in order."""

    @property
    def targets(self) -> Tensor:
        """[batch, k] int64: the items to predict, negative where there is none."""

    def rows(self, chosen: slice) -> Self:
        """Some rows of the batch."""

    def __iter__(self) -> Iterator[Any]:
        """Over tensors."""


class LearnedModel(Model):
    """A model that learns by gradients.

    ``forward`` takes the tensors of ``Examples`` and returns the mean loss over targets, [], in
    nats.
    """

    window: int
    """The longest training sequence that ``examples`` takes."""

    @abstractmethod
    def examples(self, sequences: Tensor, generator: torch.Generator) -> Examples:
        """What to train on, drawn anew at every call.

        ``sequences`` are [batch, length] int64 with length <= window, padded on the left;
        ``generator`` is on the CPU.
        """
