"""What a suite planned: its trials, and the cells that have no result."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient

from benchmark.leaderboards.board import Board, Cell, Column, Entry, Kind
from benchmark.leaderboards.merge import same, with_own_titles
from benchmark.settings.settings import BASELINES
from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.suites import DataOutcome, SuiteOutcome, suite_outcome
from benchmark.tracking.server import TrackingError, without_credentials
from models import by_setting


def read(client: MlflowClient, name: str) -> SuiteOutcome:
    """What the suite of that name, or of that file, has run. Raises TrackingError if none has."""
    if name.endswith((".yaml", ".yml")):
        name = Path(name).stem
    found = suite_outcome(client, name)
    if found is None:
        where = without_credentials(client.tracking_uri)
        raise TrackingError(
            f"no suite {name!r} has run at {where}; to run it: "
            f"python -m benchmark.suite {shlex.quote(name)}"
        )
    return found


def experiments(client: MlflowClient, suite: SuiteOutcome) -> list[str]:
    """The experiments that hold its trials."""
    names = dict.fromkeys(data.experiment for data in suite.datasets if data.experiment)
    return [name for name in names if client.get_experiment_by_name(name)]


def belongs(record: Record, suite: SuiteOutcome) -> bool:
    """Whether the trial is one of the suite's."""
    sweep = record.tags.get(schema.SWEEP, "")
    return any(
        sweep == f"{data.comparison}-{name}"
        for data in suite.datasets
        for name in (*data.models, BASELINES)
    )


def with_planned(board: Board, suite: SuiteOutcome) -> Board:
    """The board with a cell for each model that the suite planned: if it has no result, with the
    reason, if there is one; and with a column for each data set that cannot be had."""
    ran = [entry for entry in board.entries if entry.kind in ("learned", "counted")]
    entries = {entry.model: entry for entry in ran}
    columns = list(board.columns)
    for data in suite.datasets:
        planned = {
            entries.get(model) or Entry(model, _kind(model, suite)): Cell(failure=why)
            for model, why in data.models.items()
        }
        if data.unavailable:
            columns.append(_without_data(data, planned))
            continue
        column = Column(data.name, data.title, data.protocol, data.digest)
        at = same(columns, column)
        if at is not None:
            column = columns.pop(at)
        known = {
            entry: cell
            for entry, cell in column.cells.items()
            if cell.outcomes or (cell.failure and not planned.get(entry, cell).failure)
        }
        columns.append(replace(column, cells=column.cells | planned | known))
    return replace(board, columns=tuple(with_own_titles(columns)))


def _without_data(data: DataOutcome, planned: dict[Entry, Cell]) -> Column:
    cells = {entry: Cell() for entry in planned}
    return Column(data.name, data.title, "", "", cells=cells, unavailable=data.unavailable)


def _kind(model: str, suite: SuiteOutcome) -> Kind:
    return "learned" if model in (suite.learned or by_setting.learned()) else "counted"
