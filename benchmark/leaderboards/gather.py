"""A board from the trials of a tracking server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from mlflow import MlflowClient

from benchmark import __version__
from benchmark.errors import UserError
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Kind, Outcome
from benchmark.leaderboards.merge import with_own_titles
from benchmark.reporting.content import Compared, compare_leading
from benchmark.reporting.labels import settings_of
from benchmark.reporting.leaderboard import Standing, leaderboard
from benchmark.reporting.ranking import Ranking, ReportError, order, why_unfinished
from benchmark.reporting.row import Row
from benchmark.tracking import schema, server
from benchmark.tracking.reading.record import Record, not_negative
from benchmark.tracking.reading.run_ids import every_experiment
from benchmark.tracking.reading.trials import records
from benchmark.tracking.server import TrackingError, Unavailable, without_credentials

IN_PROGRESS = ("RUNNING", "SCHEDULED")

Chosen = Callable[[Record], bool]
"""Whether a trial is on the board."""


@dataclass(frozen=True)
class Group:
    """The trials on one data set under one protocol."""

    experiments: tuple[str, ...]
    records: list[Record]
    """In the order in which they started, unfinished ones included."""


def groups(
    client: MlflowClient,
    experiments: Sequence[str] = (),
    chosen: Chosen = lambda record: True,
    *,
    with_published: bool = False,
) -> list[Group]:
    """The trials of the experiments, grouped by what makes them comparable; without names, of all.

    Runs without a data digest compare within their experiment alone. Runs without a result that
    name no model, or no data, are left out: they failed before anything was known of them, or are
    none of seqrec's. Published figures name no data and no protocol: they are left out, or join the
    largest group of their experiment. Raises TrackingError for an experiment that is not there or
    has no runs.
    """
    found: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    for experiment, of_experiment in _records(client, experiments):
        trials = [record for record in of_experiment if _tells(record) and chosen(record)]
        here: dict[tuple[str, str, str], list[Record]] = {}
        for record in trials:
            if not record.published:
                here.setdefault(_key(record, experiment), []).append(record)
        published = [record for record in trials if record.published]
        if with_published and published:
            largest = max(here, key=lambda key: len(here[key]), default=("", "", experiment))
            here.setdefault(largest, []).extend(published)
        for key, of_group in here.items():
            found.setdefault(key, {})[experiment] = of_group
    return [
        Group(tuple(parts), sorted(chain(*parts.values()), key=lambda record: record.started))
        for parts in found.values()
    ]


def _records(
    client: MlflowClient, experiments: Sequence[str]
) -> Iterator[tuple[str, list[Record]]]:
    for name in experiments or [found.name for found in every_experiment(client)]:
        try:
            yield name, records(client, name)
        except Unavailable:
            raise
        except TrackingError:  # without runs
            if experiments:
                raise


def _tells(record: Record) -> bool:
    """Whether the run has a result, or failed as a known model on known data."""
    return record.complete or ("model" in record.params and bool(record.basis.digest))


def _key(record: Record, experiment: str) -> tuple[str, str, str]:
    return *record.basis, "" if record.basis.digest else experiment


def ranked(client: MlflowClient, group: Group, metric: str, test: str) -> Compared | None:
    """The group's trials in order, the leading ones compared; None if none of them has a result.

    ``test`` is a key of ``statistics.TESTS``.
    """
    try:
        return compare_leading(client, order(group.records, metric), test)
    except ReportError:  # nothing has finished, or nothing logged the metric
        return None


def column(client: MlflowClient, group: Group, compared: Compared | None) -> Column:
    """The column of a group; each model has the row that is best on validation."""
    first = group.records[0]
    cells: dict[Entry, Cell] = {}
    if compared:
        ranking = compared.ranking
        first = ranking.own.records[0]
        board = leaderboard(ranking, compared.comparison, variants=False)
        for standing in board.standings:
            cells[_entry(standing.row)] = _cell(client, ranking, standing)
    for record in group.records:
        if not record.complete and record.status not in IN_PROGRESS:
            cells.setdefault(_entry(Row([record])), Cell(failure=why_unfinished(record)))
    name = Path(str(first.params.get("dataset", group.experiments[0]))).stem
    return Column(
        dataset=name,
        title=first.tags.get(schema.DATASET_TITLE, name),
        protocol=first.tags.get(schema.PROTOCOL, ""),
        digest=first.tags.get(schema.DATA_DIGEST, ""),
        synthetic=first.tags.get(schema.SYNTHETIC) == "true",
        statistics=first.statistics,
        cells=cells,
    )


def _entry(row: Row) -> Entry:
    kind: Kind = "learned" if row.learned else "counted"
    if row.published or row.scored:
        kind = "published" if row.published else "scored"
    return Entry(row.model or "unknown", kind)


def _cell(client: MlflowClient, ranking: Ranking, standing: Standing) -> Cell:
    row = standing.row
    figure = standing.test[ranking.metric]
    own = not row.published and not row.scored
    return Cell(
        outcomes=tuple(_outcome(client, record) for record in row.records),
        settings=" ".join(filter(None, [row.blend, settings_of(row, ranking)])),
        points_tried=ranking.points_tried.get(row.model) if own else None,
        seconds=row.seconds,
        memory_mb=not_negative(row.metric("peak_memory_mb")),
        parameters=not_negative(row.metric("parameters")),
        energy_kwh=not_negative(row.metric(schema.ENERGY)),
        device=row.records[0].tags.get(schema.DEVICE, ""),
        interval=standing.interval,
        level=figure.level,
    )


def _outcome(client: MlflowClient, record: Record) -> Outcome:
    seed = record.params.get("seed")
    address = server.in_ui(client, record.experiment_id, record.run_id)
    return Outcome(
        run=record.run_id,
        seed=seed if isinstance(seed, int) and seed >= 0 else None,
        test=dict(record.test or {}),
        seconds=record.seconds,
        commit=record.tags.get(schema.GIT_COMMIT, ""),
        command=record.repeated_by,
        link=address if address.startswith("http") else "",
    )


Report = Callable[[Group, Compared, str], str]
"""Writes the report of a group on a data set of that name; the name of its file, or empty."""


def board(
    client: MlflowClient,
    found: Sequence[Group],
    metric: str,
    test: str,
    report: Report = lambda group, compared, dataset: "",
    *,
    title: str,
    origin: str,
) -> Board:
    """The board of the groups, a column each; the ranks of one group at a time are in memory.

    Raises UserError if there is no trial.
    """
    columns = []
    for group in found:
        compared = ranked(client, group, metric, test)
        this = column(client, group, compared)
        name = report(group, compared, this.dataset) if compared else ""
        columns.append(replace(this, report=name))
    if not any(this.cells for this in columns):
        raise UserError(f"no trial is tracked at {without_credentials(client.tracking_uri)}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Board(metric, tuple(with_own_titles(columns)), title, __version__, now, origin)
