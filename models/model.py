"""What every model is: item sequences in, item scores out.

A model ranks by two methods, ``queries`` and ``scores``. It learns by gradients (``LearnedModel``)
or is counted in one pass over the interactions (``models.counted.Counted``).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from models.arguments import Setting
from models.progress import Bar, no_bar


class Histories(NamedTuple):
    """Interactions of some users, oldest first, padded on the left."""

    items: Tensor
    """[batch, length] int64; ``n_items`` is padding."""
    baskets: Tensor
    """[batch, length] int64: a user's interactions at the same time have the same number, later
    ones a higher number; any number at padding."""

    @classmethod
    def without_times(cls, items: Tensor) -> Self:
        """Every interaction of ``items`` [batch, length] has a time of its own."""
        return cls(items, torch.arange(items.shape[1], device=items.device).expand_as(items))

    def last(self, length: int) -> Self:
        """The last ``length`` interactions of each history, or all if there are fewer."""
        return type(self)(self.items[:, -length:], self.baskets[:, -length:])

    def rows(self, chosen: slice) -> Self:
        """Some rows of the batch."""
        return type(self)(self.items[chosen], self.baskets[chosen])


class Model(nn.Module, ABC):
    """Items are 0 .. n_items - 1; ``n_items`` is padding.

    The constructor takes ``n_items`` and, by name, the settings that the model has.
    """

    link: ClassVar[str] = ""
    """The page that describes the model."""
    recipes: ClassVar[Mapping[str, Mapping[str, Setting]]] = {"fast": {}}
    """Named sets of defaults, where they differ from those of benchmark/settings/fields.py."""

    version: ClassVar[int] = 1
    """Raised when the same settings give other results than before, so that reports do not pool
    trials of two versions."""

    n_items: int
    max_length: int
    """Number of interactions that the model reads as a sequence."""
    memory: int = 0
    """Number of interactions before these in which it looks for repeated items."""
    variants: tuple[Mapping[str, float], ...] = ()
    """Arguments of ``use`` that are tried on validation after training, one set in each epoch."""
    progress_bar: Bar = staticmethod(no_bar)
    """Wraps a long loop of ``count``. An exception in it may end the loop: then ``count`` is called
    again, and nothing may have been added up before."""

    @classmethod
    def check(cls, settings: Mapping[str, Setting]) -> None:
        """Raises ValueError if the settings, by name, do not go together."""

    def count(self, items: Tensor, users: Tensor) -> None:
        """Count all training interactions, before training.

        ``items`` and ``users`` are [n] int64, ordered by user and in time order inside each.
        """

    def use(self, **values: float) -> None:
        """Rank with these values from now on. They are kept in buffers."""

    @abstractmethod
    def queries(self, histories: Histories) -> Any:
        """What the model knows of some histories before any item is scored.

        ``histories`` have a length <= max_length + memory. The result is passed to ``scores`` as it
        is.
        """

    @abstractmethod
    def scores(self, queries: Any, first: int, last: int) -> Tensor:
        """The scores of the items first .. last - 1: [batch, last - first] float, a new tensor."""


class Examples(Protocol):
    """What a learned model trains on in one step: the arguments of its ``forward``, in order.

    The class is called with tensors in the same order for a CUDA graph, as that of a NamedTuple.
    """

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
    """Number of interactions of a training sequence."""

    @abstractmethod
    def items(self) -> Tensor:
        """The embeddings of all items, [n_items, hidden] float, in the memory of the weights."""

    @abstractmethod
    def examples(self, sequences: Histories, generator: torch.Generator) -> Examples:
        """What to train on, drawn anew at every call.

        ``sequences`` have a length <= window + memory. The last ``window`` interactions are to be
        learned; those before them are their history. ``generator`` is on the CPU.
        """
