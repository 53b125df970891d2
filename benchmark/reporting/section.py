"""A section of a report."""

from dataclasses import dataclass, field

Table = list[dict[str, object]]
"""Rows of cells by heading: plain text, or numbers to be shown as they are."""


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    """A paragraph of plain text."""
    points: list[str] = field(default_factory=list)
    table: Table = field(default_factory=list)
