"""The declaration of a setting: its default, its help text and its limits."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmark.errors import UserError
from datasets.errors import quoted
from models.arguments import arguments

Value = str | int | float
LOGGED_BESIDE = ("model_version", "linear_version", "model_source")
"""Parameters of runs that are no settings."""
LARGEST_COUNT = 1_000_000  # far above what trains: more is a slip of the finger

V = TypeVar("V", bound=Value)


class SettingError(UserError, ValueError):
    """A setting cannot have a value. ``why`` says what the value should be."""

    def __init__(self, name: str, value: object, why: str):
        super().__init__(name, value, why)
        self.name = name
        self.value = value
        self.why = why

    def __str__(self) -> str:
        return f"{self.name} cannot be {quoted(self.value)}: {self.why}"


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting. Its type is that of its default."""

    default: Value
    help: str
    by_data: bool = False
    """Whether the training data decide, in place of the default: benchmark/training/defaults.py."""
    choices: tuple[str, ...] = ()
    """All possible values; empty if there are others."""
    or_else: str = ""
    """What values beside the choices look like. They have a colon."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    group: str = "training"
    """The part of a command's help text that lists it: data, model, training, ..."""

    @property
    def kind(self) -> type[Value]:
        return type(self.default)

    @property
    def expected(self) -> str:
        """What a value should be, as a noun phrase."""
        if self.choices:
            others = f", or {self.or_else}" if self.or_else else ""
            return f"one of {', '.join(self.choices)}{others}"
        if self.kind is str:
            return "text"
        ends = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        limits = " and ".join(f"{end} {n:,}" for end, n in ends.items() if n is not None)
        number = "an integer" if self.kind is int else "a finite number"
        return f"{number}, {limits}" if limits else number

    def accepts(self, value: object) -> bool:
        """Whether the setting can have this value. An integer is accepted for a float."""
        if isinstance(value, bool):
            return False
        if isinstance(value, str):
            other = not self.choices or (bool(self.or_else) and ":" in value)
            return self.kind is str and (other or self.spelled(value) in self.choices)
        if isinstance(value, int):
            return self.kind is not str and self._within(value)
        return isinstance(value, float) and self.kind is float and self._within(value)

    def spelled(self, text: str) -> str:
        """The choice that the text means, whatever its case; the text itself if it is none."""
        return next((c for c in self.choices if c.casefold() == text.casefold()), text)

    def _within(self, number: int | float) -> bool:
        try:
            finite = self.kind is int or math.isfinite(number)
        except OverflowError:  # an integer past the largest float
            return False
        return (
            finite
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def checked(self, name: str, value: object) -> Value:
        """The value, if the setting of that ``name`` allows it; a choice in its declared spelling.

        Raises SettingError, a ValueError, if it has another type or is outside the limits.
        """
        if isinstance(value, str | int | float) and self.accepts(value):
            return self.spelled(value) if isinstance(value, str) else value
        raise SettingError(name, value, f"it should be {self.expected}")


def setting(
    default: V,
    help: str,
    *,
    by_data: bool = False,
    choices: tuple[str, ...] = (),
    or_else: str = "",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    group: str = "training",
) -> V:
    """An integer without an upper limit has ``LARGEST_COUNT``."""
    if isinstance(default, int) and at_most is None:
        at_most = LARGEST_COUNT
    declaration = Setting(
        default, help, by_data, choices, or_else, at_least, above, at_most, below, group
    )
    return field(default=default, metadata={"setting": declaration})


def of_constructor(model: Callable[..., Any], known: Collection[str]) -> dict[str, Setting]:
    """The declarations of a model's own settings: the arguments that are not ``known``, by name.

    Raises ValueError for an argument that cannot be a setting.
    """
    name_of_model = model.__name__
    try:
        own = [argument for argument in arguments(model) if argument.name not in known]
    except (ValueError, NameError, TypeError) as error:
        raise ValueError(f"{name_of_model}: its constructor: {error}") from None
    found = {}
    for name, default, help, choices in own:
        if default is None:
            raise ValueError(
                f"{name_of_model}: argument {name} of its constructor needs a default: no setting "
                "of seqrec is called so"
            )
        if name in LOGGED_BESIDE:
            raise ValueError(f"{name_of_model}: argument {name}: runs log something else as {name}")
        most = LARGEST_COUNT if isinstance(default, int) else None
        help = help or f"Setting of {name_of_model}."
        found[name] = Setting(default, help, choices=choices, at_most=most, group="model")
        found[name].checked(name, default)
    return found
