"""What `mlflow run` and MLFLOW_ variables say about a new run: its experiment, its name, and
whether it is the run that `mlflow run` has created already."""

import os
import sys

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES

from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.server import TrackingError, experiment_id
from datasets.errors import masked

DEFAULT_EXPERIMENT = "0"  # of `mlflow run` without --experiment-name

OURS = (schema.OWNER, schema.COMMAND, schema.SWEEP, schema.REPORT, schema.STARTED)
"""Every run of seqrec has one of these tags, whatever the version that wrote it."""


def new_run(
    client: MlflowClient,
    experiment: str,
    name: str,
    tags: dict[str, str],
    *,
    take: bool = True,
) -> tuple[Run, bool]:
    """The run of a new trial or sweep, and whether it is the run of `mlflow run`.

    That one, which $MLFLOW_RUN_ID names, is taken if the user chose its experiment, and if it has
    not ended and belongs to nobody. ``experiment`` and ``name`` are for a user who chose none. A
    command that starts several trials or sweeps lets at most one of them ``take`` that run and the
    name. Raises TrackingError for an experiment or a run that is not there.
    """
    if take:
        launched = _launched(client)
        name = _name(launched) or name
        chosen = launched and launched.info.experiment_id != DEFAULT_EXPERIMENT
        if launched and chosen and (taken := _taken(client, launched, name, tags)):
            return taken, True
    where = chosen_experiment(client, experiment)
    return client.create_run(where, run_name=name, tags=context_tags() | tags), False


def chosen_experiment(client: MlflowClient, default: str) -> str:
    """The id of the experiment for new runs; it is created if it does not exist."""
    return experiment_id(client, chosen_name(client, default))


def chosen_name(client: MlflowClient, default: str) -> str:
    """The name of the experiment for new runs.

    It is that of the run of `mlflow run`, of $MLFLOW_EXPERIMENT_NAME or of $MLFLOW_EXPERIMENT_ID;
    ``default`` is its name if the user chose none. MLflow's Default experiment is no choice:
    `mlflow run` names it where the user names none.
    """
    launched = _launched(client)
    if launched and launched.info.experiment_id != DEFAULT_EXPERIMENT:
        name: str = client.get_experiment(launched.info.experiment_id).name
        return name
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME", ""):
        return name
    number = os.environ.get("MLFLOW_EXPERIMENT_ID", DEFAULT_EXPERIMENT)
    if number == DEFAULT_EXPERIMENT:
        return default
    try:
        name = client.get_experiment(number).name
    except MlflowException as error:
        raise TrackingError(f"MLFLOW_EXPERIMENT_ID is {number}: {reason(error)}") from None
    return name


def context_tags() -> dict[str, str]:
    """MLflow's own tags of a new run: user, source, commit; the remote's URL without a token."""
    return {key: masked(str(value)) for key, value in resolve_tags().items()}


def leave_note(client: MlflowClient, what: str, run: Run) -> None:
    """Note in the run of `mlflow run`, if it is a run of its own, which trial or sweep it started.

    ``what`` is "trial" or "sweep", ``run`` its run. Several of them are a line each.
    """
    launched = _launched(client)
    if launched is None or launched.info.run_id == run.info.run_id:
        return
    if _is_launchers(launched):
        experiment = client.get_experiment(run.info.experiment_id).name
        note = f"This run only started {what} {run.info.run_id} in experiment {experiment}."
        if schema.STARTED in launched.data.tags:
            note = f"{launched.data.tags[MLFLOW_RUN_NOTE]}\n{note}"
        tags = [RunTag(MLFLOW_RUN_NOTE, note), RunTag(schema.STARTED, run.info.run_id)]
        client.log_batch(launched.info.run_id, tags=tags)


def _launched(client: MlflowClient) -> Run | None:
    run_id = os.environ.get("MLFLOW_RUN_ID")
    try:
        return client.get_run(run_id) if run_id else None
    except MlflowException as error:
        raise TrackingError(f"MLFLOW_RUN_ID is {run_id}: {reason(error)}") from None


def _taken(client: MlflowClient, launched: Run, name: str, tags: dict[str, str]) -> Run | None:
    """The run with the name and the tags; None, and a line that says why, if it is not free."""
    run_id = launched.info.run_id
    try:
        outbox = Outbox(client, run_id)  # locked: of two processes that start at once, one takes it
        try:
            why_not = _why_not_free(client.get_run(run_id))
            if why_not is None:
                outbox.claim(client)
                client.update_run(run_id, name=name)
                client.log_batch(run_id, tags=[RunTag(key, text) for key, text in tags.items()])
                return client.get_run(run_id)
        finally:
            outbox.close(0)
    except TrackingError:
        why_not = "another process is at work on it"
    print(f"run {run_id} (MLFLOW_RUN_ID) is left as it is: {why_not}", file=sys.stderr)
    return None


def _is_launchers(run: Run) -> bool:
    """Whether the run belongs to `mlflow run`, and to no trial or sweep."""
    return schema.STARTED in run.data.tags or _why_not_free(run) is None


def _why_not_free(run: Run) -> str | None:
    if run.info.status not in ("RUNNING", "SCHEDULED"):
        return f"it has ended ({run.info.status})"
    if any(tag in run.data.tags for tag in OURS):
        return "it is the run of another trial or sweep"
    return None


def _name(launched: Run | None) -> str | None:
    """The name that the user gave: $MLFLOW_RUN_NAME or `mlflow run --run-name`."""
    given = os.environ.get("MLFLOW_RUN_NAME")
    name: str = launched.info.run_name if launched and _is_launchers(launched) else ""
    predicate, _, rest = name.partition("-")
    noun, _, number = rest.partition("-")
    generated = predicate in _GENERATOR_PREDICATES and noun in _GENERATOR_NOUNS
    return given or (name if name and not (generated and number.isdecimal()) else None)
