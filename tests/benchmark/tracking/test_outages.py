"""A tracking server that stops, comes back, fails, or answers slowly while a trial trains."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.tracking.outbox.messages import Metrics, Status
from benchmark.tracking.outbox.outbox import Outbox
from models.blend import VARIANTS
from tests.conftest import SLIST, TINY, free_port, serve, until
from tests.forked import Process
from tests.proxy import Proxy, proxied

pytestmark = pytest.mark.process

EPOCHS = 16
# Batches of which an epoch takes long enough for a server to go and come.
SLOW = ["--batch-size", "64", "--patience", str(EPOCHS)]
OPTIONS = ["--dataset", "demo", *TINY, *SLIST, "--epochs", str(EPOCHS), *SLOW]


def start(uri: str, *words: str) -> Process:
    command = ["tests.hasty", *(words or ("benchmark.train", *OPTIONS))]
    return Process(command, os.environ | {"MLFLOW_TRACKING_URI": uri})


def assert_all_there_once(uri: str) -> None:
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert run.info.status == "FINISHED"
    last = EPOCHS + len(VARIANTS)
    for key, steps in (
        ("train/loss", range(1, EPOCHS + 1)),
        ("valid/ndcg_at_10", range(1, EPOCHS + 1)),
        ("tried/ndcg_at_10", range(EPOCHS + 1, last + 1)),
        ("train_seconds", range(1, last + 1)),
    ):
        history = client.get_metric_history(run.info.run_id, key)
        assert [metric.step for metric in history] == list(steps)
    for key in ("test/ndcg_at_10", "trial_seconds"):
        assert len(client.get_metric_history(run.info.run_id, key)) == 1
    assert run.data.params["epochs"] == str(EPOCHS)
    assert len(run.inputs.dataset_inputs) == 3
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert model.status == "READY"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert [m.key for m in model.metrics].count("test/ndcg_at_10") == 1
    files = [
        file.path.removeprefix(f"{folder}/")
        for folder in ("checkpoints", "checkpoints/best", "ranks", "lists", None)
        for file in client.list_artifacts(run.info.run_id, folder)
        if not file.is_dir
    ]
    assert sorted(files) == [
        "config.yaml",
        "dataset.md",
        "model.safetensors",
        "test.parquet",
        "test.parquet",
        "valid.parquet",
    ]
    assert not Path("undelivered").exists()


def test_a_server_that_stops_and_comes_back_misses_nothing(here, server_database):
    port = free_port()
    with serve(here, server_database, port) as uri:
        process = start(uri)
        until(process, "epoch 2")
    until(process, "epoch 10")  # without a server since the second or third
    with serve(here, server_database, port):
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert f"the tracking server {uri} (no connection) does not respond: training" in said
        assert f"the tracking server {uri} responds again" in said
        assert_all_there_once(uri)


def test_what_a_dead_server_has_not_heard_is_delivered_later(here, server_database, run_command):
    """The address has a password, which is neither printed nor kept."""
    port = free_port()
    secret = {"MLFLOW_TRACKING_URI": f"http://me:s3cret@127.0.0.1:{port}"}
    with serve(here, server_database, port) as uri:
        process = start(secret["MLFLOW_TRACKING_URI"])
        until(process, "epoch 2")
    until(process, f"epoch {EPOCHS}")
    for line in process.stderr:
        if line.startswith("waiting"):
            break
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "s3cret" not in printed + line + said
    assert f"the tracking server http://***@127.0.0.1:{port} (no connection)" in line
    kept = [path for path in Path("undelivered").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"s3cret" in path.read_bytes()]
    (address,) = Path("undelivered").glob("*/tracking_uri")
    assert address.read_text() == uri
    assert "they are kept in" in said
    assert "Traceback" not in said
    sync = ["python", "-m", "benchmark.sync"]
    done = run_command(*sync)
    assert done.returncode == 1
    assert "Error: 1 of 1 runs in undelivered are not delivered" in done.stderr
    with serve(here, server_database, port):
        done = run_command(*sync)
        assert done.returncode == 0, done.stderr
        assert "messages delivered" in done.stdout
        assert_all_there_once(uri)
        assert run_command(*sync).stdout == "undelivered: nothing to deliver\n"


def test_a_server_that_fails_forgets_to_answer_and_is_slow_hears_all_once(here, server, proxy):
    process = start(proxy.uri)
    until(process, "epoch 1:")
    for last, *ways in (
        (4, "fail"),
        (7, "forget"),
        (10, "slow"),
        (12, "html"),
        (14, "fail", "forget", "html"),
    ):
        proxy.ways = ways
        until(process, f"epoch {last}:")
    proxy.ways = []
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert proxy.did == {"fail", "forget", "slow", "html"}
    assert_all_there_once(server)


@pytest.mark.parametrize("confirmed", [3, 2])
def test_what_is_left_of_the_last_epoch_is_delivered(run_verb, store, monkeypatch, confirmed):
    """The server has the metrics of all epochs, but not the messages after the last epoch."""
    run_id = store.create_run(store.create_experiment("e")).info.run_id
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "begin", lambda _: None)  # as if the process died before delivery
        outbox = Outbox(store, run_id)
        for epoch in (1, 2, 3):
            outbox.say(Metrics({"train_seconds": 0.5}, step=epoch, time=epoch))
            if epoch <= confirmed:
                outbox.waiting.pop().remove()
            store.log_metric(run_id, "train_seconds", 0.5, timestamp=epoch, step=epoch)
        outbox.keep("checkpoints/last/state-0.safetensors", lambda path: path.write_text("all"))
        outbox.say(Metrics({"test/ndcg_at_10": 0.25}, step=3, time=4))
        outbox.say(Status("FINISHED", time=5))
        outbox.close(0)
    done = run_verb("sync")
    assert (done.returncode, done.stdout) == (0, f"run {run_id}: 3 messages delivered\n")
    run = store.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 5)
    assert run.data.metrics == {"train_seconds": 0.5, "test/ndcg_at_10": 0.25}
    history = store.get_metric_history(run_id, "train_seconds")
    assert [metric.step for metric in history] == [1, 2, 3]
    assert [file.path for file in store.list_artifacts(run_id)] == ["checkpoints"]
    assert "nothing to deliver" in run_verb("sync").stdout


def sweep(uri: str, epochs: int) -> Process:
    """A sweep of three trials."""
    Path("few.test").write_text("learning_rate choice [0.01, 0.02, 0.03]\n")
    options = ["--dataset", "demo", *TINY, "--epochs", str(epochs)]
    return start(uri, "benchmark.sweep", "few.test", *options)


def finished_trials(uri: str) -> list[Run]:
    """The three trials of the sweep; all of them, and the sweep itself, have finished."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    return runs[:-1]


def begun(here, database, port: int, epochs: int) -> tuple[str, Process]:
    """A sweep in the first epoch of its first trial, whose server at the URI has stopped."""
    with serve(here, database, port) as uri:
        process = sweep(uri, epochs)
        until(process, "trial 1 of 3")
        until(process, "epoch 1")
    return uri, process


def test_a_sweep_outlives_its_server(here, server_database):
    port = free_port()
    uri, process = begun(here, server_database, port, epochs=5)
    for line in process.stderr:  # until the sweep reports the outage
        if "tracking server" in line:
            break
    with serve(here, server_database, port):
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        for run in finished_trials(uri):
            history = MlflowClient(uri).get_metric_history(run.info.run_id, "valid/ndcg_at_10")
            assert [metric.step for metric in history] == [1, 2, 3, 4, 5]


def test_a_sweep_stops_soon_while_its_server_is_away(here, server_database):
    port = free_port()
    uri, process = begun(here, server_database, port, epochs=3)
    for line in process.stderr:
        if "Ctrl-C ends the wait" in line:  # the first trial waits for ten minutes
            break
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert " -m benchmark.sweep few.test " in said.split("to resume: ")[1]
    with serve(here, server_database, port):
        again = sweep(uri, epochs=3)
        _, said = again.communicate(timeout=300)
        assert again.returncode == 0, said
        assert len(finished_trials(uri)) == 3


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    with proxied(server) as made:
        yield made
