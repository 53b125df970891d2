"""Fixtures and helpers of all tests: real commands, a real MLflow store, a real server."""

import gc
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

from datasets.card import Card

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it when imported: a core per worker

import hypothesis
import numpy as np
import pytest
import requests
from mlflow import MlflowClient

from benchmark import cli
from benchmark.measures.metrics import means
from tests.forked import Process, stand_in

hypothesis.settings.register_profile("any machine", deadline=None)  # no test measures time
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def pytest_addoption(parser):
    parser.addoption("--moments", type=int, default=3, help="at which trials are killed")


def pytest_collection_modifyitems(items):
    """The longest files come first, so that no process waits for another at the end: those of whole
    projects, then the others that start processes, then the quick ones."""
    started = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: (item.path not in started, len(item.path.parts)))


def pytest_collection_finish():
    """What is loaded stays. Each trial looks for garbage, and would look through all of this."""
    gc.freeze()


def pytest_generate_tests(metafunc):
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(metafunc.config.getoption("moments")))


@pytest.fixture(autouse=True)
def lane(request, monkeypatch) -> None:
    """Keep the quick lane quick: only a test marked ``process`` may start a process."""
    if request.node.get_closest_marker("process"):
        return
    start = subprocess.Popen.__init__

    def refuse_fork(self, words, *rest):
        pytest.fail(f"mark this test with pytest.mark.process: it starts {words!r}")

    def refuse(self, args, *rest, **options):
        if args[0] != "git":  # each trial asks git for the commit of the code
            pytest.fail(f"mark this test with pytest.mark.process: it starts {args!r}")
        start(self, args, *rest, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(Process, "__init__", refuse_fork)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets, which may not be redistributed. Without it the test is skipped."""
    folder = SHARED / "data"
    if not (folder / "ml-1m.inter.gz").exists():
        pytest.skip("the real data (../shared/data) are not on this machine")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory. MLFLOW_ and SEQREC_ variables and COLUMNS are unset."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "SEQREC_")) or name == "COLUMNS":
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def project(here) -> Path:
    """The working directory: a copy of the project, as after a clone."""
    for name in ("benchmark", "datasets", "models", "spaces", "suites"):
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("MLproject", "conda.yaml", "requirements.txt", "hyper.test"):
        shutil.copy(ROOT / name, here / name)
    return here


def command(*words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a command of the project in the working directory, and wait until it ends.

    ``environment`` adds variables. In a copy of the project, the code of the copy runs.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    here = Path.cwd()
    source = here if (here / "benchmark").is_dir() else ROOT
    environment = os.environ | {"PYTHONPATH": str(source)} | stand_in(path) | environment
    module = words[2:] if words[:2] == ("python", "-m") else words
    if module != words or words[0] == "mlflow":
        # A registered model brings its own ``models``, so none may be loaded before it.
        own = source == ROOT and module[0] not in ("benchmark.recommend", "mlflow")
        process = Process([*module], environment, own=own)
        said = process.communicate()
        return subprocess.CompletedProcess(words, process.wait(), *said)
    return subprocess.run(
        [sys.executable if words[0] == "python" else words[0], *words[1:]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture
def run_command(here):
    """``run_command("python", "-m", "benchmark.train", ...)`` runs it in an empty directory."""
    return command


@pytest.fixture
def run_verb(here, capsys):
    """``run_verb("report", "--experiment", "e")`` runs `benchmark.report` in this process.

    A process of its own would spend most of its time on imports.
    """

    def run(verb: str, *options: str, **environment: str) -> subprocess.CompletedProcess:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            own = {"MLFLOW_TRACKING_URI": f"sqlite:///{here}/mlflow.db"}
            for name, value in (own | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", [verb, *options])
            with pytest.raises(SystemExit) as end:
                cli.run(getattr(import_module(f"benchmark.{verb}"), verb))
        words = [verb, *options]
        return subprocess.CompletedProcess(words, end.value.code, *capsys.readouterr())

    return run


SIZES = ["--hidden-size", "8", "--inner-size", "8", "--heads", "1", "--layers", "1"]
# Without SLIST beside the network: most tests are about what stands around a model.
NETWORK = [*SIZES, "--embeddings", "random", "--blend", "none"]
SLIST = ["--embeddings", "slist", "--blend", "slist"]  # puts it back
TINY = [*NETWORK, "--batch-size", "128"]  # 24 steps on the demo data


def card_of(spec, sequences) -> Card:
    return Card(spec, sequences, spec.split_of(sequences))


@pytest.fixture
def train(here):
    """``train("--epochs", "2", ...)`` trains a tiny model on the demo data, in a new process."""
    return lambda *options, **environment: command(
        "python", "-m", "benchmark.train", "--dataset", "demo", *TINY, *options, **environment
    )


@pytest.fixture
def train_here(run_verb):
    """The same as ``train``, but in this process."""
    return lambda *options: run_verb("train", "--dataset", "demo", *TINY, *options)


@pytest.fixture
def own_data(here) -> str:
    """A data set of 60 users and 12 items, as a user has it; the name for ``--dataset``."""
    rows = [f"u{n % 60},i{(n * n + n) % 23},{n}\n" for n in range(600)]
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text("user,item,time\n" + "".join(rows))
    (here / "mine.yaml").write_text(
        "title: Mine\nsources: [{file: mine.csv, reader: csv, columns: "
        "{user: user, item: item, timestamp: time}}]\nsplit: leave-one-out\n"
    )
    return "mine.yaml"


@pytest.fixture(scope="session")
def new_database(tmp_path_factory) -> tuple[Path, Path]:
    """A new MLflow database, and the folder that its artifact locations name.

    MLflow takes seconds to make one, so the tests copy it.
    """
    folder = tmp_path_factory.mktemp("database")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db", folder


def place(new_database: tuple[Path, Path], path: Path) -> str:
    """Copy the new database to ``path`` and return the URI of the copy.

    The artifact locations change to the new folder, as if MLflow had made the database there.
    """
    made, folder = new_database
    shutil.copy(made, path)
    with closing(sqlite3.connect(path)) as database, database:
        moved = "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)"
        database.execute(moved, (str(folder), str(path.parent)))
    return f"sqlite:///{path}"


@pytest.fixture
def store(here, new_database) -> MlflowClient:
    """Client of the SQLite database in the working directory, which commands use by default."""
    return MlflowClient(place(new_database, here / "mlflow.db"))


def one_each(ranks: np.ndarray) -> dict[str, float]:
    """The metrics of ``ranks`` [n_users], for users with one target each."""
    return means(ranks, np.arange(len(ranks)))


def until(process: Process | subprocess.Popen, beginning: str) -> str:
    """Read the output of a process until a line starts with ``beginning``; return that line.

    The test fails if the output ends first.
    """
    for line in process.stdout:
        if line.startswith(beginning):
            return line
    pytest.fail(process.stderr.read())


def cpu_seconds(process: Process | subprocess.Popen) -> float:
    """The CPU time of a process so far, in seconds, over all of its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work(process: Process, seconds: float) -> None:
    """Wait until a process has used ``seconds`` more of CPU time, or has ended.

    CPU time, because a process on a busy machine computes less in the same wall time.
    """
    until_then = cpu_seconds(process) + seconds
    while process.poll() is None and cpu_seconds(process) < until_then:
        time.sleep(0.01)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, log: Path, tries: int) -> None:
    """Wait until a server answers at ``address``. If it does not, fail with its ``log``."""
    for _ in range(tries):
        try:
            if requests.get(address, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    pytest.fail(log.read_text())


@contextmanager
def serve(folder: Path, database: str, port: int = 0) -> Iterator[str]:
    """Run MLflow's real server in a process of its own on ``database``, and give its address.

    `mlflow server` starts this module with these variables, but loads for ten seconds before.
    """
    uri = f"http://127.0.0.1:{port or free_port()}"
    words = ["uvicorn", "--host", "127.0.0.1", "--port", uri.rsplit(":", 1)[1]]
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "server-artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # no test uses the job queue
    }
    log = folder / "server.log"
    process = Process([*words, "mlflow.server.fastapi_app:app"], os.environ | settings, log=log)
    try:
        wait_for(f"{uri}/health", log, tries=3000)
        MlflowClient(uri).search_experiments(max_results=1)  # makes the tables of a new database
        yield uri
    finally:
        process.terminate()
        process.wait(120)


@pytest.fixture
def server_database(here, new_database) -> str:
    """URI of a new database for ``serve``.

    On an empty database, a server takes three times as long to start.
    """
    return place(new_database, here / "server.db")


@pytest.fixture
def server(here, server_database):
    with serve(here, server_database) as uri:
        yield uri
