"""A sweep, as the tracking server has it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from benchmark.recbole import page as recbole_page
from benchmark.recbole.links import harmless
from benchmark.recbole.published_page import PageError
from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.artifacts import artifact
from benchmark.tracking.reading.record import Record, not_negative
from benchmark.tracking.reading.trials import search, with_tag
from benchmark.tracking.server import TrackingError, Unavailable
from datasets import DataError
from datasets.checking import plain_yaml
from datasets.errors import visible

Definition = dict[str, Any]
"""The content of ``schema.SWEEP_FILE``."""


class SweepUnreadable(TrackingError):
    """What a sweep searched is not known: its file is lost, or not of seqrec."""


@dataclass(frozen=True)
class SweepRecord:
    name: str
    space: list[str]
    """The search space, in the lines of a hyper.test."""
    ended: int
    """The number of trials that finished, failed or were pruned."""
    seconds: float | None
    """How long processes worked on the sweep; None if that was not logged yet."""
    best: list[str]
    """The names of the best parameters of a published page, in the order of the page."""
    page: str | None = None
    """The published page, as it was read, if the trials are all that it lists."""
    contradictions: list[str] = field(default_factory=list)
    """Where the published page contradicts itself."""

    @property
    def searched(self) -> list[str]:
        return [line.split()[0] for line in self.space if line.split()]


def sweep_record(
    client: MlflowClient, trials: list[Record], among: list[Record]
) -> SweepRecord | None:
    """The sweep that all of these trials belong to, if there is one.

    ``among`` are all trials of the experiment, those of the sweep that failed included. Raises
    SweepUnreadable if there is one, and what it searched is not known.
    """
    parents = {trial.tags.get(MLFLOW_PARENT_RUN_ID) for trial in trials}
    if len(parents) != 1 or None in parents or not all(is_trial(trial.tags) for trial in trials):
        return None
    parent = str(parents.pop())
    of_sweep = [r for r in among if r.tags.get(MLFLOW_PARENT_RUN_ID) == parent and is_trial(r.tags)]
    try:
        run = client.get_run(parent)
        definition = stored_definition(client, run)
    except Unavailable:
        raise
    except (MlflowException, OSError, DataError, TrackingError) as error:
        raise SweepUnreadable(f"{schema.SWEEP_FILE} of run {parent}: {reason(error)}") from None
    space = definition.get("space")
    best = definition.get("best") or {}
    texts = isinstance(space, list) and all(isinstance(line, str) for line in space)
    if not texts or not space or not isinstance(best, dict):
        raise SweepUnreadable(f"{schema.SWEEP_FILE} of run {parent} has no list of lines `space`")
    return SweepRecord(
        visible(run.data.tags.get(schema.SWEEP, "")),
        [visible(line) for line in space],
        sum(record.status in schema.ENDED for record in of_sweep),
        not_negative(run.data.metrics.get(schema.SWEEP_SECONDS)),
        [visible(str(name)) for name in best],
        _page(client, run, trials),
        [visible(line) for line in run.data.tags.get(schema.CONTRADICTIONS, "").splitlines()],
    )


def _page(client: MlflowClient, run: Run, trials: list[Record]) -> str | None:
    """The published page, if the trials are all that it lists, and if the run has kept it."""
    name = schema.tags_of(run).get(schema.PUBLISHED)
    if name is None:
        return None
    try:
        with artifact(client, run.info.artifact_uri, Path(name).name) as path:
            page = recbole_page.read(path)
    except (MlflowException, OSError, PageError):
        return None
    whole = len(page.trials) == len(trials) and all(trial.published for trial in trials)
    text = page.content.decode()
    return text if whole and harmless(text) else None


def stored_definition(client: MlflowClient, run: Run) -> Definition:
    """Raises MlflowException or OSError if the run has none, TrackingError if it is damaged or if
    the server does not answer."""
    with artifact(client, run.info.artifact_uri, schema.SWEEP_FILE) as path:
        content = plain_yaml.read(path)
    if not isinstance(content, dict):
        raise TrackingError(f"{schema.SWEEP_FILE} of run {run.info.run_id} is damaged: no mapping")
    return content


def dump(definition: Definition) -> str:
    """As YAML."""
    text: str = yaml.dump(definition, Dumper=_Plain, sort_keys=False, allow_unicode=True)
    return text


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """A value that occurs twice is written twice: ``plain_yaml`` refuses references."""
        return True


def children(client: MlflowClient, sweep: Run) -> list[Run]:
    """The runs of a sweep's trials, in the order in which they started.

    Runs that somebody else has nested in the sweep are left out.
    """
    where = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{sweep.info.run_id}'"
    found = search(client, sweep.info.experiment_id, where)
    return [run for run in found if is_trial(run.data.tags)]


def is_trial(tags: dict[str, str]) -> bool:
    """Whether a run that is nested in a sweep, or in a published page, is one of its trials, by its
    tags."""
    try:
        int(tags[schema.NUMBER])
        return isinstance(json.loads(tags[schema.POINT]), dict)
    except (KeyError, ValueError, RecursionError):
        return False


def sweep_runs(client: MlflowClient, experiment_id: str) -> list[Run]:
    """The runs of the sweeps in an experiment, oldest first."""
    found = with_tag(client, experiment_id, schema.HEARTBEAT)
    runs = [run for run in found if schema.SWEEP in run.data.tags]
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
