"""Reading: a sweep, as the tracking server has it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from benchmark.tracking import schema
from benchmark.tracking.reading.trials import Record, search
from benchmark.tracking.writing import status
from datasets import plain_yaml


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as it is on record."""

    name: str
    space: list[str]
    """What it searches, in the lines of a hyper.test."""
    ended: int
    """Trials that finished, failed or were pruned."""
    seconds: float | None
    """In which somebody worked on it; None if nobody said so yet."""
    best: list[str]
    """Of a published page: the names of the best parameters, in the order of the page."""

    @property
    def searched(self) -> list[str]:
        return [line.split()[0] for line in self.space]


def sweep_record(
    client: MlflowClient, trials: list[Record], among: list[Record]
) -> SweepRecord | None:
    """The sweep to which all of these trials belong, if there is one.

    ``among`` all trials of their experiment are the others of the sweep, those that failed too.
    """
    parents = {trial.tags.get(MLFLOW_PARENT_RUN_ID) for trial in trials}
    if len(parents) != 1 or None in parents or schema.NUMBER not in trials[0].tags:
        return None
    run = client.get_run(parents.pop())
    theirs = [r for r in among if r.tags.get(MLFLOW_PARENT_RUN_ID) == run.info.run_id]
    definition = stored_definition(client, run)
    return SweepRecord(
        run.data.tags[schema.SWEEP],
        definition["space"],
        sum(record.status in status.ENDED for record in theirs),
        run.data.metrics.get("sweep_seconds"),
        list(definition.get("best", {})),
    )


def stored_definition(client: MlflowClient, run: Run) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, schema.SWEEP_FILE, folder)
        return plain_yaml.read(Path(path))


def children(client: MlflowClient, sweep: Run) -> list[Run]:
    where = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{sweep.info.run_id}'"
    return search(client, sweep.info.experiment_id, where)


def dump(definition: dict) -> str:
    return yaml.dump(definition, Dumper=_Plain, sort_keys=False, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """What is there twice is written twice: references are not read."""
        return True


def sweep_runs(client: MlflowClient, where: str) -> list[Run]:
    """The runs of sweeps in an experiment, oldest first."""
    runs = search(client, where, f"tags.{schema.HEARTBEAT} LIKE '%'")
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
