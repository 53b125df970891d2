"""The run that `mlflow run` has made before it started this process, if it did."""

import os

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from benchmark.tracking import schema

DEFAULT_EXPERIMENT = "0"  # where `mlflow run` puts its run unless it is told otherwise


def given_run(client: MlflowClient) -> Run | None:
    """That run, if it stands in an experiment of the user's choice.

    Without --experiment-name `mlflow run` makes its run in the Default experiment, and a run cannot
    be moved.
    """
    launched = os.environ.get("MLFLOW_RUN_ID")
    run = client.get_run(launched) if launched else None
    return run if run and run.info.experiment_id != DEFAULT_EXPERIMENT else None


def leave_note(client: MlflowClient, what: str, run: Run) -> None:
    """Say in that run, if there is one, that what it started is another run."""
    launched = os.environ.get("MLFLOW_RUN_ID")
    if launched and launched != run.info.run_id:
        experiment = client.get_experiment(run.info.experiment_id).name
        note = f"This run only started {what} {run.info.run_id} in experiment {experiment}."
        tags = [RunTag("mlflow.note.content", note), RunTag(schema.STARTED, run.info.run_id)]
        client.log_batch(launched, tags=tags)
