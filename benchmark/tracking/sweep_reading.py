"""Reading: a sweep, as the tracking server has it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from benchmark.tracking import schema, status
from benchmark.tracking.record import Record, search


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as it is on record."""

    name: str
    space: list[str]
    """What it searches, in the lines of a hyper.test."""
    ended: int
    """Trials that finished, failed or were pruned."""
    seconds: float
    """In which somebody worked on it."""

    @property
    def searched(self) -> list[str]:
        return [line.split()[0] for line in self.space]


def sweep_record(client: MlflowClient, trials: list[Record]) -> SweepRecord | None:
    """The sweep to which all of these trials belong, if there is one."""
    parents = {trial.tags.get(MLFLOW_PARENT_RUN_ID) for trial in trials}
    if len(parents) != 1 or None in parents or schema.NUMBER not in trials[0].tags:
        return None
    run = client.get_run(parents.pop())
    return SweepRecord(
        run.data.tags[schema.SWEEP],
        stored_definition(client, run)["space"],
        sum(child.info.status in status.ENDED for child in children(client, run)),
        run.data.metrics.get("sweep_seconds", 0.0),
    )


def stored_definition(client: MlflowClient, run: Run) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, schema.SWEEP_FILE, folder)
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def children(client: MlflowClient, sweep: Run) -> list[Run]:
    where = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{sweep.info.run_id}'"
    return search(client, sweep.info.experiment_id, where)
