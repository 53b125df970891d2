"""A team's tracking server: `mlflow server` on PostgreSQL, with several trials at once."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.measures.metrics import FOLLOWING, NAMES
from tests.benchmark.reporting.test_report import printed
from tests.benchmark.sweeps.test_sweep import words_for
from tests.conftest import TINY, free_port, serve
from tests.forked import Process

pytestmark = pytest.mark.process

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def postgres():
    """Start a real PostgreSQL server, and give the URI of an empty database on it."""
    if not BINARIES:
        pytest.skip("PostgreSQL (Debian's package postgresql) is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # the path of a socket has to be short
    port = free_port()
    user = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        user = ["runuser", "-u", "postgres", "--"]

    def run(program, *words):
        whole = [*user, str(BINARIES[-1] / program), *map(str, words)]
        done = subprocess.run(
            whole, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout

    data, log = folder / "data", folder / "log"
    run("initdb", "-D", data, "--auth", "trust", "--username", "mlflow", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", port, "-U", "mlflow", "tracking")
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/tracking"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def team_server(postgres, tmp_path_factory):
    """The address of a server on PostgreSQL. The second test finds the trials of the first one."""
    with serve(tmp_path_factory.mktemp("team"), postgres) as uri:
        yield uri


def start(words, uri):
    return Process(words[1:], os.environ | {"MLFLOW_TRACKING_URI": uri})


def test_four_trials_log_at_once_to_an_empty_store(team_server, here, run_command):
    words = ["-m", "benchmark.train", "--dataset", "demo", *TINY, "--epochs", "3"]
    processes = [start([*words, "--seed", str(seed)], team_server) for seed in range(1, 5)]
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    client = MlflowClient(team_server)
    experiment = client.get_experiment_by_name("demo")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.params["seed"] for run in runs) == ["1", "2", "3", "4"]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")  # the server keeps the files
        for name in ("train/loss", "valid/ndcg_at_10"):
            steps = [m.step for m in client.get_metric_history(run.info.run_id, name)]
            assert steps == [1, 2, 3]
        logged = {f"test/{name.replace('@', '_at_')}" for name in NAMES if name not in FOLLOWING}
        assert logged <= set(run.data.metrics)
        kept = client.list_artifacts(run.info.run_id, "checkpoints")
        assert [file.path for file in kept] == ["checkpoints/best"]
    done = run_command(
        "python", "-m", "benchmark.report", "--experiment", "demo", "--tracking-uri", team_server
    )
    assert done.returncode == 0, done.stderr
    (row,) = printed(done.stdout)
    assert row["seeds"] == "4"
    assert not (here / "mlflow.db").exists()


def test_a_sweep_killed_on_the_server_goes_on_there(team_server, here, run_command):
    words = words_for("learning_rate choice [0.01, 0.02]", "--epochs", "4")
    words[1:1] = ["tests.hasty"]
    process = start(words, team_server)
    for line in process.stdout:
        if "epoch 2" in line:
            process.kill()
    process.communicate()
    done = run_command("python", *words, MLFLOW_TRACKING_URI=team_server)
    assert done.returncode == 0, done.stderr
    assert "epoch 1" not in done.stdout.split("trial 2 of 2")[0]
    assert "trial 2 of 2" in done.stdout
