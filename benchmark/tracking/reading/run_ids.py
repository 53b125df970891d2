"""Run ids as people give them: reports show the first eight characters."""

import re
from collections.abc import Iterable

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from benchmark.tracking.deleted import why_gone
from benchmark.tracking.outage import reason
from benchmark.tracking.server import TrackingError

BEGINNING = re.compile(r"[0-9a-f]{4,31}")  # of MLflow's ids, which have 32 characters


def whole_run_id(client: MlflowClient, text: str) -> str:
    """The id of the one run whose id begins with the text.

    A text that begins none is returned, so that its reader says that there is no such run. Raises
    TrackingError if it begins several.
    """
    if not BEGINNING.fullmatch(text):
        return text
    experiments = [experiment.experiment_id for experiment in every_experiment(client)]
    found = client.search_runs(experiments, f"attributes.run_id LIKE '{text}%'", max_results=2)
    ids = [run.info.run_id for run in found]
    if len(ids) > 1:
        raise TrackingError(f"several runs begin with {text}, such as {' and '.join(ids)}")
    return ids[0] if ids else text


def every_experiment(client: MlflowClient) -> list[Experiment]:
    """All experiments that are not deleted."""
    experiments: list[Experiment] = []
    token: str | None = None
    while True:
        page = client.search_experiments(page_token=token)
        experiments += page
        token = page.token
        if not token:
            return experiments


def read_run(client: MlflowClient, text: str) -> Run:
    """The run whose id begins with the text.

    Raises TrackingError unless there is one, and if it was deleted.
    """
    run_id = whole_run_id(client, text)
    try:
        if gone := why_gone(client, run_id):
            raise TrackingError(gone)
        return client.get_run(run_id)
    except MlflowException as error:
        raise TrackingError(f"run {run_id} cannot be read: {reason(error)}") from None


def experiments_of(client: MlflowClient, run_ids: Iterable[str]) -> list[str]:
    """The names of the experiments of these runs, each once. Raises TrackingError for an unknown
    run."""
    ids = dict.fromkeys(read_run(client, run_id).info.experiment_id for run_id in run_ids)
    return [client.get_experiment(experiment_id).name for experiment_id in ids]
