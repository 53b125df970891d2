"""`--jobs 2`: two trials at once on this machine, each in a process of its own."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.benchmark.sweeps.test_sweep import runs
from tests.conftest import TINY
from tests.forked import Process

pytestmark = pytest.mark.process


@pytest.fixture
def words(own_data):
    """The words of a sweep of three trials on a small data set."""
    Path("lr.yaml").write_text("learning_rate: [0.003, 0.01, 0.02]\n")
    return ["benchmark.sweep", "lr.yaml", "--dataset", own_data, *TINY]


def start(words, *options):
    return Process([*words, *options], {**os.environ})


def children(process: int) -> list[int]:
    """The processes whose parent's parent is this one: those that multiprocessing forked."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            )
        except OSError:  # the process has ended
            continue
    return [child for child, parent in parents.items() if parents.get(parent) == process]


def runs_still(process: int) -> bool:
    """Whether the process exists, and is no zombie that nobody waits for."""
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def curves(store, trials):
    return [
        [m.value for m in store.get_metric_history(trial.info.run_id, "valid/ndcg_at_10")]
        for trial in trials
    ]


def wait_for_two(store, process):
    """Wait until two trials train."""
    training = []
    while len(training) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.5)
        if store.get_experiment_by_name("mine"):
            running = [t for t in runs(store, "mine")[1] if t.info.status == "RUNNING"]
            training = [trial for trial in running if "train/loss" in trial.data.metrics]


def test_two_trials_at_once_have_the_results_of_one_after_the_other(words, store, run_verb):
    options = ["--epochs", "3"]
    process = start(words, *options, "--jobs", "2", "--system-metrics")
    while len(started := children(process.pid)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    os.kill(started[-1], signal.SIGKILL)  # its trial starts again
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "trial 3 of 3: learning_rate=" in said
    assert "epoch 1:" not in said
    done = run_verb("sweep", *words[1:], *options, "--name", "alone")
    assert done.returncode == 0, done.stderr
    _, trials = runs(store, "mine")
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 6
    assert curves(store, trials[:3]) == curves(store, trials[3:])
    asked = ["system/cpu_utilization_percentage" in trial.data.metrics for trial in trials]
    assert asked == [True] * 3 + [False] * 3


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_leaves_no_trial_running(words, store, sent):
    process = start(words, "--epochs", "1000", "--patience", "1000", "--jobs", "2")
    wait_for_two(store, process)
    trials = children(process.pid)
    assert len(trials) >= 2
    process.send_signal(sent)
    process.communicate(timeout=120)
    while any(map(runs_still, trials)):
        time.sleep(0.1)
    if sent == signal.SIGTERM:
        assert process.returncode == 143
        assert {run.info.status for run in runs(store, "mine")[1]} == {"KILLED"}
