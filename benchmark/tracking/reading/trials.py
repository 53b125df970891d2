"""Reading: the trials of an experiment, as the tracking server has them."""

import json
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from benchmark.metrics import NAMES, SELECTION_METRIC
from benchmark.tracking import schema
from benchmark.tracking.server import TrackingError


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
    params: dict[str, str]
    valid: dict[str, float] | None
    """Metrics at 10 of the best epoch on validation; None unless all were logged."""
    test: dict[str, float] | None
    best_epoch: int | None
    last_epoch: int | None
    metrics: dict[str, float]
    """All others, too, as they were logged last."""
    seconds: float | None
    """``trial_seconds``; of runs here that did not log it, from their start to their end."""
    tags: dict[str, str]
    statistics: dict[str, int | float]
    """Of the data set, as logged with it; may be empty."""

    @property
    def published(self) -> bool:
        """Read from a page, and not run here."""
        return schema.PUBLISHED in self.tags

    @property
    def point(self) -> dict[str, str]:
        """Of a published trial what was searched, as text and in the order of the page."""
        return json.loads(self.tags.get(schema.POINT, "{}"))

    @property
    def complete(self) -> bool:
        return self.status == "FINISHED" and self.valid is not None and self.test is not None


def records(client: MlflowClient, experiment: str) -> list[Record]:
    """All trials of the experiment (and no sweep's own run) in the order in which they started.

    Raises TrackingError if there is no such experiment, or no run in it.
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
    no_trial = (schema.HEARTBEAT, schema.STARTED, schema.REPORT)
    return [record(run) for run in runs if not any(tag in run.data.tags for tag in no_trial)]


def search(client: MlflowClient, experiment_id: str, filter_string: str = "") -> list[Run]:
    """The experiment's runs that are not deleted, in the order in which they started."""
    runs, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string,
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs, token = runs + page, page.token
        if not token:
            return runs


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
        params=dict(run.data.params),
        valid=_metrics(metrics, "best_valid"),
        test=_metrics(metrics, "test"),
        best_epoch=_count(metrics.get("best_epoch")),
        last_epoch=_count(metrics.get("last_epoch")),
        metrics=dict(metrics),
        seconds=metrics.get("trial_seconds", _duration(run)),
        tags=dict(run.data.tags),
        statistics=_statistics(profile),
    )


def ranks(client: MlflowClient, trials: list[Record], part: str) -> dict[str, pd.DataFrame]:
    """The tables of ``benchmark.ranks`` that those trials have, for part "valid" or "test", by run.

    ``client.download_artifacts`` would read each run again, to learn where its artifacts are.
    """

    def read(trial: Record) -> pd.DataFrame | None:
        table = _artifact(client, trial, schema.RANKS.format(part=part), pd.read_parquet)
        return table if table is not None and {"user", "item", "rank"} <= set(table) else None

    return {trial.run_id: table for trial, table in _each(read, trials) if table is not None}


def card(client: MlflowClient, trial: Record) -> str | None:
    """The page that describes the trial's data set, as the trial kept it, if it did."""
    return _artifact(client, trial, schema.CARD, lambda path: Path(path).read_text("utf-8"))


def _artifact(client: MlflowClient, trial: Record, name: str, read: Callable[[str], Any]) -> Any:
    """What ``read`` makes of the file, None if there is none, or something else."""
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
    """A metric's values by step, of each run."""

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


def _each(read: Callable, of: list) -> Iterable[tuple[Any, Any]]:
    """A server answers several questions at a time."""
    with ThreadPoolExecutor(8) as pool:
        yield from zip(of, pool.map(read, of), strict=True)


def _duration(run: Run) -> float | None:
    """A published trial lasts no longer than it took to read."""
    start, end = run.info.start_time, run.info.end_time  # milliseconds
    known = start and end and schema.PUBLISHED not in run.data.tags
    return (end - start) / 1000 if known else None


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def _statistics(profile: str) -> dict[str, int | float]:
    """The profile as this suite logs it; other tools put other things there."""
    try:
        found = json.loads(profile)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "users_not_evaluated" in found else {}


def _metrics(stored: dict[str, float], part: str) -> dict[str, float] | None:
    values = {name: stored.get(schema.metric_key(part, name)) for name in NAMES}
    return None if None in values.values() else values
