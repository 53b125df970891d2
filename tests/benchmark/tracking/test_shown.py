"""What MLflow's pages and its API show of experiments, trials and sweeps."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

from benchmark.tracking.outbox.messages import Metrics, Status
from benchmark.tracking.outbox.model import Model
from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.outbox.shown import BestPoint, ExperimentTags, NameSuffix, Note
from benchmark.tracking.reading.record import record

NOTE = "mlflow.note.content"


@pytest.fixture
def run_id(store) -> str:
    return store.create_run(store.create_experiment("e")).info.run_id


def deliver(client: MlflowClient, run_id: str, *messages) -> None:
    outbox = Outbox(client, run_id)
    for message in messages:
        outbox.say(message)
    assert outbox.close(60), outbox.left()


def test_a_trial_and_its_experiment_say_what_they_are(train_here, store):
    """MLflow's pages draw bars for a metric without a step of 1 or more, and else a line."""
    done = train_here("--epochs", "2")
    assert done.returncode == 0, done.stderr
    experiment = store.get_experiment_by_name("demo")
    tags = experiment.tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.experiment.primaryMetric.name"] == "best_valid/ndcg_at_10"
    assert tags["mlflow.experiment.primaryMetric.greaterIsBetter"] == "True"
    for text in ("SYNTHETIC", "3,000 users", "leave-one-out; every item a candidate"):
        assert text in tags[NOTE]
    assert tags[NOTE].endswith("To report: `python -m benchmark.report --experiment demo`")

    (run,) = store.search_runs([experiment.experiment_id])
    note = run.data.tags[NOTE]
    test, valid = (record(run).test, record(run).valid)
    assert f"- test: ndcg@10 {test['ndcg@10']:.4f}, recall@10 {test['recall@10']:.4f}\n" in note
    assert f"- validation: ndcg@10 {valid['ndcg@10']:.4f}, recall@10 " in note
    assert f"To repeat it: `{run.data.tags['command']}`\n" in note
    assert "Best epoch 2 of 2, " in note
    assert "To compare it with others: `python -m benchmark.report --experiment demo`\n" in note

    per_epoch = ("train/", "valid/", "train_seconds", "valid_seconds", "sequences_per_second")
    for key in run.data.metrics:
        (*_, last) = store.get_metric_history(run.info.run_id, key)
        assert last.step == (2 if key.startswith(per_epoch) else 0), key
    assert not [key for key in run.data.metrics if "hit" in key or "precision" in key]
    assert list(test) == ["recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10"]
    assert (test["hit@10"], test["precision@10"]) == (test["recall@10"], test["recall@10"] / 10)


def test_what_a_user_has_said_of_an_experiment_stays(store, run_id):
    where = store.get_run(run_id).info.experiment_id
    store.set_experiment_tag(where, NOTE, "mine")
    deliver(store, run_id, ExperimentTags({NOTE: "ours", "other": "ours"}))
    assert store.get_experiment(where).tags == {NOTE: "mine", "other": "ours"}


def test_a_description_is_replaced_unless_a_user_wrote_it(store, run_id):
    deliver(store, run_id, Note("first"), Note("second"), Note("second"))
    assert store.get_run(run_id).data.tags[NOTE] == "second"
    store.set_tag(run_id, NOTE, "mine")
    deliver(store, run_id, Note("third"))
    assert store.get_run(run_id).data.tags[NOTE] == "mine"


def test_the_tags_of_the_best_point_are_those_of_no_other(store, run_id):
    store.set_tag(run_id, "best", "mine")
    deliver(
        store, run_id, BestPoint({"model": "SASRec", "heads": "2"}), BestPoint({"model": "Markov"})
    )
    tags = store.get_run(run_id).data.tags
    assert {name: text for name, text in tags.items() if name.startswith("best")} == {
        "best": "mine",
        "best/model": "Markov",
    }


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


BEST = [{"field_name": "metrics.test/ndcg_at_10", "ascending": False}]


def test_mlflow_ranks_trials_by_their_models(train_here, store):
    for rate in ("0.003", "0.01"):
        done = train_here("--epochs", "1", "--learning-rate", rate)
        assert done.returncode == 0, done.stderr
    where = store.get_experiment_by_name("demo").experiment_id
    runs = {run.info.run_id: run for run in store.search_runs([where])}
    models = store.search_logged_models([where], order_by=BEST)
    assert {model.source_run_id for model in models} == set(runs)
    scores = [runs[model.source_run_id].data.metrics["test/ndcg_at_10"] for model in models]
    assert scores == sorted(scores, reverse=True)
    for model in models:
        run = runs[model.source_run_id]
        assert model.name == run.info.run_name.replace(".", "·")
        assert model.tags[NOTE] == run.data.tags[NOTE]
        assert model.params == run.data.params
        (output,) = run.outputs.model_outputs
        assert (output.model_id, output.step) == (model.model_id, run.data.metrics["best_epoch"])
        data = {entry.tags[0].value: entry.dataset.digest for entry in run.inputs.dataset_inputs}
        digests = {metric.key: metric.dataset_digest for metric in model.metrics}
        assert digests["test/ndcg_at_10"] == data["test"]
        assert digests["best_valid/ndcg_at_10"] == data["validation"]
        assert digests["trial_seconds"] is None
        assert {m.key: m.value for m in model.metrics}.items() <= run.data.metrics.items()
        path = model.tags["seqrec.weights"].removeprefix(f"runs:/{run.info.run_id}/")
        assert store.download_artifacts(run.info.run_id, path)


def models_of(store: MlflowClient, run_id: str) -> list:
    return store.search_logged_models([store.get_run(run_id).info.experiment_id])


def test_a_trial_has_one_model_however_often_its_end_is_said(store, run_id):
    """A trial that is resumed between its result and its end says its result again."""
    first = {"test/ndcg_at_10": 0.25}
    again = {"test/ndcg_at_10": 0.5}
    store.update_run(run_id, name="b.py:C lr=0.1")
    deliver(store, run_id, Metrics(first, 0, 1), Model(3, first, 1))
    deliver(store, run_id, Model(3, first, 1), Metrics(again, 0, 2), Model(4, again, 2))
    (model,) = models_of(store, run_id)
    assert model.name == "b·py-C lr=0·1"
    run = store.get_run(run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert run.data.metrics == again
    assert len(store.get_metric_history(run_id, "test/ndcg_at_10")) == 2
    assert max(model.metrics, key=lambda metric: metric.timestamp).value == 0.5


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("API request to endpoint /x failed with error code 404 != 200. '<html>'"),
        RestException({"error_code": "PERMISSION_DENIED", "message": "no models"}),
        NotImplementedError(),
    ],
    ids=["MLflow 2", "a refusal", "a store of a plugin"],
)
def test_a_server_without_models_keeps_the_result(store, run_id, monkeypatch, capfd, error):
    def refuse(*words, **options):
        raise error

    monkeypatch.setattr(MlflowClient, "search_logged_models", refuse)
    result = {"test/ndcg_at_10": 0.25}
    deliver(store, run_id, Metrics(result, 0, 1), Model(3, result, 1), Status("FINISHED", 2))
    run = store.get_run(run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", result)
    assert f"run {run_id}: the tracking server takes no model (" in capfd.readouterr().out


def test_a_model_waits_for_a_server_that_is_away(store, run_id, monkeypatch):
    """A proxy in front of a server that restarts may say that there is nothing."""
    tries = []
    ask = MlflowClient.get_run

    def away(self, run_id):
        tries.append(run_id)
        if 1 < len(tries) < 4:
            raise MlflowException("API request to endpoint /x failed with error code 404 != 200")
        return ask(self, run_id)

    def refuse_once(*words, **options):
        if len(tries) < 4:
            raise MlflowException("API request to endpoint /x failed with error code 404 != 200")
        return search(*words, **options)

    search = MlflowClient.search_logged_models
    monkeypatch.setattr(MlflowClient, "get_run", away)
    monkeypatch.setattr(MlflowClient, "search_logged_models", refuse_once)
    deliver(store, run_id, Model(3, {"test/ndcg_at_10": 0.25}, 1))
    assert len(models_of(store, run_id)) == 1
