"""The connection to the tracking server."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tqdm import tqdm

from benchmark.errors import UserError
from benchmark.tracking.outage import is_outage, reason
from datasets import locks

LONG_WAIT = 600.0  # seconds for a server that goes away while a trial or a sweep is at work
LONGEST_PAUSE = 8.0  # seconds between two requests
DEFAULT_STORE = "sqlite:///mlflow.db"

T = TypeVar("T")


class TrackingError(UserError):
    """The tracking server cannot do what is asked. The message says what, where and why."""


def connect(tracking_uri: str | None = None) -> MlflowClient:
    """A client whose server has answered, or whose database has been created and migrated.

    ``tracking_uri`` defaults to $MLFLOW_TRACKING_URI, then to sqlite:///mlflow.db. Raises
    TrackingError within seconds if the server does not answer.
    """
    where = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE
    try:
        with _environment(MLFLOW_HTTP_REQUEST_TIMEOUT="10"), _alone(where):
            client = _client(tracking_uri)
            client.search_experiments(max_results=1)
    except Exception as error:  # of requests, SQLAlchemy or MLflow, by kind of store
        raise TrackingError(
            f"the tracking server {where} does not answer: {reason(error)}"
        ) from None
    return client


def connect_patiently(tracking_uri: str) -> MlflowClient:
    """A client for work in progress: each request waits up to ten minutes for the server."""
    return cast(MlflowClient, WaitingClient(_client(tracking_uri)))  # it has all of its methods


def _client(tracking_uri: str | None) -> MlflowClient:
    for name in ("alembic", "mlflow"):  # else a new database is announced table by table
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # WaitingClient repeats requests
    return MlflowClient(_absolute(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")))


class WaitingClient:
    """An MlflowClient whose methods wait for the server during an outage."""

    def __init__(self, client: MlflowClient):
        self.client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.client, name)
        # A run whose creation was not confirmed may exist: see ``Sweep.add_trial``.
        return partial(repeated, value) if callable(value) and name != "create_run" else value


def repeated(ask: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The answer to ``ask(*args, **kwargs)``, which is repeated during an outage.

    Raises TrackingError after ten minutes, and any other error of ``ask`` at once.
    """
    started = time.monotonic()
    pause = 0.5
    while True:
        try:
            return ask(*args, **kwargs)
        except Exception as error:
            if not is_outage(error):
                raise
            if time.monotonic() - started > LONG_WAIT:
                raise TrackingError(
                    f"the tracking server does not answer: {reason(error)}"
                ) from None
            if pause == 4:  # printed once, and only for an outage of some seconds
                tqdm.write(f"waiting for the tracking server: {reason(error)}", file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of the experiment ``name``, which is created if it does not exist.

    Raises TrackingError if the experiment is deleted.
    """
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
    """The same SQLite file for processes that work in other folders."""
    scheme = "sqlite:///"
    if uri and uri.startswith(scheme) and not uri.startswith((scheme + "/", scheme + ":")):
        return scheme + str(Path(uri.removeprefix(scheme)).absolute())
    return uri


def _alone(uri: str) -> AbstractContextManager[object]:
    """One process at a time creates or migrates an SQLite store: MLflow lets two collide."""
    path = uri.removeprefix("sqlite:///")
    return nullcontext() if path in (uri, ":memory:") else locks.alone(Path(path), "opening")


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables for a while; variables that are set already keep their values."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
