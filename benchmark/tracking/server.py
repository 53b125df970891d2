"""The connection to the tracking server."""

import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
from mlflow.utils.time import get_current_time_millis
from tqdm import tqdm

from benchmark import interruption
from benchmark.errors import UserError
from benchmark.tracking.outage import (
    DEFECTS,
    cannot_write,
    check_answer,
    is_forbidden,
    is_outage,
    problem,
    refuse_empty_answers,
)
from datasets import locks
from datasets.errors import masked
from datasets.files import replacing

LONG_WAIT = 600.0  # seconds for a server that goes away while a trial or a sweep is at work
SHORTEST_WAIT = 2.0  # seconds for any other command, or after a signal
LONGEST_PAUSE = 8.0  # seconds between two requests
DEFAULT_STORE = "sqlite:///mlflow.db"
MLFLOWS_SETTINGS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # one for each file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # it would create a run twice; ``Client`` repeats
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # with the user and the password
}

T = TypeVar("T")


class TrackingError(UserError):
    """The tracking server cannot do what is asked. The message says what, where and why."""


class Unavailable(TrackingError):
    """The tracking server, or a store of artifacts, does not answer, fails, or refuses the user."""


def connect(tracking_uri: str | None = None) -> MlflowClient:
    """A client whose server has answered, or whose database has been created and migrated.

    ``tracking_uri`` defaults to $MLFLOW_TRACKING_URI, then to sqlite:///mlflow.db. Raises
    Unavailable within seconds if the server does not answer. So does each request of the client.
    """
    given = _with_credentials(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"))
    where = given or DEFAULT_STORE
    if re.match(r"[\w.-]+:\d+(/|$)", where):
        raise TrackingError(f"the tracking server {where} has no http:// or https:// before it")
    try:
        with _environment(MLFLOW_HTTP_REQUEST_TIMEOUT="10"), _alone(where):
            _make_database(given)
            client = _client(given)
            client.search_experiments(max_results=1)
    except ImportError as error:
        raise TrackingError(
            f"the tracking server {where} needs a package that is not installed: {error}"
        ) from None
    except DEFECTS:
        raise
    except UnsupportedModelRegistryStoreURIException:
        raise TrackingError(
            f"the tracking server {where} should begin with http://, https://, sqlite:/// or the "
            "name of another database"
        ) from None
    except Exception as error:  # of requests, SQLAlchemy or MLflow, by kind of store
        raise Unavailable(f"the tracking server {where} {problem(error)}") from None
    return cast(MlflowClient, Client(client, SHORTEST_WAIT))  # it has all of its methods


def connect_patiently(tracking_uri: str) -> MlflowClient:
    """A client for work in progress: each request waits up to ten minutes for the server."""
    return cast(MlflowClient, Client(_client(tracking_uri), LONG_WAIT))


def without_credentials(tracking_uri: str) -> str:
    """The URI as it may be written to disk. ``connect`` adds the credentials again, if
    $MLFLOW_TRACKING_URI has them."""
    return masked(tracking_uri).replace("://***@", "://")


def in_ui(client: MlflowClient, experiment_id: str, run_id: str = "") -> str:
    """The address of a run, or of its experiment, in MLflow's UI; without a server, the command
    that starts one."""
    uri = without_credentials(client.tracking_uri)
    if not uri.startswith(("http://", "https://")):
        return shlex.join(["mlflow", "ui", "--backend-store-uri", uri])
    page = f"{uri.rstrip('/')}/#/experiments/{experiment_id}"
    return f"{page}/runs/{run_id}" if run_id else page


def _with_credentials(tracking_uri: str | None) -> str | None:
    """$MLFLOW_TRACKING_URI, if it is the same server: it may have a user and a password."""
    own = os.environ.get("MLFLOW_TRACKING_URI", "")
    return own if without_credentials(own) == tracking_uri else tracking_uri


def _client(tracking_uri: str | None) -> MlflowClient:
    for name in ("alembic", "mlflow"):  # else a new database is announced table by table
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs a traceback of each error. The error itself becomes one line of ours.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    for name, value in MLFLOWS_SETTINGS.items():
        os.environ.setdefault(name, value)
    refuse_empty_answers()
    return MlflowClient(_absolute(tracking_uri))


class Client:
    """An MlflowClient whose methods wait for the server during an outage.

    They raise Unavailable after ``wait`` seconds, SHORTEST_WAIT after a signal, and at once if
    the server refuses the user.
    """

    def __init__(self, client: MlflowClient, wait: float):
        self.client = client
        self.wait = wait

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.client, name)
        return partial(self.ask, value) if callable(value) else value

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, str] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """A new run. It may exist when a request is repeated: only the answer was lost."""
        started = start_time or get_current_time_millis()
        asked = False

        def create() -> Run:
            nonlocal asked
            then = f"attributes.start_time = {started}"
            for run in self.client.search_runs([experiment_id], then) if asked else []:
                same_name = run_name in (None, run.info.run_name)
                if same_name and run.data.tags.items() >= (tags or {}).items():
                    return run
            asked = True
            return self.client.create_run(experiment_id, started, tags, run_name)

        return self.ask(create)

    def ask(self, ask: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        where = f"the tracking server {self.client.tracking_uri}"
        return _repeated(partial(ask, *args, **kwargs), self.wait, where)


def repeated(ask: Callable[[], T], client: MlflowClient, where: str) -> T:
    """The answer to ``ask``, which is repeated during an outage for as long as the client waits.

    Raises Unavailable, with a message that begins with ``where``, the name of the server.
    """
    return _repeated(ask, client.wait if isinstance(client, Client) else 0, where)


def _repeated(ask: Callable[[], T], wait: float, where: str) -> T:
    started = time.monotonic()
    pause = 0.5
    while True:
        try:
            answer = ask()
            check_answer(answer)
            return answer
        except Exception as error:
            if cannot_write(error):
                raise Unavailable(
                    f"{where} cannot be written: the disk is full or read-only: "
                    "make room, or make it writable, then start the same command again"
                ) from None
            outage = is_outage(error)
            if not outage and not is_forbidden(error):
                raise
            patience = min(wait, SHORTEST_WAIT) if interruption.heard() else wait
            if not outage or time.monotonic() - started > patience:
                raise Unavailable(f"{where} {problem(error)}") from None
            if pause == 4:  # printed once, and only for an outage of some seconds
                tqdm.write(masked(f"waiting: {where} {problem(error)}"), file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of the experiment ``name``, which is created if it does not exist.

    Raises TrackingError if the experiment is deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, _artifact_location(client.tracking_uri, name))
        except MlflowException:  # another trial, started at the same time, was quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(deleted(found))
    return found.experiment_id


def deleted(experiment: Experiment, run_id: str = "") -> str:
    """The message of an error: the experiment, that of the run if one is given, is deleted."""
    of_run = f" of run {run_id}" if run_id else ""
    return (
        f"experiment {experiment.name!r}{of_run} is deleted; to restore it: "
        f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    )


def _artifact_location(tracking_uri: str, experiment: str) -> str | None:
    """The folder for the artifacts of a new experiment: beside an SQLite database.

    MLflow would take the current folder, which after `mlflow run git://...` is a temporary one.
    None for any other store: it has its own place.
    """
    database = str(_absolute(tracking_uri)).removeprefix("sqlite:///")
    if database in (tracking_uri, ":memory:"):
        return None
    return str(Path(database).parent / "mlruns" / re.sub(r"[^\w.-]+", "-", experiment))


def _absolute(uri: str | None) -> str | None:
    """The same SQLite file for processes that work in other folders."""
    scheme = "sqlite:///"
    if uri and uri.startswith(scheme) and not uri.startswith((scheme + "/", scheme + ":")):
        return scheme + str(Path(uri.removeprefix(scheme)).absolute())
    return uri


def _make_database(tracking_uri: str | None) -> None:
    """Make a new SQLite database under another name: a process that is killed meanwhile would leave
    half of one, which MLflow cannot open again."""
    uri = tracking_uri or mlflow.get_tracking_uri()
    path = uri.removeprefix("sqlite:///")
    if path in (uri, ":memory:") or os.path.exists(path):
        return
    with suppress(OSError), replacing(path) as part:  # MLflow says why there can be none
        _client(f"sqlite:///{part}").search_experiments(max_results=1)


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
