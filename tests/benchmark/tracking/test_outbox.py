"""Messages to a tracking server that will never take them."""

import time

import pytest
from mlflow.exceptions import MlflowException, RestException

from benchmark.tracking import heartbeat, ownership
from benchmark.tracking.outage import is_outage
from benchmark.tracking.outbox import outbox as outboxes
from benchmark.tracking.outbox.entries import as_json, from_json
from benchmark.tracking.outbox.messages import Artifact, Input, Labels, Metrics, Status
from benchmark.tracking.outbox.model import Model
from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.outbox.shown import BestPoint, ExperimentTags, NameSuffix, Note
from benchmark.tracking.server import TrackingError


@pytest.fixture
def run_id(store) -> str:
    return store.create_run(store.create_experiment("e")).info.run_id


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(outboxes, "PAUSES", (0.01,))


def refused(outbox: Outbox) -> None:
    assert not outbox.flush(60)
    assert outbox.refused


@pytest.mark.parametrize("deleted", ["run", "experiment"])
def test_a_run_that_was_deleted_is_said_at_once_and_nothing_is_lost(
    store, run_id, monkeypatch, run_verb, deleted
):
    monkeypatch.setattr(outboxes, "PAUSES", (600,))  # there is no second try
    number = store.get_run(run_id).info.experiment_id
    outbox = Outbox(store, run_id)
    if deleted == "run":
        store.delete_run(run_id)
        restore = f"run {run_id} is deleted; to restore it: mlflow runs restore --run-id {run_id}"
    else:
        store.delete_experiment(number)
        restore = (
            f"experiment 'e' of run {run_id} is deleted; to restore it: "
            f"mlflow experiments restore --experiment-id {number}"
        )
    outbox.say(Metrics({"train/loss": 1.0}, step=1, time=1))
    outbox.keep("checkpoints/best/model.safetensors", lambda path: path.write_text("weights"))
    refused(outbox)
    with pytest.raises(TrackingError, match=r"2 undelivered messages .* are kept in") as error:
        outbox.check()
    assert str(error.value).startswith(restore)
    outbox.close(0)
    done = run_verb("sync")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"Error: {restore}")
    store.restore_run(run_id) if deleted == "run" else store.restore_experiment(number)
    done = run_verb("sync")
    assert done.returncode == 0, done.stderr
    assert store.get_run(run_id).data.metrics == {"train/loss": 1.0}
    assert [file.path for file in store.list_artifacts(run_id)] == ["checkpoints"]


def test_an_error_of_another_library_is_an_outage(store, run_id, impatient, monkeypatch):
    """Stores of artifacts have exceptions of their own, such as botocore's."""

    class StoreError(Exception):
        pass

    deliver, tries = Metrics.deliver, []

    def fails_at_first(*words):
        tries.append(words)
        if len(tries) < 10:
            raise StoreError("no answer")
        deliver(*words)

    monkeypatch.setattr(Metrics, "deliver", fails_at_first)
    outbox = Outbox(store, run_id)
    outbox.say(Metrics({"train/loss": 1.0}, step=1, time=1))
    assert outbox.close(60)
    assert store.get_run(run_id).data.metrics == {"train/loss": 1.0}


def test_a_heart_beats_on_after_a_refusal(store, run_id, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT", 0.05)
    heart = heartbeat.Heart(store, run_id, ownership.claim(store, run_id))
    beat, beats = heart._tag, []

    def refused_once(count):
        beats.append(count)
        if len(beats) == 2:
            raise MlflowException("a pool is full", error_code=3)
        beat(count)

    monkeypatch.setattr(heart, "_tag", refused_once)
    with heart.beats():
        while len(beats) < 4:
            time.sleep(0.01)
        heart.check()


def test_a_defect_of_this_program_keeps_its_trace(store, run_id, monkeypatch):
    monkeypatch.setattr(Labels, "deliver", lambda *_: {}["tag"])
    outbox = Outbox(store, run_id)
    outbox.say(Labels(tags={"a": "b"}))
    refused(outbox)
    with pytest.raises(KeyError, match="tag"):
        outbox.check()
    assert (outbox.folder / "000001.json").exists()
    outbox.close(0)


def test_a_defect_ends_the_trial_and_what_it_had_to_say_is_delivered_later(
    train_here, run_verb, store, here, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Metrics, "deliver", lambda *_: {}["tag"])
        with pytest.raises(KeyError, match="tag"):
            train_here("--epochs", "30")
    assert any((here / "undelivered").iterdir())
    done = run_verb("sync")
    assert done.returncode == 0, done.stderr
    (run,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == "KeyError: 'tag'"
    assert "train/loss" in run.data.metrics
    assert "traceback.txt" in {file.path for file in store.list_artifacts(run.info.run_id)}


def test_messages_are_the_same_after_a_while_on_disk():
    for message in (
        Metrics({"a": 1.5}, step=2, time=3),
        Labels({"p": 1}, {"t": "x"}),
        Artifact("ranks/test.parquet"),
        Status("FINISHED", 7),
        Input({"name": "d"}, "test"),
        ExperimentTags({"t": "x"}),
        Note("text"),
        NameSuffix(" (pruned)"),
        BestPoint({"learning_rate": "0.01"}),
        Model(3, {"test/ndcg_at_10": 0.5}, 7),
    ):
        assert from_json(as_json(message)) == message
    with pytest.raises(TypeError):
        from_json({"kind": "settings", "content": {"tag": {}}})


def test_what_is_not_mlflows_own_answer_is_an_outage():
    def answer(code: str) -> RestException:
        return RestException({"error_code": code, "message": "no"})

    proxy = "API request to endpoint /api failed with error code 404 != 200. Body: '<html>'"
    assert is_outage(MlflowException(proxy, error_code=5))
    assert is_outage(answer("INTERNAL_ERROR"))
    assert is_outage(answer("TEMPORARILY_UNAVAILABLE"))
    assert not is_outage(answer("RESOURCE_DOES_NOT_EXIST"))
    assert not is_outage(answer("INVALID_PARAMETER_VALUE"))
    assert not is_outage(TypeError("tag"))
