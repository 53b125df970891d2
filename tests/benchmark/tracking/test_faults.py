"""Full disks, read-only folders, short memory, NaN losses: a trial works, or says why not."""

import os
import pickle
import subprocess

import pytest
import torch

from benchmark.settings.settings import Settings
from benchmark.training import checkpoint
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from models import ranking
from tests.conftest import TINY
from tests.forked import Process

TRAIN = ["benchmark.train", "--dataset", "demo", *TINY, "--epochs", "3"]


def run(*words: str, mounts: str = "", memory: str = "") -> subprocess.CompletedProcess:
    """Run a command until it ends.

    ``mounts`` are shell commands that mount file systems, ``memory`` is the limit of its address
    space in bytes; both are for this command alone.
    """
    if mounts or memory:
        words = ("tests.confined", mounts, memory, *words)
    process = Process([*words], {**os.environ})
    said = process.communicate(timeout=300)
    return subprocess.CompletedProcess(words, process.wait(), *said)


@pytest.fixture(scope="session")
def mounting() -> None:
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")


def the_run(store):
    (found,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    return found


@pytest.mark.process
def test_a_full_disk_stops_a_trial_that_goes_on_when_there_is_room(here, store, mounting):
    small = "mkdir undelivered && mount -t tmpfs -o size=52k tmpfs undelivered"
    done = run(*TRAIN, mounts=small)
    assert done.returncode == 1
    resume, line = done.stderr.splitlines()[-2:]
    assert line.startswith("Error: checkpoints/")
    assert "No space left on device" in line
    assert line.endswith("make room, and resume the trial, or start its sweep again")
    assert resume.startswith("to resume: python -m benchmark.train --resume ")
    assert "Traceback" not in done.stderr
    assert the_run(store).info.status == "KILLED"
    assert "No space left on device" in the_run(store).data.tags["failure"]
    again = run(TRAIN[0], "--resume", the_run(store).info.run_id)
    assert again.returncode == 0, again.stderr
    assert the_run(store).info.status == "FINISHED"
    assert "failure" not in the_run(store).data.tags


@pytest.mark.process
def test_artifacts_that_the_stores_disk_has_no_room_for_are_kept(here, store, mounting):
    done = run(*TRAIN, mounts="mkdir mlruns && mount -t tmpfs -o nr_inodes=1 tmpfs mlruns")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "python -m benchmark.sync" in done.stderr
    assert the_run(store).info.status == "RUNNING"  # its status waits behind the artifact
    done = run("benchmark.sync")
    assert done.returncode == 0, done.stderr
    assert the_run(store).info.status == "FINISHED"
    kept = {file.path for file in store.list_artifacts(the_run(store).info.run_id)}
    assert kept == {"checkpoints", "config.yaml", "dataset.md", "lists", "ranks"}


@pytest.mark.process
def test_a_data_folder_that_cannot_be_written_is_no_hindrance(here, store, mounting):
    read_only = "mkdir data && mount -t tmpfs -o ro tmpfs data"
    done = run(*TRAIN, mounts=read_only)
    assert done.returncode == 0, done.stderr
    assert "not cached, the next run prepares the data again: [Errno 30]" in done.stdout
    assert the_run(store).info.status == "FINISHED"


@pytest.mark.process
def test_a_folder_that_cannot_be_written_is_said_before_training(here, store, mounting):
    read_only = "mkdir undelivered && mount -t tmpfs -o ro tmpfs undelivered"
    done = run(*TRAIN, mounts=read_only)
    assert done.returncode == 1
    assert "cannot be written (Read-only file system): start in a folder" in done.stderr
    assert not store.get_experiment_by_name("demo")


@pytest.mark.process
def test_a_store_that_cannot_be_written_is_one_line_at_once(here, store, mounting, monkeypatch):
    mounts = (
        "mkdir disk && mount -t tmpfs tmpfs disk && cp mlflow.db disk && mount -o remount,ro disk"
    )
    (here / "two.yaml").write_text("model: [Popularity, RepeatLast]\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///disk/mlflow.db")
    done = run("benchmark.sweep", "two.yaml", "--dataset", "demo", mounts=mounts)
    assert done.returncode == 1
    assert "waiting" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written: the disk is full or read-only: make room" in done.stderr


@pytest.mark.process
def test_two_trials_that_start_on_an_empty_store_at_once_both_work(here):
    both = [Process(TRAIN, {**os.environ}) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    first, second = (run.data.metrics["test/ndcg_at_10"] for run in runs)
    assert first == second


@pytest.mark.process
def test_a_loss_that_is_no_number_fails_the_trial_with_epoch_and_learning_rate(here, store):
    done = run(*TRAIN, "--learning-rate", "1000", "--warmup-steps", "0")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: the loss is nan in epoch 1 with learning_rate 1000.0: try a")
    assert the_run(store).info.status == "FAILED"
    assert "in epoch 1 with learning_rate 1000.0" in the_run(store).data.tags["failure"]


@pytest.mark.process
def test_too_large_a_batch_says_what_to_set(here, store):
    options = ["--batch-size", "3000", "--hidden-size", "1024", "--inner-size", "8192"]
    done = run(*TRAIN, *options, memory=str(4 << 30))
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line == "Error: out of memory on cpu in epoch 1 with batch_size 3000: try a smaller one"
    assert the_run(store).info.status == "FAILED"


def test_ranking_takes_fewer_users_at_once_where_memory_is_short(here, monkeypatch):
    spec, sequences = load("demo")
    small = {"hidden_size": 8, "inner_size": 8, "heads": 1, "layers": 1}
    settings = Settings.of(dataset="demo", **small)
    trainer = Trainer(settings, sequences, spec.split_of(sequences))
    expected = trainer.ranks(trainer.split.valid)
    asked, queries = [], trainer.averaged.queries

    def limited(past):
        asked.append(len(past.items))
        if len(past.items) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return queries(past)

    monkeypatch.setattr(trainer.averaged, "queries", limited)
    assert (trainer.ranks(trainer.split.valid) == expected).all()
    assert asked[:4] == [ranking.USERS_PER_CHUNK, 256, 128, 64]
    assert max(asked[3:]) == 64


def test_a_checkpoint_is_never_run(here):
    """A pickle that would run code when it is loaded, in the place of a checkpoint, is refused."""

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(here / "done"),)

    for name, content in (
        ("pickle", pickle.dumps(Evil())),
        ("empty", b""),
        ("long header", (1 << 62).to_bytes(8, "little") + b"{}"),
        ("no tensors", (2).to_bytes(8, "little") + b"{}"),
    ):
        (here / name).write_bytes(content)
        with pytest.raises(checkpoint.CheckpointError, match=f"{name}: not a checkpoint"):
            checkpoint.load(here / name)
    torch.save({"weights": Evil()}, here / "torch")
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load(here / "torch")
    assert not (here / "done").exists()
