"""A sweep: a run, and the runs of its trials nested in it. They are its only state."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from benchmark.metrics import SELECTION_METRIC
from benchmark.settings import Settings
from benchmark.tracking import heartbeat, launcher, schema
from benchmark.tracking.heartbeat import Heart
from benchmark.tracking.outbox.recovery import reopen
from benchmark.tracking.reading import trials
from benchmark.tracking.reading.sweeps import children, dump, stored_definition, sweep_runs
from benchmark.tracking.server import PATIENCE, TrackingError, experiment_id, patiently
from benchmark.tracking.writing import status
from benchmark.tracking.writing.trial import Trial
from datasets import Sequences, Spec


@dataclass(frozen=True)
class SweptTrial:
    """The run of one point with one seed, as it is on record."""

    number: int
    """Of its point."""
    values: dict[str, str | int | float]
    """What was searched."""
    seed: int
    record: trials.Record

    @property
    def cut_off(self) -> bool:
        return self.record.status not in status.ENDED

    @property
    def pruned(self) -> bool:
        return schema.PRUNED in self.record.tags

    @property
    def why_it_failed(self) -> str:
        return self.record.tags.get(schema.FAILURE, "for no reason on record")

    @property
    def score(self) -> float | None:
        """Its validation metric; None if it failed."""
        valid = self.record.valid
        return valid[SELECTION_METRIC] if valid and self.record.status == "FINISHED" else None


class Sweep:
    """The sweep that this process works on."""

    def __init__(self, client: MlflowClient, run: Run):
        self.client, self.run, self.run_id = client, run, run.info.run_id
        self.experiment_id = run.info.experiment_id
        self.experiment = client.get_experiment(self.experiment_id).name
        self.name = run.data.tags[schema.SWEEP]
        self.outbox = reopen(client, self.run_id)
        self.heart = Heart(client, self.run_id)
        self.seconds_before = run.data.metrics.get("sweep_seconds", 0.0)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Own the run's status and let its heart beat; no trial is left RUNNING."""
        self.started = time.monotonic()
        with status.ends(self.outbox), self.heart.beats():
            try:
                yield
            except status.TakenOver:
                raise
            except BaseException:
                close_trials(self.client, self.run, "stopped with its sweep")
                raise

    def trials(self) -> list[SweptTrial]:
        """All trials that have been started, whatever became of them."""
        return [_swept(run) for run in children(self.client, self.run)]

    def trial(self, run_id: str) -> SweptTrial:
        return _swept(self.client.get_run(run_id))

    def add_trial(self, settings: Settings, number: int, values: dict) -> str:
        """A run for a trial, which is to be prepared; its id."""
        return patiently(self._add_trial, settings, number, values)

    def _add_trial(self, settings: Settings, number: int, values: dict) -> str:
        """Or the run that was made when the server broke off before it could say so."""
        name = " ".join(f"{key}={value}" for key, value in values.items())
        tags = {
            MLFLOW_PARENT_RUN_ID: self.run_id,
            schema.SWEEP: self.name,
            schema.NUMBER: str(number),
            schema.POINT: json.dumps(values | {"seed": settings.seed}),
        }
        same = (f"tags.`{key}` = '{tags[key]}'" for key in (MLFLOW_PARENT_RUN_ID, schema.NUMBER))
        made = trials.search(self.client, self.experiment_id, " and ".join(same))
        run = next((r for r in made if r.data.tags[schema.POINT] == tags[schema.POINT]), None)
        run = run or self.client.create_run(
            self.experiment_id,
            run_name=f"{settings.model} {name} seed={settings.seed}",
            tags=resolve_tags() | tags,
        )
        self.client.update_run(run.info.run_id, status="SCHEDULED")
        return run.info.run_id

    def prepare_trial(
        self, run_id: str, settings: Settings, spec: Spec, sequences: Sequences
    ) -> None:
        """Log all that is known before it starts, unless that is there already."""
        outbox = reopen(self.client, run_id)
        try:
            if not any(f.path == schema.CONFIG for f in self.client.list_artifacts(run_id)):
                trial = Trial(self.client, self.client.get_run(run_id), outbox)
                trial.log_start(settings, spec, sequences)
        finally:
            delivered = outbox.close(PATIENCE)
        if not delivered:
            raise TrackingError(outbox.left())

    def fail_trial(self, run_id: str, why: str) -> None:
        status.end(self.client, run_id, "FAILED", why)

    def curve(self, run_id: str) -> list[float]:
        """The validation metric after each epoch."""
        return trials.curve(self.client, run_id)

    def log_seconds(self) -> None:
        """In which somebody worked on it, over all sessions, each until its last trial ended."""
        seconds = self.seconds_before + time.monotonic() - self.started
        values = {"sweep_seconds": seconds}
        self.outbox.say("metrics", values=values, step=0, time=get_current_time_millis())


def open_sweep(client: MlflowClient, name: str, definition: dict, spec: Spec) -> tuple[Sweep, bool]:
    """The sweep of that name in the experiment, and whether it had been started before.

    Raises TrackingError if another process is at work on it, or if it is another one: whose
    ``definition`` (what all its trials have in common, and what is searched) differs.
    """
    given = launcher.given_run(client)
    where = given.info.experiment_id if given else experiment_id(client, spec.name)
    sweeps = sweep_runs(client, where)
    alive = _close_dead(client, sweeps)
    found = [run for run in sweeps if run.data.tags[schema.SWEEP] == name]
    if found:
        _check_same(client, name, found[0], definition)
        if found[0].info.run_id in alive:
            raise TrackingError(f"sweep {name!r} is being worked on by another process")
        launcher.leave_note(client, "sweep", found[0])
        return Sweep(client, found[0]), True
    tags = {schema.SWEEP: name, schema.HEARTBEAT: "not yet"}
    if given:
        for key, value in tags.items():
            client.set_tag(given.info.run_id, key, value)
        run = client.get_run(given.info.run_id)
    else:
        run = client.create_run(where, run_name=name, tags=resolve_tags() | tags)
        launcher.leave_note(client, "sweep", run)
    first = next(r for r in sweep_runs(client, where) if r.data.tags[schema.SWEEP] == name)
    if first.info.run_id != run.info.run_id:
        status.end(client, run.info.run_id, "FAILED", "another process was quicker")
        client.set_tag(run.info.run_id, schema.SWEEP, f"{name} (not started)")
        raise TrackingError(f"sweep {name!r} has just been started by another process")
    client.log_text(run.info.run_id, dump(definition), schema.SWEEP_FILE)
    return Sweep(client, run), False


def close_trials(client: MlflowClient, sweep: Run, why: str) -> None:
    """End what nobody works on any more."""
    for run in children(client, sweep):
        if run.info.status in ("RUNNING", "SCHEDULED"):
            status.end(client, run.info.run_id, "KILLED", why)


def _close_dead(client: MlflowClient, sweeps: list[Run]) -> set[str]:
    """End RUNNING sweeps whose heart does not beat, and their trials; ids of those that live."""
    alive = heartbeat.living(client, sweeps)
    for run in sweeps:
        if run.info.status == "RUNNING" and run.info.run_id not in alive:
            status.end(client, run.info.run_id, "KILLED", "its process died")
            close_trials(client, run, "its process died")
    return alive


def _check_same(client: MlflowClient, name: str, run: Run, definition: dict) -> None:
    try:
        theirs = stored_definition(client, run)
    except (MlflowException, OSError):  # cut off before it was written: no trial had been started
        client.log_text(run.info.run_id, dump(definition), schema.SWEEP_FILE)
        return
    ours = yaml.safe_load(dump(definition))
    for key in dict.fromkeys([*theirs, *ours]):
        if theirs.get(key) != ours.get(key):
            raise TrackingError(
                f"there is another sweep {name!r} in this experiment (run {run.info.run_id}), and "
                f"its {key} differs: {theirs.get(key)} there, {ours.get(key)} here; "
                "give this one another --name"
            )


def _swept(run: Run) -> SweptTrial:
    values = json.loads(run.data.tags[schema.POINT])
    seed = values.pop("seed")
    number = int(run.data.tags[schema.NUMBER])
    return SweptTrial(number, values, seed, trials.record(run))
