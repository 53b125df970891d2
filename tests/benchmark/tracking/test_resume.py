"""Trials that are killed, stopped or lose a checkpoint, and resume to the same results."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from benchmark.training import checkpoint
from models.blend import VARIANTS
from tests.conftest import ROOT, TINY, command, cpu_seconds, place, until, work
from tests.forked import Process

pytestmark = [
    pytest.mark.process,
    pytest.mark.usefixtures("store"),  # otherwise each trial takes seconds to make a database
]

EPOCHS = 5
OPTIONS = [
    *("--epochs", str(EPOCHS), "--batch-size", "64", "--learning-rate", "0.01"),
    *("--blend", "slist"),  # its weights are tried after training
]


WORDS = ["benchmark.train", "--dataset", "demo", *TINY, *OPTIONS]
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def start(folder: Path, *options: str) -> Process:
    return Process([*WORDS, *options], ENVIRONMENT, folder)


def the_trial(folder: Path) -> tuple[MlflowClient, str]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    return client, run.info.run_id


def result(folder: Path) -> dict:
    """A finished trial's metrics by step, best weights and ranks; times and memory are left out."""
    client, run_id = the_trial(folder)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    told = {
        key: [(m.step, m.value) for m in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    assert [step for step, _ in told["train_seconds"]] == list(range(1, EPOCHS + len(VARIANTS) + 1))
    files = Path(client.download_artifacts(run_id, ""))
    assert not (folder / "undelivered").exists()
    return {
        "metrics": {k: v for k, v in told.items() if "second" not in k and "memory" not in k},
        "weights": checkpoint.load(files / "checkpoints/best/model.safetensors"),
        "tables": {
            f"{p.parent.name}/{p.name}": pd.read_parquet(p) for p in files.glob("*/*.parquet")
        },
    }


def assert_same(one: dict, other: dict) -> None:
    assert one["metrics"] == other["metrics"]
    (weights, values), (weights_2, values_2) = one["weights"], other["weights"]
    assert values == values_2
    assert weights.keys() == weights_2.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, weights_2[name]), name
    assert one["tables"].keys() == {
        "ranks/valid.parquet",
        "ranks/test.parquet",
        "lists/test.parquet",
    }
    for name, table in one["tables"].items():
        pd.testing.assert_frame_equal(table, other["tables"][name])


def resume(folder: Path) -> str:
    """Resume the trial until it ends; return its standard error."""
    process = start(folder, "--resume", the_trial(folder)[1])
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory, new_database) -> tuple[dict, float]:
    """The result of an undisturbed trial, and its CPU seconds between its first and last lines.

    It has an interpreter of its own, with another order of sets than the trials that resume.
    """
    folder = tmp_path_factory.mktemp("whole")
    place(new_database, folder / "mlflow.db")
    threads = {key: value for key, value in os.environ.items() if key.startswith("OMP_")}
    process = subprocess.Popen(
        [sys.executable, "-m", *WORDS],
        cwd=folder,
        env=ENVIRONMENT | threads | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(process, "trial")
    before = cpu_seconds(process)
    until(process, "best epoch")
    seconds = cpu_seconds(process) - before
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return result(folder), seconds


def test_killed_at_any_moment_it_goes_on_to_the_same_end(whole, here, moment):
    expected, seconds = whole
    draw = random.Random(moment)
    process = start(here)
    until(process, draw.choice(["trial", *(f"epoch {n}:" for n in range(1, EPOCHS - 1))]))
    work(process, draw.uniform(0, 1.2) * seconds / EPOCHS)
    process.kill()
    process.communicate(timeout=120)
    assert the_trial(here)[0].get_run(the_trial(here)[1]).info.status == "RUNNING"
    resume(here)
    assert_same(result(here), expected)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_state_in_the_middle_of_an_epoch(whole, here, sent, code):
    process = start(here)
    until(process, "epoch 2")
    work(process, 0.1)
    process.send_signal(sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert "stopping after this step" in said
    assert "Traceback" not in said
    client, run_id = the_trial(here)
    assert f"to resume: python -m benchmark.train --resume {run_id}\n" in said
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["failure"]) == ("KILLED", "stopped by a signal")
    folder = Path(client.download_artifacts(run_id, "checkpoints/last"))
    states = [checkpoint.load(path)[1] for path in folder.iterdir()]
    assert max((state["epoch"], state["batch"]) for state in states)[1] > 0
    assert resume(here) == ""
    assert_same(result(here), whole[0])
    again = start(here, "--resume", run_id[:8])
    _, said = again.communicate(timeout=120)
    assert again.returncode == 1
    assert "has finished: there is nothing to resume" in said


def test_a_second_ctrl_c_leaves_at_once(here):
    process = start(here, "--epochs", "500")
    until(process, "epoch 1")
    os.kill(process.pid, signal.SIGSTOP)  # both signals arrive while it is stopped
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    _, said = process.communicate(timeout=120)
    assert process.returncode in (130, 143)
    assert "Traceback" not in said
    client, run_id = the_trial(here)
    assert client.get_run(run_id).info.status == "KILLED"


def test_a_trial_at_work_is_not_resumed_a_second_time(here):
    process = start(here, "--epochs", "500")
    until(process, "epoch 1")
    second = start(here, "--resume", the_trial(here)[1])
    _, said = second.communicate(timeout=120)
    process.kill()
    process.communicate(timeout=120)
    assert second.returncode == 1
    assert "Error: another process here is at work on run" in said


@pytest.mark.parametrize("damage", ["newest cut", "both changed"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_taken(whole, here, damage):
    process = start(here)
    until(process, "epoch 3")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    client, run_id = the_trial(here)
    folder = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    states = sorted(
        (folder / "checkpoints/last").iterdir(),
        key=lambda path: [checkpoint.load(path)[1][name] for name in ("epoch", "batch")],
    )
    assert len(states) == 2
    for path in states if damage == "both changed" else states[1:]:
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content[:-1] if damage == "newest cut" else content)
    said = resume(here)
    why = "not fully covered" if damage == "newest cut" else "its checksum is wrong"
    assert said.count(f"damaged checkpoint, not used: {states[1].name} of run {run_id}") == 1
    assert said.count(why) == (2 if damage == "both changed" else 1)
    assert_same(result(here), whole[0])


def test_messages_of_a_run_that_has_gone_on_elsewhere_are_not_delivered(whole, here):
    """`sync` delivers no old messages of a run that was resumed without them.

    Here the messages move to another folder, as if the run were resumed on another machine.
    """
    process = start(here)
    until(process, "epoch 2")
    process.kill()
    process.communicate(timeout=120)
    left = here / "undelivered"
    client, run_id = the_trial(here)
    number = left / run_id / "000900.json"
    number.parent.mkdir(parents=True, exist_ok=True)
    number.write_text(
        '{"kind": "metrics", "epoch": 2, "content": {"values": {"lie": 1}, "step": 2, "time": 3}}'
    )
    (number.parent / "tracking_uri").write_text(client.tracking_uri)
    shutil.move(left, here / "elsewhere")
    resume(here)
    done = command("python", "-m", "benchmark.sync", "elsewhere")
    assert done.returncode == 0, done.stderr
    assert f"run {run_id} has continued elsewhere" in done.stdout
    assert_same(result(here), whole[0])
