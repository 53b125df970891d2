"""A sweep: a run in MLflow, with the runs of its trials nested in it. They are its only state."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from benchmark.data import Data
from benchmark.settings.settings import Settings
from benchmark.tracking import heartbeat, launcher, ownership, schema
from benchmark.tracking.heartbeat import Heart
from benchmark.tracking.inputs import inputs
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.messages import Labels, Metrics
from benchmark.tracking.outbox.recovery import own, reopen
from benchmark.tracking.reading import trials
from benchmark.tracking.reading.sweeps import children, dump, stored_definition, sweep_runs
from benchmark.tracking.reading.swept import SweptTrial, Values, all_swept, swept
from benchmark.tracking.server import LONG_WAIT, TrackingError, Unavailable
from benchmark.tracking.writing import status
from benchmark.tracking.writing.summary import Summary
from benchmark.tracking.writing.trial import Trial
from datasets.specs.spec import Spec


class Sweep:
    """The sweep that this process works on."""

    def __init__(self, client: MlflowClient, run: Run):
        self.client = client
        self.run = run
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self.experiment: str = client.get_experiment(self.experiment_id).name
        self.name: str = run.data.tags[schema.SWEEP]
        self.outbox = reopen(client, self.run_id)
        own(client, self.outbox)
        self.heart = Heart(client, self.run_id, str(self.outbox.owner))
        # Read now: the outbox has delivered what a process before this one left in it.
        metrics = client.get_run(self.run_id).data.metrics
        self.seconds_before = metrics.get(schema.SWEEP_SECONDS, 0.0)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Own the run's status and let its heart beat; on an error no trial is left RUNNING."""
        self.started = time.monotonic()
        with status.ends(self.outbox), self.heart.beats():
            try:
                yield
            except BaseException:
                # While the server is away, trials stay RUNNING: the next start closes them.
                with suppress(Unavailable):
                    # Raises TakenOver: a new owner of the sweep has its trials, too.
                    ownership.check(self.client, self.run_id, self.heart.owner)
                    close_trials(self.client, self.run, "stopped with its sweep")
                raise

    def trials(self) -> list[SweptTrial]:
        """All trials that have been started, finished or not."""
        return all_swept(children(self.client, self.run))

    def trial(self, run_id: str) -> SweptTrial:
        return swept(self.client.get_run(run_id))

    def add_trial(self, settings: Settings, number: int, values: Values) -> str:
        """Create the run of a trial; its id. ``prepare_trial`` comes next."""
        searched = {**values, "seed": settings.seed}
        described = (f"{key}={value}" for key, value in searched.items() if key != "model")
        tags = {
            MLFLOW_PARENT_RUN_ID: self.run_id,
            schema.SWEEP: self.name,
            schema.NUMBER: str(number),
            schema.POINT: json.dumps(searched),
        }
        run = self.client.create_run(
            self.experiment_id,
            run_name=" ".join([settings.model_name, *described]),
            tags=launcher.context_tags() | tags,
        )
        self.client.update_run(run.info.run_id, status="SCHEDULED")
        return run.info.run_id

    def prepare_trial(self, run_id: str, settings: Settings, data: Data) -> None:
        """Log all that is known before the trial starts, unless it has been logged."""
        outbox = reopen(self.client, run_id)
        try:
            own(self.client, outbox)
            if not any(f.path == schema.CONFIG for f in self.client.list_artifacts(run_id)):
                run = self.client.get_run(run_id)
                if outbox.epoch > 0:  # its settings were logged before its first epoch
                    raise TrackingError(
                        f"{schema.CONFIG} of run {run_id} is not in {run.info.artifact_uri}: the "
                        "trial cannot be resumed without its artifacts"
                    )
                trial = Trial(self.client, run, outbox)
                trial.log_start(settings, data)
        finally:
            delivered = outbox.close(LONG_WAIT)
        outbox.check()
        if not delivered:
            raise TrackingError(outbox.left())

    def fail_trial(self, run_id: str, why: str) -> None:
        status.end(self.client, run_id, "FAILED", why)

    def curve(self, run_id: str) -> list[float]:
        """The validation metric after each epoch."""
        return trials.curve(self.client, run_id)

    @property
    def seconds(self) -> float:
        """How long processes have worked on the sweep, each until its last trial ended, and this
        one until now."""
        return self.seconds_before + time.monotonic() - self.started

    def log_shared(self, settings: Values, data: Data) -> None:
        """Log what all trials share: their settings, as params, and their data set."""
        new = {name: v for name, v in settings.items() if name not in self.run.data.params}
        for message in (Labels(params=new), *inputs(data)):
            self.outbox.say(message)

    def log_seconds(self) -> None:
        now = get_current_time_millis()
        self.outbox.say(Metrics({schema.SWEEP_SECONDS: self.seconds}, 0, now))

    def log_progress(self, found: Summary) -> None:
        """Log the best point so far, its result, and a description of the sweep."""
        for message in found.messages():
            self.outbox.say(message)


def open_sweep(
    client: MlflowClient,
    name: str,
    definition: dict,
    spec: Spec,
    protocol: str,
    *,
    take: bool = True,
) -> tuple[Sweep, bool]:
    """The sweep of that name in the experiment, and whether it had been started before.

    ``definition`` is what the sweep searches and what all its trials share; ``take`` is as in
    ``launcher.new_run``. Raises TrackingError if
    another process works on the sweep, or if a sweep of that name has another definition, or trials
    of another protocol.
    """
    where = launcher.chosen_experiment(client, spec.name)
    sweeps = sweep_runs(client, where)
    alive = _close_dead(client, sweeps)
    found = [run for run in sweeps if run.data.tags[schema.SWEEP] == name]
    if found:
        _check_same(client, name, found[0], definition)
        _check_protocol(client, name, found[0], protocol)
        if found[0].info.run_id in alive:
            raise TrackingError(f"another process works on sweep {name!r}")
        launcher.leave_note(client, "sweep", found[0])
        return Sweep(client, found[0]), True
    run = _create(client, name, where, spec.name, take)
    _log_definition(client, run, definition)
    return Sweep(client, run), False


def stored_trials(
    client: MlflowClient, name: str, definition: dict, spec: Spec, protocol: str
) -> list[SweptTrial]:
    """The trials that ``open_sweep`` would find. Nothing is written.

    Raises TrackingError as ``open_sweep`` does, unless another process works on the sweep.
    """
    experiment = client.get_experiment_by_name(launcher.chosen_name(client, spec.name))
    sweeps = sweep_runs(client, experiment.experiment_id) if experiment else []
    run = next((run for run in sweeps if run.data.tags[schema.SWEEP] == name), None)
    found = children(client, run) if run else []
    if run and found:
        _check_same(client, name, run, definition)
        _check_protocol(client, name, run, protocol)
    return all_swept(found)


def _create(client: MlflowClient, name: str, where: str, experiment: str, take: bool) -> Run:
    """The run of a new sweep in the experiment ``where``: see ``launcher.new_run``.

    Raises TrackingError if another process creates the same sweep at the same time.
    """
    tags = {schema.SWEEP: name, schema.HEARTBEAT: "not yet"}
    run, launched = launcher.new_run(client, experiment, name, tags, take=take)
    if not launched:
        launcher.leave_note(client, "sweep", run)
    oldest = next(r for r in sweep_runs(client, where) if r.data.tags[schema.SWEEP] == name)
    if oldest.info.run_id != run.info.run_id:
        status.end(client, run.info.run_id, "FAILED", "another process started it first")
        client.set_tag(run.info.run_id, schema.SWEEP, f"{name} (not started)")
        raise TrackingError(f"sweep {name!r} has just been started by another process")
    return run


def close_trials(client: MlflowClient, sweep: Run, why: str) -> None:
    """Set the status of the sweep's unfinished trials to KILLED; ``why`` is the reason."""
    for run in children(client, sweep):
        if run.info.status in ("RUNNING", "SCHEDULED"):
            status.end(client, run.info.run_id, "KILLED", why)


def _close_dead(client: MlflowClient, sweeps: list[Run]) -> set[str]:
    """End the RUNNING sweeps whose heart does not beat; the ids of those whose heart does."""
    alive = heartbeat.living(client, sweeps)
    for run in sweeps:
        if run.info.run_id in alive or run.info.status != "RUNNING":
            continue
        if client.get_run(run.info.run_id).info.status == "RUNNING":  # not ended in the meantime
            status.end(client, run.info.run_id, "KILLED", "its process died")
            close_trials(client, run, "its process died")
    return alive


def _log_definition(client: MlflowClient, run: Run, definition: dict) -> None:
    """Raises TrackingError if the store of artifacts does not take it."""
    try:
        client.log_text(run.info.run_id, dump(definition), schema.SWEEP_FILE)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{schema.SWEEP_FILE} of run {run.info.run_id} cannot be written in "
            f"{run.info.artifact_uri}: {reason(error)}"
        ) from None


def _check_same(client: MlflowClient, name: str, run: Run, definition: dict) -> None:
    try:
        theirs = stored_definition(client, run)
    except (MlflowException, OSError) as error:
        if children(client, run):
            raise TrackingError(
                f"{schema.SWEEP_FILE} of sweep {name!r} (run {run.info.run_id}) cannot be read in "
                f"{run.info.artifact_uri}, so that its trials cannot be resumed: {reason(error)}"
            ) from None
        _log_definition(client, run, definition)  # killed before it was written
        return
    ours = yaml.safe_load(dump(definition))
    for key in dict.fromkeys([*theirs, *ours]):
        if theirs.get(key) != ours.get(key):
            there, here = _that_differ(theirs.get(key), ours.get(key))
            raise TrackingError(
                f"there is another sweep {name!r} in this experiment (run {run.info.run_id}) with "
                f"other {key}: {there} there, {here} here; give this one another --name "
                "(a suite: its file)"
            )


def _that_differ(theirs: Any, ours: Any) -> tuple[Any, Any]:
    """Of two mappings the values that differ; other values as they are."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return theirs, ours
    keys = [k for k in dict.fromkeys([*theirs, *ours]) if theirs.get(k) != ours.get(k)]
    return {k: theirs.get(k) for k in keys}, {k: ours.get(k) for k in keys}


def _check_protocol(client: MlflowClient, name: str, run: Run, protocol: str) -> None:
    """The definition names the settings; the protocol also depends on the split and the version."""
    for trial in children(client, run):
        theirs = schema.tags_of(trial).get(schema.PROTOCOL, protocol)
        if theirs != protocol:
            raise TrackingError(
                f"sweep {name!r} (run {run.info.run_id}) has trials under another protocol, which "
                f"cannot be compared with new ones: {theirs} there, {protocol} here; give this one "
                "another --name (a suite: its file)"
            )
