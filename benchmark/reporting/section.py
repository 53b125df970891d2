"""A section of a report."""

from dataclasses import dataclass, field

Table = list[dict[str, object]]
"""Rows of cells by heading: plain text, or numbers to be shown as they are."""


def with_deviation(mean: float, deviation: float | None) -> str:
    """A metric over seeds; None for one seed."""
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def shown_interval(low: float, high: float, form: str = ".4f") -> str:
    """Empty for NaN."""
    return "" if low != low else f"{low:{form}} to {high:{form}}"


def shown_p(p: float) -> str:
    return f"{p:.2g}" if p > 1e-16 else "< 1e-16"


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    """A paragraph of plain text."""
    points: list[str] = field(default_factory=list)
    table: Table = field(default_factory=list)
