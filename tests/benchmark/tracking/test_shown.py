"""What MLflow's pages and its API show of experiments, trials and sweeps."""

import pytest
from mlflow import MlflowClient

from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.outbox.shown import ExperimentTags

NOTE = "mlflow.note.content"


@pytest.fixture
def run_id(store) -> str:
    return store.create_run(store.create_experiment("e")).info.run_id


def deliver(client: MlflowClient, run_id: str, *messages) -> None:
    outbox = Outbox(client, run_id)
    for message in messages:
        outbox.say(message)
    assert outbox.close(60), outbox.left()


def test_a_trial_tells_its_experiment_what_it_is(train_here, store):
    done = train_here("--epochs", "1")
    assert done.returncode == 0, done.stderr
    tags = store.get_experiment_by_name("demo").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.experiment.primaryMetric.name"] == "best_valid/ndcg_at_10"
    assert tags["mlflow.experiment.primaryMetric.greaterIsBetter"] == "True"
    for text in ("SYNTHETIC", "3,000 users", "leave-one-out; every item a candidate"):
        assert text in tags[NOTE]
    assert tags[NOTE].endswith("`python -m benchmark.report --experiment demo`")


def test_what_a_user_has_said_of_an_experiment_stays(store, run_id):
    where = store.get_run(run_id).info.experiment_id
    store.set_experiment_tag(where, NOTE, "mine")
    deliver(store, run_id, ExperimentTags({NOTE: "ours", "other": "ours"}))
    assert store.get_experiment(where).tags == {NOTE: "mine", "other": "ours"}
