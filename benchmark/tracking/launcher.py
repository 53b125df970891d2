"""The run that `mlflow run` creates before it starts this process."""

import os

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from benchmark.tracking import schema
from datasets.errors import masked

DEFAULT_EXPERIMENT = "0"  # of `mlflow run` without --experiment-name


def given_run(client: MlflowClient) -> Run | None:
    """The run of `mlflow run`, if the user chose its experiment; None otherwise.

    Without --experiment-name `mlflow run` creates its run in the Default experiment, and MLflow
    cannot move a run to another experiment.
    """
    launched = os.environ.get("MLFLOW_RUN_ID")
    run = client.get_run(launched) if launched else None
    return run if run and run.info.experiment_id != DEFAULT_EXPERIMENT else None


def context_tags() -> dict[str, str]:
    """MLflow's own tags of a new run: user, source, commit; the remote's URL without a token."""
    return {key: masked(str(value)) for key, value in resolve_tags().items()}


def leave_note(client: MlflowClient, what: str, run: Run) -> None:
    """Note in the run of `mlflow run`, if there is one, which trial or sweep it started.

    ``what`` is "trial" or "sweep", ``run`` its run.
    """
    launched = os.environ.get("MLFLOW_RUN_ID")
    if launched and launched != run.info.run_id:
        experiment = client.get_experiment(run.info.experiment_id).name
        note = f"This run only started {what} {run.info.run_id} in experiment {experiment}."
        tags = [RunTag(MLFLOW_RUN_NOTE, note), RunTag(schema.STARTED, run.info.run_id)]
        client.log_batch(launched, tags=tags)
