"""`python -m benchmark.train` as a user runs it, and the run that it logs."""

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import models
from benchmark.measures.metrics import FOLLOWING, NAMES, means
from benchmark.settings.settings import Settings
from benchmark.tracking.reading.record import record
from benchmark.training import checkpoint
from benchmark.training.ranks import rank_table
from datasets.sequences import from_interactions
from datasets.splitting.splits import leave_one_out
from models.networks.bert4rec import BERT4Rec
from tests.conftest import ROOT, SIZES, TINY
from tests.forked import Process


def trials(store, experiment="demo"):
    found = store.get_experiment_by_name(experiment)
    return store.search_runs([found.experiment_id]) if found else []


def values(store, run, key):
    history = store.get_metric_history(run.info.run_id, key)
    return [(metric.step, metric.value) for metric in history]


@pytest.mark.process
def test_a_trial_leaves_all_that_the_schema_promises(run_command, store, here):
    words = ["--dataset", "demo", *SIZES, "--epochs", "3", "--learning-rate", "0.01", "--seed", "7"]
    done = run_command("python", "-m", "benchmark.train", *words)
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC data" in done.stdout
    assert "epoch 3: loss" in done.stdout
    assert "\r" not in done.stdout + done.stderr  # no progress bars outside a terminal

    (run,) = trials(store)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.01"
    assert run.data.params["hidden_size"] == "8"
    assert run.data.params["max_length"] == "50"  # defaults are logged, too
    decided = Settings.of().undecided
    assert "by the data: schedule plateau, batch_size " in done.stdout
    assert all(f"{name} {run.data.params[name]}" in done.stdout for name in decided)
    for key in ("train/loss", "sequences_per_second", *(f"valid/{n}" for n in ("mrr_at_10",))):
        assert [step for step, _ in values(store, run, key)] == [1, 2, 3]
    tags = run.data.tags
    assert tags["synthetic"] == "true"
    repeats = "mlflow run . -P dataset=demo -P learning_rate=0.01 -P schedule=plateau -P seed=7 "
    assert tags["command"].startswith(repeats)
    assert tags["command_line"].endswith("--learning-rate 0.01 --seed 7")
    for name in ("protocol", "git_commit", "host", "device"):
        assert tags[name]
    entries = [(entry.tags[0].value, entry.dataset) for entry in run.inputs.dataset_inputs]
    assert sorted(part for part, _ in entries) == ["test", "training", "validation"]
    assert {dataset.name for _, dataset in entries} == {"demo"}
    assert dict(entries)["training"].digest == tags["data_digest"]

    folder = store.download_artifacts(run.info.run_id, "")
    config = yaml.safe_load(Path(folder, "config.yaml").read_text())
    logged = config | models.versions(config["model"], config)
    assert {name: str(value) for name, value in logged.items()} == run.data.params
    weights, of = checkpoint.load(f"{folder}/checkpoints/best/model.safetensors")
    assert of["epoch"] == run.data.metrics["best_epoch"]
    assert weights["network.item_embedding.weight"].shape == (202, 8)
    for part, key in (("valid", "best_valid"), ("test", "test")):
        ranks = pd.read_parquet(f"{folder}/ranks/{part}.parquet")
        groups = ["history", "popularity", "repeated", "tied"]
        assert list(ranks) == ["user", "item", "rank", "query", *groups]
        assert len(ranks) == 3000
        stored = {"best_valid": record(run).valid, "test": record(run).test}[key]
        found = means(ranks["rank"].to_numpy(), ranks["query"].to_numpy())
        assert stored == pytest.approx(found, abs=1e-12)
    assert [weight for _, weight in values(store, run, "tried/weight")] == [0.5, 1, 2, 4, 8]
    assert [step for step, _ in values(store, run, "tried/ndcg_at_10")] == [4, 5, 6, 7, 8]
    scores = [*values(store, run, "valid/ndcg_at_10"), *values(store, run, "tried/ndcg_at_10")]
    best = max(value for _, value in scores)
    assert run.data.metrics["best_valid/ndcg_at_10"] == pytest.approx(best, abs=1e-12)


def test_a_rank_says_what_its_user_had_and_how_popular_the_target_is():
    sequences = from_interactions(
        pd.DataFrame({"user": list("aaaabbbb"), "item": list("xyxxyzzw")})
    )
    split = leave_one_out(sequences)  # training items: x y of user a, y z of user b
    table = rank_table(sequences, split, split.test, np.array([4, 9]))
    assert table["query"].tolist() == [0, 1]
    assert table.drop(columns="query").to_dict("records") == [
        {"user": "a", "item": "x", "rank": 4, "history": 3, "popularity": 1, "repeated": True},
        {"user": "b", "item": "w", "rank": 9, "history": 3, "popularity": 0, "repeated": False},
    ]
    table = rank_table(sequences, split, split.valid, np.array([1, 2]))
    assert table["popularity"].tolist() == [1, 1]
    assert table["repeated"].tolist() == [True, True]
    timed = from_interactions(
        pd.DataFrame({"user": list("aaab"), "item": list("xyzx"), "timestamp": [1, 2, 2, 1]})
    )
    split = leave_one_out(timed)
    assert rank_table(timed, split, split.test, np.array([1])).loc[0, "tied"]


@pytest.mark.process
@pytest.mark.parametrize("model", ["GRU4Rec", "gSASRec", "Markov"])
def test_every_model_is_trained_and_tracked_alike(run_verb, run_command, store, model):
    learns = models.learns(model)
    few = ["--epochs", "1", "--hidden-size", "8"] if learns else []
    done = run_verb("train", "--dataset", "demo", "--model", model, *few)
    assert done.returncode == 0, done.stderr
    (run,) = trials(store)
    assert run.info.status == "FINISHED"
    version = {"model_version"} if models.MODELS[model].version > 1 else set()
    version |= {"linear_version"} if learns else set()
    assert set(run.data.params) == set(Settings.of(model=model).as_dict()) | version
    assert ("learning_rate" in run.data.params) == learns
    assert (run.data.metrics["parameters"] > 0) == learns
    assert run.data.metrics["peak_memory_mb"] > 50
    assert run.data.metrics["test/ndcg_at_10"] > 0.005
    again = run_command(
        *run.data.tags["command"]
        .replace("-P ", "--")
        .replace("mlflow run .", "python -m benchmark.train")
        .split()
    )
    assert again.returncode == 0, again.stderr
    first, second = trials(store)
    assert first.data.metrics["test/ndcg_at_10"] == second.data.metrics["test/ndcg_at_10"]


def test_baselines_are_all_counted_models_that_fit_the_data(run_verb, store, own_data, monkeypatch):
    """One trial each. `mlflow run` has logged model=baselines in its run: no trial takes it."""
    monkeypatch.setattr("models.baselines.ease.LARGEST_CATALOGUE", 10)
    launched = store.create_run(store.create_experiment("mine"), run_name="my name")
    store.log_param(launched.info.run_id, "model", "baselines")
    words = ["--dataset", own_data, "--model", "baselines", "--history", "masked"]
    done = run_verb("train", *words, MLFLOW_RUN_ID=launched.info.run_id)
    assert done.returncode == 0, done.stderr
    reason = "EASE holds matrices of all items by all items"
    assert done.stderr.splitlines()[-1].startswith(f"EASE is left out: {reason}")
    assert done.stdout.count("protocol: ") == 1
    found = {run.info.run_name: run for run in trials(store, "mine")}
    expected = [name for name in models.counted_models() if name != "EASE"]
    assert set(found) == {"my name", *(f"{name} seed=1" for name in expected)}
    for name in expected:
        run = found[f"{name} seed=1"]
        assert (run.info.status, run.data.params["model"]) == ("FINISHED", name)
        assert run.data.tags["command"].endswith(f"-P model={name} -P history=masked")
    note = found["my name"].data.tags["mlflow.note.content"].splitlines()
    assert len(note) == len(expected)
    assert all("This run only started trial " in line for line in note)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "3"], "none of these models has a setting epochs: PersonalFrequency, Markov"),
        (["--resume", "abc"], "--resume resumes one trial: leave out --model baselines"),
    ],
)
def test_what_baselines_do_not_have_is_refused(run_verb, store, options, message):
    done = run_verb("train", "--dataset", "demo", "--model", "baselines", *options)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.process
def test_a_setting_that_a_model_does_not_have_is_refused(run_command, here):
    words = ["python", "-m", "benchmark.train", "--dataset", "demo", "--model", "GRU4Rec"]
    for option, message in (
        ("--mask-ratio=0.3", "GRU4Rec has no setting mask_ratio"),
        ("--recipe=paper", "GRU4Rec has no recipe 'paper'; it has: fast"),
    ):
        done = run_command(*words, option)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"Error: {message}"


def test_a_number_of_a_process_means_nothing_without_torchrun(run_verb, store):
    done = run_verb("train", "--dataset", "demo", "--model", "Popularity", RANK="3", LOCAL_RANK="3")
    assert done.returncode == 0, done.stderr
    result, report, opens = done.stdout.splitlines()[-3:]
    assert re.match(r"best epoch 1 of 1; \d+\.\d s of training and evaluation; test  rec", result)
    assert report == "to report: python -m benchmark.report --experiment demo"
    (run,) = trials(store)
    where = f"mlflow ui --backend-store-uri {store.tracking_uri}"
    assert opens == f"to open trial {run.info.run_id}: {where}"


@pytest.mark.process
def test_the_same_seed_gives_the_same_numbers_in_another_process(train, store):
    for _ in range(2):
        assert train("--epochs", "2").returncode == 0
    first, second = trials(store)
    for key in ("train/loss", "valid/ndcg_at_10", "test/ndcg_at_10"):
        assert values(store, first, key) == values(store, second, key)


def test_underscores_are_dashes_as_mlflow_passes_them(train_here, store):
    assert train_here("--epochs", "1", "--mask_ratio", "0.4", "--max_length", "10").returncode == 0
    (run,) = trials(store)
    assert (run.data.params["mask_ratio"], run.data.params["max_length"]) == ("0.4", "10")


def start_training(*options):
    words = ["benchmark.train", "--dataset", "demo", *TINY, *options]
    return Process(words, {"PATH": "/usr/bin:/bin"})


@pytest.mark.process
def test_a_resumed_trial_keeps_its_settings_its_model_and_its_data(train_here, store, monkeypatch):
    process = start_training("--epochs", "50")
    for line in process.stdout:
        if line.startswith("epoch 1"):
            process.kill()
    process.communicate(timeout=60)
    (run,) = trials(store)
    done = train_here("--resume", run.info.run_id, "--seed", "9")
    assert done.returncode == 2
    assert "seed is 1 in the trial to resume and cannot change" in done.stderr
    with monkeypatch.context() as patch:
        patch.setattr(BERT4Rec, "version", 2)
        done = train_here("--resume", run.info.run_id)
    assert done.returncode == 1
    assert "cannot be resumed: model_version is 1 there, and 2 today; delete the run" in done.stderr
    store.set_tag(run.info.run_id, "protocol", "temporal (training before then); and so on")
    done = train_here("--resume", run.info.run_id)
    assert done.returncode == 1
    assert (
        "it was started with the protocol 'temporal (training before then); and so on', which is "
        "now 'leave-one-out; every item a candidate; " in done.stderr
    )
    store.set_tag(run.info.run_id, "data_digest", "0123")
    done = train_here("--resume", run.info.run_id)
    assert done.returncode == 1
    assert "it was started on data with digest 0123, these have" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--dataset", "ml-2m"], 1, "Error: no data set is called 'ml-2m': choose one of"),
        (["--data-dir", "nowhere", "--dataset", "ml-1m"], 1, "nowhere: the data folder does not"),
        (["--device", "abacus"], 1, "Error: device 'abacus' cannot be used here"),
        (["--learning-rate", "0"], 2, "0.0 is not in the range 0<x<=1000"),
        (["--hidden-size", "9", "--heads", "2"], 2, "hidden_size 9 cannot be divided among 2"),
        (["--learning-rat", "0.1"], 2, "No such option '--learning-rat'"),
        (["--resume", "0123"], 1, "Error: run 0123 does not exist on the server (any more)"),
    ],
)
def test_a_mistake_is_one_clear_line(train_here, store, options, code, message):
    done = train_here(*options)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not trials(store)


@pytest.mark.process
def test_a_server_that_does_not_answer_stops_it_before_training(train):
    started = time.monotonic()
    done = train(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "the tracking server http://127.0.0.1:9 does not answer" in done.stderr.splitlines()[-1]
    assert "epoch 1" not in done.stdout
    print(f"gave up after {time.monotonic() - started:.1f} s")


@pytest.mark.process
def test_a_trial_on_a_real_server_is_the_same(train, server):
    from mlflow import MlflowClient

    done = train("--epochs", "1", MLFLOW_TRACKING_URI=server)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server)
    (run,) = trials(client)
    assert run.info.status == "FINISHED"
    logged = {f"test/{name.replace('@', '_at_')}" for name in NAMES if name not in FOLLOWING}
    assert logged <= set(run.data.metrics)
    kept = [entry.path for entry in client.list_artifacts(run.info.run_id)]
    assert kept == ["checkpoints", "config.yaml", "dataset.md", "lists", "ranks"]


@pytest.mark.process
def test_a_deleted_experiment_is_said_so(train, store):
    store.delete_experiment(store.create_experiment("demo"))
    done = train("--epochs", "1")
    assert done.returncode == 1
    assert "experiment 'demo' is deleted; to restore it: mlflow experiments restore" in done.stderr


def test_nothing_to_learn_is_refused_before_training(run_verb, store, here):
    """Of three interactions, one is for training: nothing follows it. It can be counted."""
    content = yaml.safe_load((ROOT / "datasets/demo.yaml").read_text())
    content["synthetic"] |= {"users": 60, "items": 20, "shortest": 3, "longest": 3}
    (here / "three.yaml").write_text(yaml.safe_dump(content))
    (here / "rates.test").write_text("learning_rate choice [0.001, 0.002]\n")
    for words in (["train"], ["train", "--model", "SASRec"], ["sweep", "rates.test"]):
        done = run_verb(*words, "--dataset", "three.yaml")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: nothing to learn: no user has two interactions")
        assert done.stderr.count("\n") == 1
        assert not trials(store, "three")
    for model in ("Popularity", "Markov", "ItemKNN", "RepeatLast"):
        done = run_verb("train", "--dataset", "three.yaml", "--model", model)
        assert done.returncode == 0, done.stderr


def test_a_model_is_found_in_any_case_and_its_version_is_logged(run_verb, store):
    """Trials of two versions of a model differ in a parameter, so no report pools them."""
    done = run_verb("train", "--dataset", "demo", "--model", "itemknn")
    assert done.returncode == 0, done.stderr
    (run,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    assert (run.data.params["model"], run.data.params["model_version"]) == ("ItemKNN", "3")
    assert models.versions("SASRec", {"embeddings": "slist", "blend": "slist"}) == {
        "linear_version": f"SLIST {models.MODELS['SLIST'].version}"
    }
    assert models.versions("SASRec", {"embeddings": "slim", "blend": "none"}) == {
        "linear_version": "SLIM 2"
    }
    assert models.versions("SASRec", {"embeddings": "random", "blend": "none"}) == {}
    # `mlflow run -P model=itemknn` has logged the name as the user typed it.
    typed = store.create_run(run.info.experiment_id)
    store.log_param(typed.info.run_id, "model", "itemknn")
    assert record(store.get_run(typed.info.run_id)).params["model"] == "ItemKNN"
