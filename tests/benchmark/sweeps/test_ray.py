"""Sweeps on a real Ray cluster of two nodes on this machine. One node dies during a sweep."""

import os
import re
import time

import pytest

from benchmark.attempt import attempt
from benchmark.data import Data
from benchmark.tracking import schema, server
from benchmark.tracking.outbox.entries import Queued
from benchmark.tracking.outbox.messages import Status
from benchmark.tracking.outbox.outbox import Outbox
from tests import clusters
from tests.benchmark.sweeps.test_sweep import runs, wait_for, words_for
from tests.conftest import ROOT, free_port
from tests.forked import Process

pytestmark = pytest.mark.process

pytest.importorskip("ray")


@pytest.fixture
def ray_folder(monkeypatch):
    with clusters.ray_folder() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield variables


@pytest.fixture
def cluster(here, ray_folder, monkeypatch):
    """Start a cluster; return the second node's name."""
    with clusters.two_nodes(ray_folder) as (address, name):
        monkeypatch.setenv("RAY_ADDRESS", address)
        yield name


def history(store, run, name):
    return [(m.step, m.value) for m in store.get_metric_history(run.info.run_id, name)]


def test_a_node_dies_and_its_trial_goes_on_elsewhere(cluster, store, here, run_command):
    space = "learning_rate choice [0.003, 0.01, 0.02]\n"
    options = ["--epochs", "8"]
    # Ray is told of GPUs that do not exist. The trials find none and use the CPU.
    words = words_for(space, *options, "--executor", "ray", "--gpus-per-trial", "0.5")
    process = Process(words[1:], os.environ | {"PYTHONPATH": str(ROOT)})
    wait_for(process, "sweep ")
    both = []
    while len(both) < 2:  # until two trials train, one on each node
        time.sleep(0.2)
        assert process.poll() is None, process.communicate()
        both = [run for run in runs(store)[1] if len(history(store, run, "train/loss")) > 1]
    assert clusters.kill(cluster) > 0
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    (parent,), trials = runs(store)
    assert parent.info.status == "FINISHED"
    assert [run.info.status for run in trials] == ["FINISHED"] * 3

    done = run_command("python", *words_for(space, *options, "--name", "alone"))
    assert done.returncode == 0, done.stderr
    uncut = runs(store)[1][3:]
    for name in ("train/loss", "valid/ndcg_at_10", "test/ndcg_at_10"):
        for first, second in zip(trials, uncut, strict=True):
            assert history(store, first, name) == history(store, second, name)
    assert re.search(r"trial 3 of 3: learning_rate=", said[0])


@pytest.mark.parametrize("delivered", [True, False])
def test_a_trial_that_has_ended_is_not_attempted_again(train_here, store, delivered):
    """A worker can be lost after its trial has ended, but before Ray has its result, and before the
    tracking server knows of the end."""
    assert train_here("--epochs", "1").returncode == 0
    assert train_here("--epochs", "1", "--learning-rate", "1000").returncode == 1
    before = [run.to_dictionary() for run in runs(store)[0]]
    assert [run["info"]["status"] for run in before] == ["FINISHED", "FAILED"]
    data = Data.load("demo")
    for run in before:
        run_id = run["info"]["run_id"]
        if not delivered:
            store.update_run(run_id, status="RUNNING")
            left = Outbox(store, run_id)
            left.claim(store)
            end = Status(run["info"]["status"], run["info"]["end_time"])
            Queued(left.folder / "000001.json", end, epoch=1).write()
            left.lock.release()  # as if its process were killed
        attempt(store.tracking_uri, data, run_id)
    after = [run.to_dictionary() for run in runs(store)[0]]
    if not delivered:
        for run in (*before, *after):
            del run["data"]["tags"][schema.OWNER]
    assert after == before


def test_without_a_cluster_it_is_one_line(store, here, run_command):
    words = words_for("learning_rate choice [0.01]", "--executor", "ray")
    address = f"127.0.0.1:{free_port()}"
    done = run_command("python", *words, RAY_ADDRESS=address)
    assert done.returncode == 1
    assert f"Error: no Ray cluster answers at {address} ($RAY_ADDRESS): " in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_find_a_database_that_is_named_by_a_relative_path(here, monkeypatch):
    """Workers have other working directories, so they get an absolute path."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///my.db")
    assert server.connect().tracking_uri == f"sqlite:///{here}/my.db"
    assert server.connect(f"sqlite:///{here}/a.db").tracking_uri == f"sqlite:///{here}/a.db"


def test_a_trial_that_fits_on_no_machine_is_one_line(ray_folder, store, here, run_command):
    words = words_for("learning_rate choice [0.01]", "--executor", "ray", "--gpus-per-trial", "9")
    done = run_command("python", *words)
    assert done.returncode == 1
    assert "has room for a trial with 1 CPUs and 9 GPUs; they have: " in done.stderr
    assert not store.get_experiment_by_name("demo")
