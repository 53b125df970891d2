"""The connection to the tracking server."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.errors import UserError


class TrackingError(UserError):
    """The tracking server cannot do what is asked. The message says what, where and why."""


def connect(tracking_uri: str | None = None) -> MlflowClient:
    """A client whose server has answered, or whose database has been created and migrated.

    Without a URI it is MLFLOW_TRACKING_URI, else sqlite:///mlflow.db. Raises TrackingError, within
    seconds, if nothing answers.
    """
    for name in ("alembic", "mlflow"):  # else a new database is announced table by table
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file
    try:
        client = MlflowClient(_absolute(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")))
        with _environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_HTTP_REQUEST_TIMEOUT="10"):
            client.search_experiments(max_results=1)
    except Exception as error:  # requests', SQLAlchemy's or MLflow's own, by kind of store
        where = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        reason = " ".join(str(error).split())[:200]
        raise TrackingError(f"the tracking server {where} does not answer: {reason}") from None
    return client


def experiment_id(client: MlflowClient, name: str) -> str:
    """Of the experiment of that name, created if need be."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name)
        except MlflowException:  # another trial, started at the same time, was quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"experiment {name!r} is deleted; to restore it: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return found.experiment_id


def _absolute(uri: str | None) -> str | None:
    """The same file for processes that work in other folders."""
    scheme = "sqlite:///"
    if uri and uri.startswith(scheme) and not uri.startswith((scheme + "/", scheme + ":")):
        return scheme + str(Path(uri.removeprefix(scheme)).absolute())
    return uri


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """These environment variables for a while; those that are set already stay as they are."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
