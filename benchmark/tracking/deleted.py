"""A run that was deleted on the server: it is not used until it is restored."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking.outage import is_outage
from benchmark.tracking.server import deleted


def why_gone(client: MlflowClient, run_id: str) -> str | None:
    """That the run was deleted, and how to restore it; None if it is there.

    Raises what the client raises if the server does not answer.
    """
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if is_outage(error) or error.get_http_status_code() != 404:
            raise
        return f"run {run_id} does not exist on the server (any more)"
    if run.info.lifecycle_stage != "deleted":
        return None
    experiment = client.get_experiment(run.info.experiment_id)
    if experiment.lifecycle_stage == "deleted":
        return deleted(experiment, run_id)
    return f"run {run_id} is deleted; to restore it: mlflow runs restore --run-id {run_id}"
