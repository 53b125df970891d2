"""What a chart consists of, as numbers that any format can draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

MOST_TICKS = 12

Mark = Literal["dots", "line", "line and dots", "bars"]


@dataclass(frozen=True)
class Axis:
    title: str
    ticks: Sequence[float] = ()
    """Where labels stand; chosen by the drawing library if there are none."""
    labels: Sequence[str] = ()
    """One for each tick."""
    logarithmic: bool = False
    integer: bool = False
    """Whether only whole numbers have a meaning, such as epochs."""
    hidden: bool = False

    def from_0_to_1(self, values: Sequence[float], among: Sequence[float]) -> list[float]:
        """Where the values stand on the axis, from the lowest of ``among`` to the highest."""
        scale = math.log if self.logarithmic else float
        low, high = scale(min(among)), scale(max(among))
        return [(scale(value) - low) / (high - low) if high > low else 0.5 for value in values]


@dataclass(frozen=True)
class Series:
    name: str
    x: Sequence[float]
    y: Sequence[float]
    hover: Sequence[str]
    """A text for each point."""
    mark: Mark = "dots"
    """Bars are horizontal."""
    model: int | None = None
    """The model's number, which decides colour and symbol; None is grey."""
    low: Sequence[float] = ()
    """Where the error bar of each point begins; empty for none."""
    high: Sequence[float] = ()
    error: Literal["x", "y"] = "y"
    """The direction of the error bars."""
    hollow: bool = False
    """Whether the figures come from a page."""
    faint: bool = False
    shade: float | None = None
    """From 0, pale, to 1, dark, in the place of a model's colour."""
    style: int = 0
    """Number of the line style, which tells lines of one model apart."""
    in_legend: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    x: Axis
    y: Axis
    series: list[Series]
    notes: list[tuple[float, float, str]] = field(default_factory=list)
    """Texts to the right of points (x, y)."""


@dataclass(frozen=True)
class Chart:
    title: str
    slug: str
    """For file names."""
    note: str
    """How to read it: a sentence or two."""
    panels: list[Panel]
    models: dict[str, int] = field(default_factory=dict)
    """The models that the chart shows and their numbers: its legend, where the series have none."""


def legend(panels: list[Panel], models: dict[str, int]) -> dict[str, int]:
    """The models that the panels show, and their numbers."""
    names = dict.fromkeys(series.name for panel in panels for series in panel.series)
    return {name: models[name] for name in names if name in models}


def logarithmic(values: Sequence[float]) -> bool:
    """Whether positive values span so much that a linear axis would crowd the small ones."""
    return min(values) > 0 and max(values) >= 8 * min(values)


def axis_of(title: str, tried: Sequence[float | str]) -> tuple[Axis, dict[float | str, float]]:
    """The axis of a setting with these values, and where each value stands on it.

    Numbers stand at themselves, and words side by side.
    """
    values = sorted(set(tried), key=lambda value: (isinstance(value, str), value))
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        at: dict[float | str, float] = {value: float(i) for i, value in enumerate(values)}
        return Axis(title, list(at.values()), [str(value) for value in values]), at
    at = {value: float(value) for value in values}
    few = numbers if len(numbers) <= MOST_TICKS else []
    return Axis(title, few, [f"{x:g}" for x in few], logarithmic=logarithmic(numbers)), at
