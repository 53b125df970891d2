"""Commands with `--recbole-config`, on the file that RecBole publishes for Amazon-Books."""

import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmark.recbole import config as recbole
from benchmark.tracking import schema
from datasets.prepare import load
from tests.benchmark.test_train import start_training, trials
from tests.conftest import NETWORK
from tests.datasets.test_recbole import atomic_file

# An exact copy of the configuration file on RecBole's page of Amazon-Books.
CARD = r"""
# dataset config
field_separator: "\t"
seq_separator: " "
USER_ID_FIELD: user_id
ITEM_ID_FIELD: item_id
RATING_FIELD: rating
TIME_FIELD: timestamp
NEG_PREFIX: neg_
ITEM_LIST_LENGTH_FIELD: item_length
LIST_SUFFIX: _list
MAX_ITEM_LIST_LENGTH: 50
POSITION_FIELD: position_id
load_col:
    inter: [user_id, item_id, rating, timestamp]

# data filtering for interactions
val_interval:
    rating: "[3,inf)"
    timestamp: "[1490000000,inf)"
unused_col:
    inter: [rating]

user_inter_num_interval: "[10,inf)"
item_inter_num_interval: "[10,inf)"

# training and evaluation
epochs: 500
train_batch_size: 1024
eval_batch_size: 4096
valid_metric: NDCG@10
eval_args:
    split: {'LS': 'valid_and_test'}
    mode: full
    order: TO

# disable negative sampling
train_neg_sample_args: ~
"""
NOT_USED = (
    "amazon-books_seq.yaml: not supported here, and not used: seq_separator, NEG_PREFIX, "
    "ITEM_LIST_LENGTH_FIELD, LIST_SUFFIX, POSITION_FIELD, unused_col, eval_batch_size\n"
)
FEW_STEPS = (
    "amazon-books_seq.yaml: RecBole's train_batch_size 1024 counts prefixes with one target each; "
    "here it counts windows in which every item is a target, so an epoch has few steps: 32 to "
    "256 is usual (--batch-size)\n"
)


@pytest.fixture
def card(here) -> str:
    """The name of the published file, beside synthetic ratings. Its filters keep some of them."""
    rng = np.random.default_rng(0)
    rows = [
        (f"A{user}", rng.integers(12), rng.integers(1, 6), 1_489_999_990 + step)
        for user in range(40)
        for step in range(35)
    ]
    (here / "data").mkdir()
    (here / "data/Amazon_Books.inter").write_text(atomic_file(rows))
    (here / "amazon-books_seq.yaml").write_text(CARD)
    return "amazon-books_seq.yaml"


def config(**content) -> str:
    Path("mine.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return "mine.yaml"


def words(verb: str, *options: str) -> list[str]:
    return ["python", "-m", f"benchmark.{verb}", *options, *NETWORK]


@pytest.mark.process
def test_the_published_card_is_a_trial_s_configuration(run_command, run_verb, store, card):
    done = run_command(*words("train", "--recbole-config", card, "--epochs", "1"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == NOT_USED + FEW_STEPS
    (run,) = trials(store, "amazon-books")
    expected = {
        "recbole_config": card,
        "dataset": "amazon-books",
        "epochs": "1",  # the command line overrides the file
        "batch_size": "1024",
        "max_length": "50",
        "negatives": "0",
        "schedule": "plateau",  # the default: the file does not set it
    }
    assert {name: run.data.params[name] for name in expected} == expected
    assert run.data.metrics["test/ndcg_at_10"] > 0

    plain = run_verb("train", "--epochs", "1", *NETWORK)
    assert plain.returncode == 0, plain.stderr
    other, _ = trials(store, "amazon-books")
    assert "recbole_config" not in other.data.params
    assert other.data.params["batch_size"] != "1024"
    for tag in ("data_digest", "protocol", "dataset_title"):
        assert other.data.tags[tag] == run.data.tags[tag]
    assert len(list(Path("data/prepared").glob("*.npz"))) == 1  # the data are prepared once

    again = run.data.tags["command"].removeprefix("mlflow run . ").replace("-P ", "--").split()
    again = run_verb("train", *(w for pair in again for w in pair.split("=", 1)))
    assert again.returncode == 0, again.stderr
    repeated = trials(store, "amazon-books")[0]
    assert repeated.data.params == run.data.params
    assert repeated.data.metrics["test/ndcg_at_10"] == run.data.metrics["test/ndcg_at_10"]


def test_the_data_are_those_of_the_same_filters_in_a_file_of_ours(card):
    content = yaml.safe_load(CARD)
    content["val_interval"] = {"rating": "(2,4.5)", "timestamp": "[1490000000,1490000015)"}
    content |= dict.fromkeys(("user_inter_num_interval", "item_inter_num_interval"), "(4,inf)")
    filters = {
        "rating": {"min": 3, "max": 4},
        "timestamp": {"min": 1490000000, "max": 1490000014},
        "k_core": 5,
    }
    sources = [{"file": "Amazon_Books.inter", "reader": "recbole"}]
    ours = {"title": "Ours", "sources": sources, "filters": filters}
    Path("ours.yaml").write_text(yaml.safe_dump(ours))
    _, wanted = load("ours.yaml")
    _, found = load("amazon-books", None, config(**content))
    assert (found.digest, found.n_users) == (wanted.digest, wanted.n_users)
    assert found.digest != load("amazon-books", None, card)[1].digest


def test_a_model_s_name_is_taken_in_any_case(card):
    path = config(hidden_size=96, train_neg_sample_args=None)
    for name, sizes in {"GRU4Rec": (64, 96), "gSASRec": (96, 256)}.items():
        read = recbole.read({"recbole_config": path, "dataset": "amazon-books"})
        found, other = (read.settings(model=model) for model in (name, name.lower()))
        assert (found.hidden_size, found.inner_size) == sizes
        assert found == other


@pytest.mark.process
def test_a_trial_is_resumed_on_the_same_data(run_verb, store, card):
    content = yaml.safe_load(CARD) | {"val_interval": {"rating": "[2,inf)"}}
    small = config(**content | {"epochs": 60, "stopping_step": 60})
    process = start_training("--dataset", "amazon-books", "--recbole-config", small)
    for line in process.stdout:
        if line.startswith("epoch 2"):
            process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (run,) = trials(store, "amazon-books")
    assert run.info.status == "KILLED"
    resume = ["train", "--resume", run.info.run_id]
    done = run_verb(*resume, "--recbole-config", card)
    assert done.returncode == 2
    assert "recbole_config is mine.yaml in the trial to resume and cannot change" in done.stderr
    done = run_verb(*resume)
    assert done.returncode == 0, done.stderr
    assert "epoch 60: loss" in done.stdout
    assert "epoch 1: loss" not in done.stdout
    assert store.get_run(run.info.run_id).info.status == "FINISHED"

    store.set_terminated(run.info.run_id, "KILLED")
    config(**yaml.safe_load(CARD))
    done = run_verb(*resume)
    assert done.returncode == 1
    assert "cannot be resumed: it was started on data with digest" in done.stderr


@pytest.mark.process
def test_a_sweep_searches_beside_the_card(run_command, run_verb, store, card):
    """Searched values override the file, as options on the command line do."""
    Path("two.yaml").write_text("model: [SASRec, GRU4Rec]\nbatch_size: [16]\n")
    sizes = {"hidden_size": 8, "embedding_size": 8, "inner_size": 12, "dataset": "amazon-books"}
    path = config(**yaml.safe_load(CARD) | sizes)
    sweep = ["python", "-m", "benchmark.sweep", "two.yaml", "--recbole-config", path]
    for again in ("", ", again"):
        done = run_command(*sweep, "--epochs", "1")
        assert done.returncode == 0, done.stderr
        assert f"in experiment amazon-books{again}\n" in done.stdout
    runs = trials(store, "amazon-books")
    children = [run.data.params for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == 2
    for params in children:
        assert (params["recbole_config"], params["batch_size"]) == ("mine.yaml", "16")
    of = {params["model"]: params for params in children}
    assert (of["SASRec"]["hidden_size"], of["SASRec"]["inner_size"]) == ("8", "12")
    assert (of["GRU4Rec"]["hidden_size"], of["GRU4Rec"]["inner_size"]) == ("8", "8")
    done = run_verb("report", "--experiment", "amazon-books")
    assert done.returncode == 0, done.stderr


@pytest.mark.process
def test_a_sweep_of_mlflow_s_launcher_takes_it(run_command, project, store, card):
    Path("one.yaml").write_text("learning_rate: [0.01]\n")
    parameters = {"space": "one.yaml", "recbole_config": card, "epochs": 1, "hidden_size": 8}
    words = [word for k, v in parameters.items() for word in ("-P", f"{k}={v}")]
    done = run_command("mlflow", "run", ".", "-e", "sweep", "--env-manager", "local", *words)
    assert done.returncode == 0, done.stderr
    assert NOT_USED in done.stderr
    (run,) = (run for run in trials(store, "amazon-books") if schema.NUMBER in run.data.tags)
    assert run.data.params["batch_size"] == "1024"


@pytest.mark.process
def test_the_speed_of_what_it_says_is_measured(run_command, card):
    done = run_command("python", "-m", "benchmark.speed", "--recbole_config", card, "--steps=1",
                       "--hidden_size=8", "--heads=1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "batch_size=1024" in done.stdout
    done = run_command("python", "-m", "benchmark.speed", "--recbole_config", "nowhere.yaml")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nowhere.yaml: no such file (relative paths begin at ")
