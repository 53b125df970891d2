"""What changed between two boards: the same cells, paired over users and seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.installation import settings_in
from benchmark.leaderboards.board import Board, Cell, Column, Entry
from benchmark.reporting.comparison import compare
from benchmark.reporting.difference import LEVEL
from benchmark.reporting.ranking import NOT_SEARCHED, Ranking
from benchmark.reporting.row import Row
from benchmark.reporting.statistics import holm
from benchmark.reporting.verdict import AS_FAST
from benchmark.tracking.reading.ranks import ranks
from benchmark.tracking.reading.record import Record, record
from benchmark.tracking.server import Unavailable

SAME = 5e-5  # means that differ by less are shown as equal: four decimals

SHORTEST = 1.0
"""Seconds: trials whose times differ by less are not slower or faster."""

What = Literal["better", "worse", "level", "equal", "not tested", "new", "lost", "not run"]
"""level: they differ, but not significantly. lost: there was a result, and its trials fail now."""


@dataclass(frozen=True)
class Change:
    """A cell of two boards."""

    dataset: str
    """The title of the column."""
    entry: Entry
    what: What
    before: float | None
    after: float | None
    interval: tuple[float, float] | None = None
    """The 95% interval of the difference, after minus before."""
    p: float | None = None
    """With Holm's correction for the number of cells that are tested."""
    by: str = ""
    """What it is tested over: users and seeds, users (one seed) or seeds."""
    seconds: float | None = None
    """How many times as long a trial takes; None if that is not known, or on another device."""
    memory: float | None = None
    """How many times as much memory, likewise."""
    slower: bool = False
    """Whether that is beyond noise: at least ``AS_FAST`` times, and each trial after took longer
    than each before."""
    faster: bool = False
    settings: tuple[str, ...] = ()
    """The settings that the commands of both give otherwise, such as "dropout 0.2 -> 0.5"."""

    @property
    def difference(self) -> float | None:
        """After minus before; None unless both have a result."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


def changes(
    before: Board, after: Board, client: MlflowClient | None, test: str = "t"
) -> list[Change]:
    """All cells of the columns that both boards have, in the order of ``before``.

    Cells whose trials are at the tracking server are tested user by user with ``test``, a key of
    ``statistics.TESTS``; others over their seeds (Welch's t-test), if each has several.
    """
    found = []
    later = {column.basis: column for column in after.columns if column.basis}
    for column in before.columns:
        if column.basis and (then := later.get(column.basis)):
            for entry in dict.fromkeys([*column.cells, *then.cells]):
                if one := _change(column, then, entry, before.metric, client, test):
                    found.append(one)
    return _corrected(found)


def apart(before: Board, after: Board) -> list[str]:
    """The titles of the columns that are not compared, each with the reason: the other board has
    none of the same data and protocol, or there is no digest of the data."""
    found = []
    for name, board, other in (("before", before, after), ("after", after, before)):
        others = {column.basis for column in other.columns}
        for column in board.columns:
            if column.basis is None:
                found.append(f"{column.title} ({name} has no digest of its data)")
            elif column.basis not in others:
                found.append(f"{column.title} (only {name} has these data under this protocol)")
    return found


def _change(
    column: Column, then: Column, entry: Entry, metric: str, client: MlflowClient | None, test: str
) -> Change | None:
    """None if neither board has a result."""
    values = column.value(entry, metric), then.value(entry, metric)
    old, new = values
    if old is None and new is None:
        return None
    if old is None or new is None:
        gone: What = "lost" if entry in then.cells else "not run"
        return Change(column.title, entry, "new" if old is None else gone, old, new)
    cells = column.cells[entry], then.cells[entry]
    change = Change(column.title, entry, "not tested", old, new, settings=_settings(*cells))
    tested = _by_users(cells, entry, metric, client, test) or _by_seeds(cells, metric)
    if tested:
        change = replace(change, interval=tested.interval, p=tested.p, by=tested.by)
    elif abs(new - old) < SAME:
        change = replace(change, what="equal")
    return _with_cost(change, *cells)


def _settings(*cells: Cell) -> tuple[str, ...]:
    """In what the commands of two cells differ, but for the seed and what decides no result.

    A setting that one command does not name has its default there. None if one has no command.
    """
    old, new = (settings_in(cell.outcomes[0].command) for cell in cells)
    if not (old and new):
        return ()
    names = (name for name in {**old, **new} if name not in {*NOT_SEARCHED, "seed", "dataset"})
    given = ((name, old.get(name, "default"), new.get(name, "default")) for name in names)
    return tuple(f"{name} {one} -> {other}" for name, one, other in given if one != other)


@dataclass(frozen=True)
class _Tested:
    """The 95% interval of a difference, its p, and what it is tested over."""

    interval: tuple[float, float]
    p: float
    by: str


def _by_users(
    cells: tuple[Cell, Cell], entry: Entry, metric: str, client: MlflowClient | None, test: str
) -> _Tested | None:
    """None without the ranks of all trials on the same targets."""
    if client is None or entry.kind == "published":
        return None
    after, before = (Row(_records(client, cell, metric)) for cell in reversed(cells))
    if (len(before.records), len(after.records)) != tuple(len(c.outcomes) for c in cells):
        return None
    tables = ranks(client, [*before.records, *after.records], "test").tables
    compared = compare(Ranking(metric, [after, before], []), tables, metric, test)
    if compared is None or len(compared.places) < 2:
        return None
    found = compared.beside_the_first[0]  # after minus before
    by = "users and seeds" if compared.noise_known else "users"
    if np.isnan(found.low_with_seeds):  # the noise of training is not known
        by = "users (one seed)"
    return _Tested(found.interval, found.p, by)


def _records(client: MlflowClient, cell: Cell, metric: str) -> list[Record]:
    """The trials of the cell that the tracking server has, with the result that the cell shows."""
    found = []
    for outcome in cell.outcomes:
        try:
            trial = record(client.get_run(outcome.run))
        except Unavailable:
            raise
        except MlflowException:  # it was tracked elsewhere, or deleted
            continue
        if trial.complete and trial.test and trial.test.get(metric) == outcome.test.get(metric):
            found.append(trial)
    return found


def _by_seeds(cells: tuple[Cell, Cell], metric: str) -> _Tested | None:
    """None unless both have several seeds that differ."""
    from scipy import stats  # loads slowly

    old, new = (np.array(cell.values(metric)) for cell in cells)
    if min(len(old), len(new)) < 2 or not (np.ptp(old) or np.ptp(new)):
        return None
    found = stats.ttest_ind(new, old, equal_var=False)
    low, high = found.confidence_interval(1 - LEVEL)
    return _Tested((float(low), float(high)), float(found.pvalue), "seeds")


def _corrected(found: list[Change]) -> list[Change]:
    """With Holm's correction: better or worse if p is significant and the interval excludes 0."""
    tested = [change.p for change in found if change.p is not None]
    corrected = iter(holm(np.array(tested, dtype=float)).tolist())
    return [
        change if change.p is None else _judged(replace(change, p=next(corrected)))
        for change in found
    ]


def _judged(change: Change) -> Change:
    difference, p = change.difference, change.p
    low, high = change.interval or (0.0, 0.0)
    if not difference or p is None:
        return replace(change, what="equal")
    if p >= LEVEL or low <= 0 <= high:
        return replace(change, what="level")
    return replace(change, what="better" if difference > 0 else "worse")


def _with_cost(change: Change, old: Cell, new: Cell) -> Change:
    if old.device != new.device:
        return change
    if old.memory_mb and new.memory_mb:
        change = replace(change, memory=new.memory_mb / old.memory_mb)
    if not old.seconds or not new.seconds:
        return change
    times = new.seconds / old.seconds
    before, after = ([o.seconds for o in cell.outcomes if o.seconds] for cell in (old, new))
    apart = bool(before and after) and abs(new.seconds - old.seconds) >= SHORTEST
    return replace(
        change,
        seconds=times,
        slower=times >= AS_FAST and apart and min(after) > max(before),
        faster=times <= 1 / AS_FAST and apart and max(after) < min(before),
    )
