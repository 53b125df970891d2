"""The connection to the tracking server."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tqdm import tqdm

from benchmark.errors import UserError
from benchmark.tracking.outbox.messages import may_pass, reason
from datasets import locks

PATIENCE = 600.0  # seconds that whoever has begun waits for a server that does not answer


class TrackingError(UserError):
    """The tracking server cannot do what is asked. The message says what, where and why."""


def connect(tracking_uri: str | None = None) -> MlflowClient:
    """A client whose server has answered, or whose database has been created and migrated.

    Without a URI it is MLFLOW_TRACKING_URI, else sqlite:///mlflow.db. Raises TrackingError, within
    seconds, if nothing answers.
    """
    where = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    try:
        with _environment(MLFLOW_HTTP_REQUEST_TIMEOUT="10"), _alone(where):
            client = _client(tracking_uri)
            client.search_experiments(max_results=1)
    except Exception as error:  # requests', SQLAlchemy's or MLflow's own, by kind of store
        raise TrackingError(
            f"the tracking server {where} does not answer: {reason(error)}"
        ) from None
    return client


def reconnect(tracking_uri: str) -> "PatientClient":
    """A client for whoever has begun, and waits for a server that is away for some minutes."""
    return PatientClient(_client(tracking_uri))


def _client(tracking_uri: str | None) -> MlflowClient:
    for name in ("alembic", "mlflow"):  # else a new database is announced table by table
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # whoever can wait, asks again
    return MlflowClient(_absolute(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")))


class PatientClient:
    """An MlflowClient each of whose questions waits for a server that does not answer."""

    def __init__(self, client: MlflowClient):
        self.client = client

    def __getattr__(self, name: str):
        value = getattr(self.client, name)
        # A run whose creation was not confirmed may be there: see ``Sweep.add_trial``.
        return partial(patiently, value) if callable(value) and name != "create_run" else value


def patiently(ask: Callable, *args, **kwargs):
    """The answer; asked for again while there is none, for ten minutes.

    Raises TrackingError after them.
    """
    started, pause = time.monotonic(), 0.5
    while True:
        try:
            return ask(*args, **kwargs)
        except Exception as error:
            if not may_pass(error):
                raise
            if time.monotonic() - started > PATIENCE:
                raise TrackingError(
                    f"the tracking server does not answer: {reason(error)}"
                ) from None
            if pause == 4:  # said once, when it does not pass at once
                tqdm.write(f"waiting for the tracking server: {reason(error)}", file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, 8.0)


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


def _alone(uri: str) -> AbstractContextManager:
    """Of processes that find an embedded database empty or old, one migrates it; MLflow's own lock
    lets two collide."""
    path = uri.removeprefix("sqlite:///")
    return nullcontext() if path in (uri, ":memory:") else locks.alone(Path(path), "opens")


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
