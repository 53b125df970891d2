"""`--recbole-config` as a user of RecBole gives it: its published card, and what differs."""

import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import datasets
from benchmark import recbole
from benchmark.settings import Settings
from datasets import DataError
from tests.benchmark.test_train import start_training, trials
from tests.conftest import TINY
from tests.datasets.test_recbole import atomic_file

# The configuration file of RecBole's page of Amazon-Books, to the letter.
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
    "here it counts windows of which each item is a target, so that steps are few: the recipe has "
    "--batch-size 32\n"
)


@pytest.fixture
def card(here) -> str:
    """The card, and synthetic ratings of its layout, of which it keeps a part."""
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
    return ["python", "-m", f"benchmark.{verb}", *options, *TINY]


def test_the_published_card_is_a_trial_s_configuration(run_command, run_verb, store, card):
    done = run_command(*words("train", "--recbole-config", card, "--epochs", "1"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == NOT_USED + FEW_STEPS
    (run,) = trials(store, "amazon-books")
    expected = {
        "recbole_config": card,
        "dataset": "amazon-books",
        "epochs": "1",  # the command line comes before the card
        "batch_size": "1024",
        "max_length": "50",
        "negatives": "0",
        "patience": "20",  # the recipe comes after it
    }
    assert {name: run.data.params[name] for name in expected} == expected
    assert run.data.metrics["test/ndcg_at_10"] > 0

    plain = run_verb("train", "--epochs", "1", *TINY)
    assert plain.returncode == 0, plain.stderr
    other, _ = trials(store, "amazon-books")
    assert "recbole_config" not in other.data.params
    assert other.data.params["batch_size"] == "32"
    for tag in ("data_digest", "protocol", "dataset_title"):
        assert other.data.tags[tag] == run.data.tags[tag]
    assert len(list(Path("data/prepared").glob("*.npz"))) == 1  # and they are not prepared twice

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
    _, wanted = datasets.load("ours.yaml")
    _, found = datasets.load("amazon-books", None, config(**content))
    assert (found.digest, found.n_users) == (wanted.digest, wanted.n_users)
    assert found.digest != datasets.load("amazon-books", None, card)[1].digest


def test_a_trial_is_resumed_on_the_same_data(run_command, store, card):
    content = yaml.safe_load(CARD) | {"val_interval": {"rating": "[2,inf)"}}
    small = config(**content | {"epochs": 400, "stopping_step": 400})
    process = start_training("--dataset", "amazon-books", "--recbole-config", small)
    for line in process.stdout:
        if line.startswith("epoch 2"):
            process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (run,) = trials(store, "amazon-books")
    assert run.info.status == "KILLED"
    resume = ["python", "-m", "benchmark.train", "--resume", run.info.run_id]
    done = run_command(*resume, "--recbole-config", card)
    assert done.returncode == 2
    assert "recbole_config is mine.yaml in the trial to resume, and stays so" in done.stderr
    done = run_command(*resume)
    assert done.returncode == 0, done.stderr
    assert "epoch 400: loss" in done.stdout
    assert "epoch 1: loss" not in done.stdout
    assert store.get_run(run.info.run_id).info.status == "FINISHED"

    store.set_terminated(run.info.run_id, "KILLED")
    config(**yaml.safe_load(CARD))
    done = run_command(*resume)
    assert done.returncode == 1
    assert "cannot be resumed: it was started on data with digest" in done.stderr


def test_a_sweep_searches_beside_the_card(run_command, run_verb, store, card):
    """What is searched comes before the card, as what stands on the command line does."""
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


def test_mlflow_s_launcher_takes_it(run_command, project, store, card):
    parameters = {"recbole_config": card, "epochs": 1, "hidden_size": 8, "heads": 1}
    parameters = [word for k, v in parameters.items() for word in ("-P", f"{k}={v}")]
    for entry in ("main", "sweep"):
        extra = ["-P", "space=one.yaml"] if entry == "sweep" else []
        Path("one.yaml").write_text("learning_rate: [0.01]\n")
        launch = ["mlflow", "run", ".", "-e", entry, "--env-manager", "local"]
        done = run_command(*launch, *extra, *parameters)
        assert done.returncode == 0, done.stderr
    trained = [run for run in trials(store, "amazon-books") if run.data.params]
    assert [run.data.params["batch_size"] for run in trained] == ["1024", "1024"]
    assert len({run.data.tags["data_digest"] for run in trained}) == 1


def test_the_speed_of_what_it_says_is_measured(run_command, card):
    done = run_command("python", "-m", "benchmark.speed", "--recbole_config", card, "--steps=1",
                       "--hidden_size=8", "--heads=1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "batch_size=1024" in done.stdout
    done = run_command("python", "-m", "benchmark.speed", "--recbole_config", "nowhere.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: nowhere.yaml: no such file")


# --- what a file says of settings


def resolved(given=None, **content) -> Settings:
    return recbole.Config("f.yaml", content).settings(**given or {})


def test_the_keys_of_a_transformer():
    found = resolved(
        model="SASRec", dataset="ml-1m", n_layers=3, n_heads=4, hidden_size=32, embedding_size=32,
        inner_size=100, hidden_dropout_prob=0.5, attn_dropout_prob="5e-1", learning_rate="1e-3",
        stopping_step=10, MAX_ITEM_LIST_LENGTH=20, train_batch_size=64, seed=2020, epochs=300,
        train_neg_sample_args="None", loss_type="CE", topk=10, metrics="NDCG",
    )  # fmt: skip
    expected = Settings.of(
        model="SASRec", dataset="ml-1m", layers=3, heads=4, hidden_size=32, inner_size=100,
        dropout=0.5, attention_dropout=0.5, learning_rate=0.001, patience=10, max_length=20,
        batch_size=64, seed=2020, epochs=300, negatives=0,
    )  # fmt: skip
    assert found == expected
    assert resolved(mask_ratio=0.3).mask_ratio == 0.3


def test_the_keys_of_a_gru_are_its_own():
    content = {"embedding_size": 64, "hidden_size": 100, "num_layers": 2, "dropout_prob": 0.3}
    found = resolved({"model": "GRU4Rec"}, **content)
    sizes = {"hidden_size": 64, "inner_size": 100, "layers": 2, "dropout": 0.3}
    assert found == Settings.of(model="GRU4Rec", **sizes)


def test_what_is_given_comes_first_then_the_file_then_the_recipe():
    found = resolved({"recipe": "paper", "dropout": 0.4}, hidden_dropout_prob=0.3, epochs=7)
    assert (found.dropout, found.epochs, found.patience) == (0.4, 7, 10)
    assert resolved({"model": "Markov"}, model="FPMC").model == "Markov"


def test_settings_that_the_model_does_not_have_are_named(run_verb, store):
    path = config(epochs=3, hidden_act="gelu", load_col={"inter": None, "item": ["item_id"]})
    path_ = ["--recbole-config", path]
    done = run_verb("train", "--dataset", "demo", "--model", "Popularity", *path_)
    assert done.returncode == 0, done.stderr
    note = "not supported here, and not used: epochs, hidden_act, load_col.item"
    assert done.stderr == f"mine.yaml: {note}\n"
    (run,) = trials(store)
    assert run.data.params["recbole_config"] == "mine.yaml"
    assert "epochs" not in run.data.params


def test_what_is_done_in_another_way_is_said(run_verb, store):
    args = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "group_by": None}
    path = config(eval_args=args, topk=[5, 10, 20])
    options = ["--dataset", "demo", "--model", "Popularity", "--recbole-config", path]
    done = run_verb("train", *options)
    assert done.returncode in (0, 1)  # with this data
    asked, logged = done.stderr.splitlines()[:2]
    assert asked == (
        "mine.yaml: RecBole asks for every interaction of the last two periods; here each user's "
        "first in each is asked for (split: temporal)"
    )
    assert logged == (
        "mine.yaml: metrics are logged at 10; for topk 5, 20: python -m benchmark.report --k 5,20"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": "FPMC"}, "model cannot be 'FPMC': 'FPMC' is not one of 'BERT4Rec'"),
        ({"dataset": "nowhere"}, "nowhere: place nowhere/nowhere.inter or nowhere.inter in data"),
        ({"dataset": 3}, "dataset cannot be 3: 3 is no word"),
        ({"dataset": "../x"}, "no data set can be called '../x'"),
        ({"epochs": 2.5}, "epochs cannot be 2.5: 2.5 is no integer"),
        ({"epochs": "many"}, "epochs cannot be 'many': could not convert string to float"),
        ({"epochs": 0}, "epochs cannot be 0: 0 is not in the range x>=1"),
        ({"epochs": None}, "epochs cannot be None: it should be a number or a word"),
        ({"seed": True}, "seed cannot be True: it should be a number or a word"),
        ({"learning_rate": [0.1]}, "learning_rate cannot be [0.1]: it should be a number"),
        ({"learning_rate": "1" * 400}, "...: inf is not finite"),
        ({"seed": 10**50}, "0000: it is too large"),
        ({"train_batch_size": float("inf")}, "train_batch_size cannot be inf: inf is not finite"),
        ({"hidden_size": 8, "embedding_size": 16}, "embedding_size cannot be 16: another key"),
        ({"n_heads": 3}, "hidden_size 64 cannot be divided among 3 heads"),
        ({"metrics": ["NDCG", "GAUC"]}, "metrics cannot be ['NDCG', 'GAUC']: there are recall"),
        ({"metrics": None}, "metrics cannot be None: there are recall, mrr, ndcg, hit, precision"),
        ({"topk": [5, 20]}, "topk cannot be [5, 20]: metrics are logged at 10: add it"),
        ({"topk": ["x", 10]}, "topk cannot be ['x', 10]: metrics are logged at 10"),
        ({"valid_metric": "MRR@10"}, "valid_metric cannot be 'MRR@10': the best epoch is that of"),
        ({"loss_type": "BPR"}, "loss_type cannot be 'BPR': the loss is a softmax over items"),
        ({"neg_sampling": {"uniform": 1}}, "neg_sampling cannot be {'uniform': 1}: the loss is"),
        ({"train_neg_sample_args": {"distribution": "uniform"}}, "train_neg_sample_args cannot be"),
        ({"eval_args": {"mode": "uni100"}}, "eval_args.mode cannot be 'uni100': every item"),
        ({"USER_ID_FIELD": "session"}, "USER_ID_FIELD cannot be 'session': no other name"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_one_line_before_anything_starts(
    run_verb, store, content, message
):
    content.setdefault("dataset", "ml-1m")
    done = run_verb("train", "--recbole-config", config(**content))
    assert done.returncode in (1, 2)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert "Traceback" not in done.stderr
    assert not trials(store, "ml-1m")


# --- whatever the bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["TO", "full", "[3,inf)", "(1,2];[2,3]", 10**50, "1" * 99, "NDCG@10"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["inter", "rating", "LS", "RS", "mode"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = [*datasets.recbole.KEYS, *recbole.SETTINGS, *recbole.PROTOCOL]


def read_sanely(path: Path) -> None:
    """The settings and the data set, or the one error that is documented, in one line."""
    message = ""
    try:
        config = recbole.read({"recbole_config": str(path)})
        found = config.resolve({})
        datasets.recbole.described(found.dataset, path)
    except (DataError, recbole.click.UsageError) as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert message.isprintable()
    assert len(message) < 1000


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), VALUES, max_size=4))
@example({"learning_rate": 10**400})
@example({"train_neg_sample_args": {"distribution": []}})
@example({"load_col": 3})
@example({"dataset": "a\nb.yaml"})
def test_any_values_are_a_trial_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "recbole.yaml"
    path.write_text(yaml.safe_dump(content))
    read_sanely(path)


@st.composite
def damaged(draw) -> bytes:
    whole = CARD.encode()
    start = draw(st.integers(0, len(whole)))
    end = start + draw(st.integers(0, 20))
    return whole[:start] + draw(st.binary(max_size=9)) + whole[end:]


@settings(max_examples=200)
@given(st.binary() | damaged())
def test_any_bytes_are_a_trial_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "recbole.yaml"
    path.write_bytes(content)
    read_sanely(path)
