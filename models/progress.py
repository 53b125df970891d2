"""Progress bars, as models, training and evaluation see them."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Bar(Protocol):
    """Wraps the steps of a loop, as tqdm does."""

    def __call__(
        self, steps: Iterable[T], *, total: int, desc: str, initial: int = 0
    ) -> Iterable[T]:
        """The loop has ``total`` steps, of which ``initial`` are done. ``desc`` is its name.

        An exception may end the loop between two steps.
        """


def no_bar(steps: Iterable[T], *, total: int, desc: str, initial: int = 0) -> Iterable[T]:
    """A ``Bar`` that shows nothing."""
    return steps
