"""The definition of a sweep: what it searches, how, and what all its trials share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from benchmark.settings import Settings, Value
from benchmark.sweeps import space, suggest
from benchmark.sweeps.space import Choice, Space
from benchmark.sweeps.space_files import SpaceError
from datasets import Sequences

LARGEST_GRID = 10_000  # points


@dataclass(frozen=True)
class Definition:
    """What identifies a sweep. A sweep that resumes has the same definition.

    Raises ValueError for an unknown method or pruner.
    """

    space: Space
    method: str
    """A name in ``suggest.METHODS``."""
    pruner: str
    """A name in ``suggest.PRUNERS``."""
    given: dict[str, Value]
    """The settings that all trials share, where they are not the recipe's."""
    resolve: Callable[..., Settings] = Settings.of
    """Makes the settings of a trial from settings by name. Raises ValueError if they do not fit."""

    def __post_init__(self) -> None:
        for what, name, known in (
            ("search method", self.method, list(suggest.METHODS)),
            ("pruner", self.pruner, list(suggest.PRUNERS)),
        ):
            if name not in known:
                raise ValueError(f"no {what} is called {name!r}; there are: {', '.join(known)}")

    @property
    def base(self) -> Settings:
        """The settings without those of a point."""
        return self.resolve(**self.given)

    def settings(self, values: dict[str, Value], seed: int) -> Settings:
        """The settings of a trial. Raises ValueError if the values do not go together."""
        return self.resolve(**self.given | values | {"seed": seed})

    def fits(self, values: dict[str, Value]) -> bool:
        """Whether the values of a point go together."""
        try:
            self.settings(values, 0)
        except ValueError:
            return False
        return True

    def check(self) -> None:
        """Raises SpaceError unless every point of an exhaustive search is valid, or, for other
        methods, at least one point at the ends of the space."""
        both = self.given.keys() & self.space.keys()
        if both:
            raise SpaceError(f"{', '.join(both)}: both searched and given as an option")
        exhaustive = suggest.METHODS[self.method].exhaustive
        if exhaustive:
            self._check_grid()
        reason = ""
        for values in self._ends():
            try:
                self.settings(values, 0)
            except ValueError as error:
                reason = reason or f"{described(values)}: {error}"
                if exhaustive:
                    break
            else:
                if not exhaustive:
                    return
        if reason:
            raise SpaceError(reason)

    def _check_grid(self) -> None:
        others = [name for name, method in suggest.METHODS.items() if not method.exhaustive]
        advice = f"--method {' or '.join(others)}"
        intervals = [name for name, d in self.space.items() if not isinstance(d, Choice)]
        if intervals:
            raise SpaceError(f"{', '.join(intervals)}: a grid needs choices; {advice}")
        n = suggest.n_points(self.space, self.method, 0)
        if n > LARGEST_GRID:
            raise SpaceError(f"a grid of {n:,} points is too large: {advice}")

    def _ends(self) -> Iterator[dict[str, Value]]:
        """The combinations of all choices and of both ends of each interval."""
        ends = [d.values if isinstance(d, Choice) else (d.low, d.high) for d in self.space.values()]
        for point in islice(product(*ends), LARGEST_GRID):
            yield dict(zip(self.space, point, strict=True))

    def as_dict(self, sequences: Sequences) -> dict[str, Any]:
        """The content of sweep.yaml. A sweep resumes only with the content that is stored."""
        shared = self.base.as_dict()
        for name in (*self.space, "device"):  # the device does not change a result
            shared.pop(name, None)
        return {
            "space": space.lines(self.space),
            "method": self.method,
            "pruner": self.pruner,
            "data_digest": sequences.digest,
            "settings": shared,
        }


def described(values: dict[str, Value]) -> str:
    """The values of a point, for messages: name=value name=value."""
    return " ".join(f"{name}={value}" for name, value in values.items())
