"""`--recbole-config` gives the settings of a configuration file, or one line of error."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.recbole import config as recbole
from benchmark.recbole import names
from benchmark.settings.settings import Settings
from datasets import DataError
from datasets.specs import recbole as recbole_data
from tests.benchmark.recbole.test_config import CARD, config
from tests.benchmark.test_train import trials


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
    assert done.returncode in (0, 1)  # only the notes are tested here
    asked, logged = done.stderr.splitlines()[:2]
    assert asked == (
        "mine.yaml: RecBole evaluates every interaction of the last two periods; here each user's "
        "first interaction in each period is evaluated (split: temporal)"
    )
    assert logged == (
        "mine.yaml: metrics are logged at 10; for topk 5, 20: python -m benchmark.report --k 5,20"
    )


def test_where_the_validation_of_recboles_time_split_differs_is_said():
    args = {"split": {"TS": [0.8, 0.1, 0.1]}, "order": "TO"}
    found = recbole.read({"recbole_config": config(eval_args=args)})
    (note,) = found.notes(found.settings(), {})
    assert note == (
        "mine.yaml: RecBole's TS takes validation from the end of each user's interactions before "
        "the test period; here it is the period before test, the same for all users (split: "
        "temporal)"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": "FPMC"}, "model cannot be 'FPMC': it should be one of BERT4Rec, SASRec"),
        ({"dataset": "nowhere"}, "nowhere: no file found, and no URL to download from: pl"),
        ({"dataset": 3}, "dataset cannot be 3: it should be text"),
        ({"dataset": "../x"}, "no data set can be called '../x'"),
        ({"epochs": 2.5}, "epochs cannot be 2.5: it should be an integer, at least 1"),
        ({"epochs": "many"}, "epochs cannot be 'many': it should be an integer, at least 1"),
        ({"epochs": 0}, "epochs cannot be 0: it should be an integer, at least 1"),
        ({"epochs": None}, "epochs cannot be None: it should be an integer"),
        ({"seed": True}, "seed cannot be True: it should be an integer, at least 0"),
        ({"learning_rate": [0.1]}, "learning_rate cannot be [0.1]: it should be a finite"),
        ({"learning_rate": "1" * 400}, "...: it should be a finite number, above 0"),
        ({"seed": 10**50}, "0000: it should be an integer, at least 0 and at most 9"),
        ({"train_batch_size": float("inf")}, "train_batch_size cannot be inf: it should be an int"),
        ({"hidden_size": 8, "embedding_size": 16}, "embedding_size cannot be 16: another key"),
        ({"n_heads": 3}, "hidden_size 64 cannot be divided among 3 heads"),
        ({"metrics": ["NDCG", "GAUC"]}, "metrics cannot be ['NDCG', 'GAUC']: the metrics are"),
        ({"metrics": None}, "metrics cannot be None: the metrics are recall, mrr, ndcg"),
        ({"topk": [5, 20]}, "topk cannot be [5, 20]: metrics are logged at 10: add 10"),
        ({"topk": ["x", 10]}, "topk cannot be ['x', 10]: metrics are logged at 10"),
        ({"valid_metric": "MRR@10"}, "valid_metric cannot be 'MRR@10': the best epoch is chosen"),
        ({"loss_type": "BPR"}, "loss_type cannot be 'BPR': the loss is a softmax over items"),
        ({"neg_sampling": {"uniform": 1}}, "neg_sampling cannot be {'uniform': 1}: the loss is"),
        ({"train_neg_sample_args": {"distribution": "uniform"}}, "train_neg_sample_args cannot be"),
        ({"eval_args": {"mode": "uni100"}}, "eval_args.mode cannot be 'uni100': all items"),
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


# --- any bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["TO", "full", "[3,inf)", "(1,2];[2,3]", 10**50, "1" * 99, "NDCG@10"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["inter", "rating", "LS", "RS", "mode"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = [*recbole_data.DATA_KEYS, *names.in_config("GRU4Rec"), *recbole.PROTOCOL]


def read_sanely(path: Path) -> None:
    """Read the settings and the data set. An error is a documented one, in one line."""
    message = ""
    try:
        config = recbole.read({"recbole_config": str(path)})
        found = config.settings()
        notes = list(config.notes(found, {}))
        assert not any(len(note.splitlines()) > 1 for note in notes)
        recbole_data.read_spec(found.dataset, path)
    except (DataError, ValueError) as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert message.isprintable()
    assert len(message) < 1000


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), VALUES, max_size=4))
@example({"learning_rate": 10**400})
@example({"train_neg_sample_args": {"distribution": []}})
@example({"load_col": 3})
@example({"benchmark_filename": ["train", "valid", "test"], "eval_args": {"mode": "full"}})
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
