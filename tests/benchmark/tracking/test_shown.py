"""What MLflow's pages and its API show of experiments, trials and sweeps."""

import pytest
from mlflow import MlflowClient

from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.outbox.shown import ExperimentTags, NameSuffix, Note
from benchmark.tracking.reading.trials import record

NOTE = "mlflow.note.content"


@pytest.fixture
def run_id(store) -> str:
    return store.create_run(store.create_experiment("e")).info.run_id


def one_run(store: MlflowClient):
    (run,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    return run


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
    assert tags[NOTE].endswith("    python -m benchmark.report --experiment demo")


def test_what_a_user_has_said_of_an_experiment_stays(store, run_id):
    where = store.get_run(run_id).info.experiment_id
    store.set_experiment_tag(where, NOTE, "mine")
    deliver(store, run_id, ExperimentTags({NOTE: "ours", "other": "ours"}))
    assert store.get_experiment(where).tags == {NOTE: "mine", "other": "ours"}


def test_a_trial_says_what_it_reached_and_how_to_repeat_it(train_here, store):
    done = train_here("--epochs", "2")
    assert done.returncode == 0, done.stderr
    run = one_run(store)
    note = run.data.tags[NOTE]
    test, valid = (record(run).test, record(run).valid)
    assert f"| test | {test['ndcg@10']:.4f} | {test['recall@10']:.4f} |" in note
    assert f"| validation | {valid['ndcg@10']:.4f} | {valid['recall@10']:.4f} |" in note
    assert f"    {run.data.tags['command']}\n" in note
    assert "Best epoch 2 of 2, " in note
    assert "    python -m benchmark.report --experiment demo\n" in note


def test_values_of_a_whole_trial_are_bars_and_none_repeats_another(train_here, store):
    """MLflow's pages draw a line for a metric with a step of 1 or more."""
    done = train_here("--epochs", "2")
    assert done.returncode == 0, done.stderr
    run = one_run(store)
    per_epoch = ("train/", "valid/", "train_seconds", "valid_seconds", "sequences_per_second")
    for key in run.data.metrics:
        (*_, last) = store.get_metric_history(run.info.run_id, key)
        assert last.step == (2 if key.startswith(per_epoch) else 0), key
    assert not [key for key in run.data.metrics if "hit" in key or "precision" in key]
    test = record(run).test
    assert list(test) == ["recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10"]
    assert (test["hit@10"], test["precision@10"]) == (test["recall@10"], test["recall@10"] / 10)


def test_a_description_is_replaced_unless_a_user_wrote_it(store, run_id):
    deliver(store, run_id, Note("first"), Note("second"), Note("second"))
    assert store.get_run(run_id).data.tags[NOTE] == "second"
    store.set_tag(run_id, NOTE, "mine")
    deliver(store, run_id, Note("third"))
    assert store.get_run(run_id).data.tags[NOTE] == "mine"


def test_a_name_gets_its_end_once(store, run_id):
    store.update_run(run_id, name="trial")
    deliver(store, run_id, NameSuffix(" (pruned)"), NameSuffix(" (pruned)"))
    assert store.get_run(run_id).info.run_name == "trial (pruned)"


def test_what_follows_from_recall_is_known_only_if_nothing_contradicts_it(store, run_id):
    """Where queries have several targets, hit@10 and precision@10 are logged."""
    for name in ("recall", "mrr", "ndcg"):
        store.log_metric(run_id, f"test/{name}_at_10", 0.5)
    assert record(store.get_run(run_id)).test["precision@10"] == 0.05
    store.log_metric(run_id, "test/hit_at_10", 0.7)
    assert record(store.get_run(run_id)).test is None
