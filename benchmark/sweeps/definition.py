"""The definition of a sweep: what it searches, how, and what all its trials share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import models
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings, has
from benchmark.sweeps import space, suggest
from benchmark.sweeps.space import Choice, Space
from benchmark.sweeps.space_files import SpaceError

if TYPE_CHECKING:  # it loads pandas
    from datasets.sequences import Sequences


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
    from_defaults: bool = False
    """Whether the first point has the default of each searched setting."""

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
        return self._resolved(self.given)

    def settings(self, values: dict[str, Value], seed: int) -> Settings:
        """The settings of a trial. Raises ValueError if the values do not go together."""
        return self._resolved(self.given | values | {"seed": seed})

    def _resolved(self, values: dict[str, Value]) -> Settings:
        """Where models are searched, a setting counts for the models that have it."""
        if "model" in self.space:
            model = str(values.get("model", self.resolve().model))
            values = {name: value for name, value in values.items() if has(model, name)}
        return self.resolve(**values)

    def fits(self, values: dict[str, Value]) -> bool:
        """Whether the values of a point go together."""
        try:
            self.settings(values, 0)
        except ValueError:
            return False
        return True

    def check(self) -> None:
        """Raises SpaceError unless every point of an exhaustive search is valid or, for other
        methods, at least one point."""
        both = self.given.keys() & self.space.keys()
        if both:
            raise SpaceError(f"{', '.join(both)}: both searched and given as an option")
        self._check_models()
        if suggest.METHODS[self.method].exhaustive:
            self._check_grid()
            return
        reason = self._why_none_fits(self.space)
        if reason:
            raise SpaceError(f"no point of the search space can be tried: {reason}")

    def never_tried(self) -> Iterator[str]:
        """One line for each searched model that has no valid point."""
        if "model" not in self.space:
            return
        for part in space.by_model(self.space):
            reason = self._why_none_fits(part)
            if reason:
                yield f"a model that is never tried: {reason}"

    def _check_models(self) -> None:
        searched = self.space.get("model")
        if searched is None:
            return
        for name in (*self.space, *self.given):
            if not any(has(str(model), name) for model in searched.values):
                raise SpaceError(f"{name}: none of the searched models has this setting")

    def _check_grid(self) -> None:
        others = [name for name, method in suggest.METHODS.items() if not method.exhaustive]
        advice = f"--method {' or '.join(others)}"
        intervals = [name for name, d in self.space.items() if not isinstance(d, Choice)]
        if intervals:
            raise SpaceError(f"{', '.join(intervals)}: a grid needs choices; {advice}")
        if not suggest.can_be_listed(self.space):
            n = suggest.n_points(self.space, self.method, 0)
            raise SpaceError(f"a grid of {n:,} points is too large: {advice}")
        for values in space.points(self.space):
            try:
                self.settings(values, 0)
            except ValueError as error:
                raise SpaceError(f"{described(values)}: {error}") from None

    def _why_none_fits(self, part: Space) -> str:
        """Why no point of a space can be tried; empty if one can."""
        reasons: list[str] = []

        def fits(values: dict[str, Value]) -> bool:
            try:
                self.settings(values, 0)
            except ValueError as error:
                reasons.append(f"{described(values)}: {error}")
                return False
            return True

        first = suggest.suggest(part, "random", 0, [], fits)
        return reasons[0] if first is None else ""

    def as_dict(self, sequences: Sequences) -> dict[str, Any]:
        """The content of sweep.yaml. A sweep resumes only with the content that is stored."""
        base = self.base
        shared = {name: value for name, value in self.given.items() if not base.has(name)}
        shared |= base.as_dict()
        # The device does not change a result.
        for name in (*self.space, *base.undecided, "device"):
            shared.pop(name, None)
        first: dict[str, Any] = {"first point": "defaults"} if self.from_defaults else {}
        searched = self.space["model"].values if "model" in self.space else [base.model]
        outside = sorted({str(model) for model in searched if models.is_outside(str(model))})
        if outside:
            first["model sources"] = {model: models.source_digest(model) for model in outside}
        return first | {
            "space": space.lines(self.space),
            "method": self.method,
            "pruner": self.pruner,
            "data_digest": sequences.digest,
            "settings": shared,
        }


def described(values: dict[str, Value]) -> str:
    """The values of a point, for messages: name=value name=value."""
    return " ".join(f"{name}={value}" for name, value in values.items())
