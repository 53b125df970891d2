"""The tables of an HTML page: columns of texts that can be sorted, filtered and written as CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

NUMBER = re.compile(r"[-+]?(< )?[\d.,]+(e-?\d+)?%?( ± [\d.,]+| to [-+]?[\d.,]+)?")
HIGH_IS_BEST = re.compile(r"(valid|test) |win$|coverage|novelty|recall|ndcg|mrr|hit|precision")
LONG = 12  # rows of a table that can be filtered


@dataclass(frozen=True)
class Cell:
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Column:
    name: str
    cells: list[Cell]
    first_down: bool = False
    """Whether the first click sorts from the highest value on: the best first."""

    @cached_property
    def number(self) -> bool:
        """Whether all cells are numbers, which stand on the right."""
        return all(NUMBER.fullmatch(cell.text) for cell in self.cells if cell.text)


@dataclass(frozen=True)
class Shown:
    """A table of the page."""

    name: str
    columns: list[Column]
    ranked: bool = False
    """Whether the first two columns, place and model, stay in view."""
    numbers: list[int] = field(default_factory=list)
    """0, 1, ... of the rows."""

    @property
    def long(self) -> bool:
        return len(self.numbers) >= LONG


def table(name: str, columns: list[Column], ranked: bool = False) -> Shown:
    """The table without its empty columns."""
    kept = [column for column in columns if any(cell.text for cell in column.cells)]
    return Shown(name, kept, ranked, list(range(len(kept[0].cells))))


def column(name: str, texts: Sequence[str]) -> Column:
    return Column(name, [Cell(text) for text in texts], bool(HIGH_IS_BEST.match(name)))
