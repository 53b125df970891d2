"""The functions for notebooks: the same results as the commands, and errors of one line."""

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmark import api as seqrec
from benchmark.api import DataError, UserError
from datasets.prepare import load

TINY = {"hidden_size": 8, "inner_size": 8, "heads": 1, "layers": 1, "blend": "none"}
USERS = 60
ROWS = 600


def frame() -> pd.DataFrame:
    """The interactions of the fixture own_data."""
    n = np.arange(ROWS)
    return pd.DataFrame(
        {
            "user": [f"u{i % USERS}" for i in n],
            "item": [f"i{(i * i + i) % 23}" for i in n],
            "timestamp": n,
        }
    )


@pytest.fixture
def tracked(store, monkeypatch, here) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{here}/mlflow.db")
    mlflow.set_tracking_uri(None)


@pytest.fixture
def shop(tracked) -> seqrec.Data:
    return seqrec.from_frame(frame(), "shop")


class Shared:
    """A frame that only shares itself with Arrow, with polars' types for text and categories."""

    def __init__(self, table: pa.Table):
        users = table["user"].combine_chunks().dictionary_encode()
        users = pa.DictionaryArray.from_arrays(
            users.indices.cast(pa.uint32()), users.dictionary.cast(pa.string_view())
        )
        items = table["item"].cast(pa.string_view())
        self.table = pa.table({"user": users, "item": items, "timestamp": table["timestamp"]})

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "of",
    [
        lambda f: f,
        lambda f: f.astype({"user": "category"}).set_index(np.arange(ROWS)[::-1]),
        lambda f: f.assign(timestamp=pd.to_datetime(f["timestamp"], unit="s"), more=[[]] * ROWS),
        lambda f: pa.Table.from_pandas(f),
        lambda f: Shared(pa.Table.from_pandas(f)),
    ],
    ids=["pandas", "categories", "dates", "arrow", "shared"],
)
def test_a_frame_has_the_digest_of_the_same_file(own_data, of):
    data = seqrec.from_frame(of(frame()), "shop", split="leave-one-out")
    assert data.sequences.digest == load(own_data)[1].digest
    assert data.spec.name == "shop"
    again = seqrec.load(data.name)
    assert again.sequences.digest == data.sequences.digest


def test_a_frame_is_split_by_time_as_a_file_is(here):
    data = seqrec.from_frame(frame(), "shop", split={"temporal": {"valid": 0.6, "target": "last"}})
    assert data.split.name.endswith("target: last")
    with pytest.raises(seqrec.DataError, match="target should be one of first, last, random, su"):
        seqrec.from_frame(frame(), "shop", split={"temporal": {"target": "next"}})


def test_a_frame_is_filtered_by_its_other_columns(here):
    mixed = frame().assign(kind=["sale", "view"] * (ROWS // 2), note="-")
    data = seqrec.from_frame(mixed, "shop", filters={"where": {"kind": ["sale"]}})
    assert data.sequences.n_interactions == ROWS // 2
    sales = seqrec.from_frame(mixed[mixed["kind"] == "sale"], "shop")
    assert data.sequences.digest == sales.sequences.digest
    data = seqrec.from_frame(mixed, "shop", filters={"where_not": {"kind": "view"}})
    assert data.sequences.digest == sales.sequences.digest


def test_equal_frames_are_kept_once_and_others_beside_them(here):
    first = seqrec.from_frame(frame(), "shop")
    seqrec.from_frame(frame(), "shop")
    other = seqrec.from_frame(frame(), "shop", filters={"k_core": 3}, ties="random")
    assert (other.spec.filters.k_core, other.spec.ties) == (3, "random")
    files = sorted(path.name for path in (here / "data/frames").rglob("*.*"))
    assert files == ["shop.parquet", "shop.parquet", "shop.yaml", "shop.yaml"]
    assert seqrec.load(first.name).spec.filters.k_core == 1


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: 3, {}, "the frame is no table of interactions"),
        (lambda f: f.rename(columns={"user": "u"}), {}, "has no column 'user': name its columns"),
        (lambda f: f, {"columns": {"user": "user", "item": "x"}}, "has no column 'x'"),
        (lambda f: f, {"columns": {"user": "user"}}, "the reader parquet needs columns"),
        (lambda f: f.assign(item=1.5), {}, "item should be text or whole numbers"),
        (lambda f: f.assign(item=["a", None] * 300), {}, "row 2: item is missing"),
        (lambda f: f.assign(timestamp=np.nan), {}, "row 1: timestamp is"),
        (lambda f: f.assign(timestamp=1e15), {"timestamp_unit": "s"}, "later than the year 5000"),
        (lambda f: f, {"filters": {"k_core": np.int64(3)}}, "should be plain values"),
        (lambda f: f, {"filters": {"where": {"kind": ["sale"]}}}, "has no column 'kind'"),
        (lambda f: f, {"split": "random"}, "split should be one of"),
        (lambda f: f, {"filters": {"k_cor": 5}}, "k_cor"),
        (lambda f: f, {"name": "a/b"}, "'a/b' is no name for a data set"),
        (lambda f: f.head(0), {}, "the file contains no interactions"),
    ],
)
def test_a_frame_is_checked_as_strictly_as_a_file(here, change, options, message):
    with pytest.raises(DataError) as error:
        seqrec.from_frame(change(frame()), **({"name": "shop"} | options))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_columns_may_have_numbers_for_names(tracked):
    numbered = frame().set_axis([0, 1, 2], axis=1)
    data = seqrec.from_frame(numbered, "shop", columns={"user": 0, "item": 1, "timestamp": 2})
    assert data.sequences.digest == seqrec.from_frame(frame(), "shop").sequences.digest


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: seqrec.train(frame(), model="Markov"), "not by a DataFrame; seqrec.from_frame"),
        (lambda: seqrec.train(None), "not by a NoneType"),
        (lambda: seqrec.from_frame(frame(), 3), "3 is no name for a data set"),
        (lambda: seqrec.from_frame(frame(), "s", columns=["user"]), "columns should be like"),
        (lambda: seqrec.from_frame(frame(), "s", filters=["k_core"]), "filters should be a map"),
        (lambda: seqrec.from_frame(frame(), "s", filters={"where": None}), "where should be"),
        (lambda: seqrec.resume(None), "a run is given by its id, or by what train returned"),
        (lambda: seqrec.trials(["shop"]), "an experiment is given by its name or its data set"),
        (lambda: seqrec.compare(None, "abcd"), "a run is given by its id"),
        (lambda: seqrec.champion(None), "a champion is given by its name"),
        (lambda: seqrec.promote("shop", run=["a", "b"]), "a run is given by its id"),
    ],
)
def test_a_value_of_another_kind_is_one_line(tracked, call, message):
    with pytest.raises((UserError, DataError), match=message) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


def test_a_champion_takes_lists_of_ids(shop):
    seqrec.train(shop, model="Markov")
    seqrec.promote(shop, model="markov")
    assert len(seqrec.trials(shop)) == 1
    champion = seqrec.champion("shop")
    of_lists = champion.recommend([["i1", "i2"], ["i3"]], k=2)
    pd.testing.assert_frame_equal(champion.recommend(iter([["i1", "i2"], ["i3"]]), k=2), of_lists)
    for histories, options, message in (
        (None, {}, "histories should be a list of lists of ids, one for each user, not NoneType"),
        ({"a": ["i1"]}, {}, "not dict"),
        (pd.DataFrame({"history": [["i1"]]}), {}, "not DataFrame"),
        ([["i1"]], {"k": "3"}, "k should be a whole number, not '3'"),
        ([["i1"]], {"k": 2.5}, "k should be a whole number, not 2.5"),
        ([["i1"]], {"exclude_seen": "no"}, "exclude_seen should be True or False, not 'no'"),
    ):
        with pytest.raises(UserError, match=message):
            champion.recommend(histories, **options)


def test_a_trial_is_that_of_the_command(shop, run_verb, store, capsys):
    epochs = []
    trial = seqrec.train(shop, model="SASRec", epochs=2, **TINY, on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert "epoch 1" not in capsys.readouterr().out
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    done = run_verb("train", "--dataset", shop.name, "--model=SASRec", "--epochs=2", *options)
    assert done.returncode == 0, done.stderr
    table = seqrec.trials("shop")
    assert len(table) == 2
    for name in ("valid ndcg@10", "test ndcg@10", "test mrr@10", "data_digest", "protocol"):
        assert table[name].nunique() == 1, name
    assert trial.test["ndcg@10"] == table["test ndcg@10"][0]
    assert trial.settings.epochs == 2
    assert store.get_run(trial.run_id).info.status == "FINISHED"
    assert repr(trial).startswith(f"trial {trial.run_id} in experiment shop: best epoch ")


def test_an_error_of_the_callback_fails_the_trial(shop, store):
    def refuse(epoch):
        raise KeyError("mine")

    with pytest.raises(UserError, match="on_epoch is a function of an epoch, not a str"):
        seqrec.train(shop, model="Popularity", on_epoch="print")  # no run is made
    with pytest.raises(KeyError, match="mine"):
        seqrec.train(shop, model="Popularity", on_epoch=refuse)
    table = seqrec.trials("shop")
    assert table["status"].tolist() == ["FAILED"]


def test_an_interrupted_trial_resumes_to_the_same_result(shop):
    def interrupt(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seqrec.train(shop, model="SASRec", epochs=2, **TINY, on_epoch=interrupt)
    (run_id,) = seqrec.trials("shop")["run_id"]
    resumed = seqrec.resume(run_id[:8])
    whole = seqrec.train(shop, model="SASRec", epochs=2, **TINY)
    assert resumed.test == whole.test
    with pytest.raises(UserError, match="has finished: there is nothing to resume"):
        seqrec.resume(run_id)


def test_a_sweep_is_kept_and_resumes(shop):
    space = {"learning_rate": [0.001, 0.01]}
    first = seqrec.sweep(shop, space, name="rates", model="SASRec", epochs=1, **TINY)
    again = seqrec.sweep(shop, space, name="rates", model="SASRec", epochs=1, **TINY)
    assert first == again
    table = seqrec.trials("shop", sweep="rates")
    assert sorted(table["learning_rate"]) == space["learning_rate"]
    best = table.iloc[0]
    assert first.best == {"learning_rate": best["learning_rate"]}
    assert first.score == best["valid ndcg@10"]
    with pytest.raises(UserError, match="no trial belongs to a sweep 'other'"):
        seqrec.trials("shop", sweep="other")


def test_a_sweep_ends_when_its_time_is_up(shop):
    """Two of three trials are not started: one has taken longer than a tenth of a second."""
    space = {"learning_rate": [0.001, 0.01, 0.02]}
    short = {"epochs": 1, **TINY, "timeout": "0.1s"}
    seqrec.sweep(shop, space, name="short", model="SASRec", **short)
    assert len(seqrec.trials("shop", sweep="short")) == 1


def test_two_models_are_compared_and_the_better_one_recommends(shop):
    seeds = [seqrec.train(shop, model="SASRec", epochs=1, seed=n, **TINY) for n in (1, 2)]
    markov = seqrec.train(shop, model="Markov")
    pair = seqrec.compare(markov, seeds)
    assert pair.first == pytest.approx(markov.test["ndcg@10"])
    assert pair.second == pytest.approx(np.mean([trial.test["ndcg@10"] for trial in seeds]))
    assert pair.difference == pytest.approx(pair.first - pair.second)
    assert pair.low <= pair.difference <= pair.high
    assert pair.win + pair.tie + pair.loss == pytest.approx(1)
    turned = seqrec.compare(seeds, markov.run_id[:8], test="randomisation")
    assert (turned.win, turned.difference) == (pair.loss, -pair.difference)
    valid = seqrec.compare(markov, seeds[0], part="valid")
    assert valid.first == pytest.approx(markov.valid["ndcg@10"])

    other = seqrec.train(seqrec.from_frame(frame().head(500), "less"), model="Markov")
    deleted = seqrec.train(shop, model="Popularity")
    mlflow.MlflowClient().delete_run(deleted.run_id)
    for second, options, message in (
        (other, {}, "cannot be compared: other data_digest"),
        (seeds, {"metric": "auc"}, "no metric is called 'auc'"),
        (seeds, {"part": "train"}, "it has to be test or valid"),
        ("ffffffff", {}, "run ffffffff does not exist on the server"),
        (deleted, {}, "is deleted; to restore it: mlflow runs restore"),
        ([], {}, "name at least one run of each"),
    ):
        with pytest.raises(UserError, match=message):
            seqrec.compare(markov, second, **options)

    promoted = seqrec.promote("shop", run=markov)
    assert promoted == seqrec.Promoted("shop", "1", markov.run_id)
    champion = seqrec.champion("shop")
    assert champion.data_digest == shop.sequences.digest
    answer = champion.recommend([["i0", "i2"], [], ["none", "i6"]], k=2)
    assert answer["unknown"].tolist() == [0, 0, 1]
    assert [len(items) for items in answer["items"]] == [2, 2, 2]
    unseen = champion.recommend([["i0", "i2"]], k=100, exclude_seen=True)
    assert set(unseen["items"][0]) == set(champion.item_ids) - {"i0", "i2"}
    for histories, options, message in (
        (["i0"], {}, "history of row 0 is 'i0': a list of item ids is expected"),
        ([["i0"]], {"k": 0}, "k is 0"),
        ([["i0"]], {"times": [[1, 2]]}, "times of row 0 has 2 numbers"),
        ([["i0"]], {"times": []}, "0 lists of times for 1 histories"),
    ):
        with pytest.raises(UserError, match=message):
            champion.recommend(histories, **options)
    with pytest.raises(UserError, match="models:/none@champion cannot be loaded"):
        seqrec.champion("none")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rat": 1}, "there is no setting learning_rat; there are: dataset, "),
        ({"dataset": "demo"}, "dataset is no setting here"),
        ({"model": "sasrek"}, "model cannot be 'sasrek': it should be one of"),
        ({"model": "Markov", "epochs": 1}, "Markov has no setting epochs"),
        ({"dropout": 1}, "dropout cannot be 1"),
        ({"epochs": True}, "epochs cannot be True"),
        ({"hidden_size": np.int64(9)}, "hidden_size 9 cannot be divided among 2 heads"),
    ],
)
def test_a_setting_is_checked_before_anything_is_tracked(shop, store, settings, message):
    with pytest.raises(UserError, match=message):
        seqrec.train(shop, **settings)
    assert store.get_experiment_by_name("shop") is None


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        ({"dropout": [0.1]}, {"name": None}, "a sweep of a mapping needs a name"),
        ({}, {}, "the search space is empty"),
        ({"dropout": 0.1}, {}, "space: dropout: expected"),
        ({"dropuot": [0.1]}, {}, "space: dropuot: no such setting"),
        ({"dropout": [0.1]}, {"method": "best"}, "no search method is called 'best'"),
        ({"dropout": [0.1]}, {"trials": 3}, "a grid tries all points: leave out trials"),
        ({"dropout": [0.1]}, {"seeds": 0}, "0 seeds: at least 1"),
        ({"dropout": [0.1]}, {"timeout": "soon"}, "'soon' is no time: give a time, such as 2h"),
        ({"dropout": [0.1]}, {"executor": "there"}, "no executor is called 'there'"),
        ({"dropout": [0.1]}, {"gpus_per_trial": 1}, "gpus_per_trial: not for executor 'here'"),
        ({"dropout": [0.1]}, {"dropout": 0.2}, "dropout: both searched and given"),
        ("none.yaml", {}, "none.yaml: no such file"),
    ],
)
def test_a_sweep_is_checked_before_anything_is_tracked(shop, store, space, options, message):
    with pytest.raises(UserError, match=message):
        seqrec.sweep(shop, space, **({"name": "s"} | options))
    assert store.get_experiment_by_name("shop") is None
