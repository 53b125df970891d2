"""The trials of an experiment, as the tracking server has them."""

import json
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from benchmark.metrics import NAMES, SELECTION_METRIC
from benchmark.tracking import schema
from benchmark.tracking.server import TrackingError

Param = int | float | str
"""MLflow stores text; a text that reads as a number is that number, so that 3e-4 is 0.0003."""

NAMES_OF_THINGS = ("dataset", "model", "recbole_config")
"""Parameters that are text, even if they read as a number: a data set may be called 007."""

Of = TypeVar("Of")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Record:
    """One trial as it was logged, by this suite or by anyone who keeps to the schema."""

    run_id: str
    name: str
    artifact_uri: str
    status: str
    """MLflow's: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED."""
    started: int
    """Milliseconds since 1970."""
    params: dict[str, Param]
    valid: dict[str, float] | None
    """Metrics of the best epoch on validation; None without ``schema.RESULT_METRICS``."""
    test: dict[str, float] | None
    best_epoch: int | None
    last_epoch: int | None
    metrics: dict[str, float]
    """Every metric of the run, under its key, as it was logged last."""
    seconds: float | None
    """``trial_seconds``; for a run that did not log it, the time from its start to its end."""
    tags: dict[str, str]
    statistics: dict[str, int | float]
    """Of the data set, as logged with it; may be empty."""

    @property
    def published(self) -> bool:
        """Whether the figures come from a page: the trial did not run here."""
        return schema.PUBLISHED in self.tags

    @property
    def point(self) -> dict[str, str]:
        """The searched parameters of a published trial, as written and in the order of the page."""
        found: dict[str, str] = json.loads(self.tags.get(schema.POINT, "{}"))
        return found

    @property
    def complete(self) -> bool:
        """Whether the trial has finished with a result."""
        return self.status == "FINISHED" and self.valid is not None and self.test is not None


def records(client: MlflowClient, experiment: str) -> list[Record]:
    """All trials of the experiment, in the order in which they started.

    Runs of sweeps, reports and launchers are no trials; a run with a result is always one. Raises
    TrackingError if there is no such experiment, or no run in it.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None or found.lifecycle_stage == "deleted":
        known = ", ".join(e.name for e in client.search_experiments(max_results=20))
        raise TrackingError(
            f"there is no experiment {experiment!r} at {client.tracking_uri}; there are: {known}"
        )
    runs = search(client, found.experiment_id)
    if not runs:
        raise TrackingError(f"experiment {experiment!r} at {client.tracking_uri} has no runs yet")
    no_trial = {schema.HEARTBEAT, schema.STARTED, schema.REPORT}
    return [r for r in map(record, runs) if r.complete or not no_trial & r.tags.keys()]


def search(client: MlflowClient, experiment_id: str, filter_string: str = "") -> list[Run]:
    """The experiment's runs that are not deleted, in the order in which they started."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string,
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += page
        token = page.token
        if not token:
            return runs


def with_tag(client: MlflowClient, experiment_id: str, tag: str) -> list[Run]:
    """The experiment's runs that have one of the schema's prefixed tags; see ``schema.tags_of``."""
    names = (tag, tag.removeprefix("seqrec."))
    found = {
        run.info.run_id: run
        for name in names
        for run in search(client, experiment_id, f"tags.`{name}` LIKE '%'")
    }
    return [run for run in found.values() if tag in schema.tags_of(run)]


def record(run: Run) -> Record:
    metrics = run.data.metrics
    datasets = [entry.dataset for entry in run.inputs.dataset_inputs] if run.inputs else []
    profile = next((dataset.profile for dataset in datasets if dataset.profile), "{}")
    return Record(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        artifact_uri=run.info.artifact_uri,
        status=run.info.status,
        started=run.info.start_time,
        params={name: _param(name, text) for name, text in run.data.params.items()},
        valid=_result(metrics, "best_valid"),
        test=_result(metrics, "test"),
        best_epoch=_count(metrics.get("best_epoch")),
        last_epoch=_count(metrics.get("last_epoch")),
        metrics=dict(metrics),
        seconds=metrics.get("trial_seconds", _duration(run)),
        tags=schema.tags_of(run),
        statistics=_statistics(profile),
    )


def _param(name: str, text: str) -> Param:
    if name in NAMES_OF_THINGS:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def ranks(client: MlflowClient, trials: list[Record], part: str) -> dict[str, pd.DataFrame]:
    """The tables of ``training.ranks`` that the trials have, by run; ``part`` is valid or test."""

    def read(trial: Record) -> pd.DataFrame | None:
        table = _artifact(client, trial, schema.RANKS.format(part=part), pd.read_parquet)
        return table if table is not None and {"user", "item", "rank"} <= set(table) else None

    return {trial.run_id: table for trial, table in _each(read, trials) if table is not None}


def card(client: MlflowClient, trial: Record) -> str | None:
    """The card of the trial's data set; None if the trial kept none."""
    return _artifact(client, trial, schema.CARD, lambda path: Path(path).read_text("utf-8"))


def _artifact(
    client: MlflowClient, trial: Record, name: str, read: Callable[[str], Found]
) -> Found | None:
    """What ``read`` makes of the file; None if there is no file, or one of another kind.

    ``client.download_artifacts`` would request the run again, to learn where its artifacts are.
    """
    uri = f"{trial.artifact_uri}/{name}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read(
                download_artifacts(
                    artifact_uri=uri, dst_path=folder, tracking_uri=client.tracking_uri
                )
            )
        except (MlflowException, OSError, ValueError):
            return None


def curves(client: MlflowClient, runs: list[str], key: str) -> dict[str, dict[int, float]]:
    """The values of a metric by step, for each run."""

    def read(run_id: str) -> dict[int, float]:
        history = client.get_metric_history(run_id, key)
        return {metric.step: metric.value for metric in sorted(history, key=lambda m: m.step)}

    return dict(_each(read, runs))


def curve(client: MlflowClient, run_id: str) -> list[float]:
    """The validation metric after each epoch."""
    key = schema.metric_key("valid", SELECTION_METRIC)
    history = client.get_metric_history(run_id, key)
    return [metric.value for metric in sorted(history, key=lambda metric: metric.step)]


def last_step(client: MlflowClient, run_id: str) -> int:
    """The last epoch that was logged; 0 before the first."""
    history = client.get_metric_history(run_id, schema.EPOCH_LOGGED)
    return max((metric.step for metric in history), default=0)


def _each(read: Callable[[Of], Found], of: list[Of]) -> Iterable[tuple[Of, Found]]:
    """Each of a list with what ``read`` gives: a server answers several requests at a time."""
    with ThreadPoolExecutor(8) as pool:
        yield from zip(of, pool.map(read, of), strict=True)


def _duration(run: Run) -> float | None:
    """In seconds; None for a published trial, whose run lasted only while the page was logged."""
    start = run.info.start_time  # milliseconds
    end = run.info.end_time
    known = start and end and schema.PUBLISHED not in schema.tags_of(run)
    return (end - start) / 1000 if known else None


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def _statistics(profile: str) -> dict[str, Any]:
    """The profile as this suite logs it; other tools log other things there."""
    try:
        found = json.loads(profile)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "users_not_evaluated" in found else {}


def _result(stored: dict[str, float], part: str) -> dict[str, float] | None:
    """The metrics of a part that this suite knows, by name.

    None unless all of ``schema.RESULT_METRICS`` were logged.
    """
    found = {schema.metric_name(part, key): value for key, value in stored.items()}
    if not set(schema.RESULT_METRICS) <= found.keys():
        return None
    others = sorted(name for name in found if name in NAMES and name not in schema.RESULT_METRICS)
    return {name: found[name] for name in (*schema.RESULT_METRICS, *others)}
