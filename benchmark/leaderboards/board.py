"""Models by data sets: what every part of this folder reads or makes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Kind = Literal["learned", "counted", "scored", "published"]
"""How a result came about: a model that learns by gradients, one that is counted in one pass,
a file of another library that was scored here, a figure of a page."""


@dataclass(frozen=True)
class Entry:
    """A row: a model, and where its results come from."""

    model: str
    kind: Kind
    origin: str = ""
    """Whose file the results were read from; empty: they ran here."""

    @property
    def name(self) -> str:
        kind = f" ({self.kind})" if self.kind in ("scored", "published") else ""
        return f"{self.model}{kind}{f' from {self.origin}' if self.origin else ''}"


@dataclass(frozen=True)
class Outcome:
    """The result of one trial: of one seed."""

    run: str
    """Its id in MLflow; of a published figure, its run there."""
    seed: int | None
    test: dict[str, float]
    """Metrics by name, such as ndcg@10."""
    commit: str = ""
    """Ends in + if files had changed since."""
    command: str = ""
    """The command that repeats it; of a scored result, the one that scored its file."""
    link: str = ""
    """The address of the run in MLflow's UI; empty without a server on the web."""
    seconds: float | None = None
    """Of the trial."""


@dataclass(frozen=True)
class Cell:
    """A model on a data set: the settings that are best on validation, with all of their seeds."""

    outcomes: tuple[Outcome, ...] = ()
    """By seed; empty if no trial has a result."""
    failure: str = ""
    """Why there is no result; empty if there is one."""
    settings: str = ""
    """The searched settings, and "+ SLIST" if SLIST has a part in the scores; may be empty."""
    points_tried: int | None = None
    """How many settings were tried; None if that is not known."""
    seconds: float | None = None
    """Of a trial, mean over the seeds. So are the other costs."""
    memory_mb: float | None = None
    """Largest memory of the process, or of the GPU."""
    parameters: float | None = None
    energy_kwh: float | None = None
    device: str = ""
    interval: tuple[float, float] | None = None
    """95% interval of the board's metric: over users and seeds where training noise is known, else
    over users. None if it is not known."""
    level: bool = False
    """Whether the best of its column is not significantly better (the test of the report, over
    users); true of the best itself. False where no test compares it, as in a row from a file."""

    def mean(self, metric: str) -> float | None:
        """Over the seeds; None if not all of them have the metric."""
        values = self.values(metric)
        return statistics.fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """The standard deviation (n - 1) among the seeds; None for one seed."""
        values = self.values(metric)
        return statistics.stdev(values) if len(values) > 1 else None

    def values(self, metric: str) -> list[float]:
        """One for each seed; none if a seed lacks the metric."""
        found = [o.test[metric] for o in self.outcomes if metric in o.test]
        return found if len(found) == len(self.outcomes) else []


@dataclass(frozen=True)
class Column:
    """A data set under one protocol: results in it compare with each other."""

    dataset: str
    """Name of the data set: of its YAML file."""
    title: str
    """Another one than that of any other column."""
    protocol: str
    digest: str
    synthetic: bool = False
    statistics: dict[str, int | float] = field(default_factory=dict)
    """users, items, interactions and so on, as trials logged them; may be empty."""
    cells: dict[Entry, Cell] = field(default_factory=dict)
    """A model without a cell was not run."""
    report: str = ""
    """The report of this data set: the name of a file beside the page; empty if there is none."""
    unavailable: str = ""
    """Why the data cannot be had, if that is why there is no cell."""

    @property
    def basis(self) -> tuple[str, str] | None:
        """What results of two boards must share to compare with each other; None without a digest,
        which is all that says that the data are the same."""
        return (self.digest, self.protocol) if self.digest else None

    def means(self, metric: str) -> dict[Entry, float]:
        """The mean over seeds of each cell with a result; computed once."""
        if metric not in self._means:
            means = {entry: cell.mean(metric) for entry, cell in self.cells.items()}
            self._means[metric] = {e: mean for e, mean in means.items() if mean is not None}
        return self._means[metric]

    @cached_property
    def _means(self) -> dict[str, dict[Entry, float]]:
        return {}

    def value(self, entry: Entry, metric: str) -> float | None:
        """The mean over seeds; None without a result."""
        return self.means(metric).get(entry)

    def best(self, metric: str) -> float | None:
        """The highest mean, published figures left out: nothing says on which users they are."""
        leader = self.leader(metric)
        return None if leader is None else self.means(metric)[leader]

    def leader(self, metric: str) -> Entry | None:
        """The row with the highest mean, the first of equal ones; None as ``best``."""
        means = self.means(metric)
        own = (entry for entry in means if entry.kind != "published")
        return max(own, key=lambda entry: means[entry], default=None)


@dataclass(frozen=True)
class Board:
    """Models by data sets."""

    metric: str
    """On validation it chose the settings of each cell; on test it is what the page shows."""
    columns: tuple[Column, ...]
    title: str = "Leaderboard"
    version: str = ""
    """Version of seqrec that made the board."""
    made: str = ""
    """When, ISO 8601 in UTC, to the second."""
    origin: str = ""
    """Who made it; the name that its rows get beside those of others."""

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All rows: in the order in which the columns name them."""
        return tuple(dict.fromkeys(entry for column in self.columns for entry in column.cells))

    def results(self) -> Iterator[tuple[Column, Entry, Cell]]:
        """Every cell with a result."""
        for column in self.columns:
            for entry, cell in column.cells.items():
                if cell.outcomes:
                    yield column, entry, cell
