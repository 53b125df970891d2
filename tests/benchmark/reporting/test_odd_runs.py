"""Anybody may log runs: whatever they hold, the report ranks the others, and says what is wrong."""

import io
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput

from benchmark.tracking import schema
from benchmark.tracking.reading.ranks import table_in
from benchmark.tracking.reading.sweeps import is_trial
from benchmark.tracking.reading.swept import all_swept
from tests.benchmark.reporting import test_comparison
from tests.benchmark.reporting.test_report import log, printed
from tests.conftest import one_each

DEEP = "[" * 100_000
NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 1e300)


@pytest.fixture
def report(run_verb):
    return lambda *options: run_verb("report", "--experiment", "e", "--no-log", *options)


def test_results_that_are_no_number_from_0_to_1_are_not_ranked(report, store):
    log(store, "e", 0.1, 0.3)
    log(store, "e", 0.3, 0.5)
    for number, value in enumerate((*NUMBERS, 1.01)):
        for part in ("best_valid", "test"):
            run_id = log(store, "e", f"{part}{number}", 0.4)
            store.log_metric(run_id, f"{part}/ndcg_at_10", value, step=2)
    done = report()
    assert done.returncode == 0, done.stderr
    assert [row["settings"] for row in printed(done.stdout)] == ["lr=0.3", "lr=0.1"]
    reasons = re.findall(r"not ranked: (\d+) (.*)", done.stdout)
    assert sum(int(count) for count, _ in reasons) == 12
    assert ("1", "test/ndcg_at_10 is nan, which is no value from 0 to 1") in reasons


def test_one_odd_run_does_not_take_the_report_down(report, store, here):
    """Each of these contents alone was a traceback, or scrambled the table."""
    log(store, "e", 0.1, 0.3)
    log(store, "e", 0.2, 0.2)
    texts = ("", "x", "null", "[1]", "{", DEEP[:4000], '{"users_not_evaluated": 1}', "1e999", "nan")
    for text in texts:
        run_id = log(store, "e", text or "none", 0.9)
        for tag in (schema.POINT, schema.NUMBER, schema.GIT_COMMIT, schema.COMMAND):
            store.set_tag(run_id, tag, text)
        profile = DEEP if text.startswith("[[") else text
        dataset = Dataset("d", "1", "code", "s", profile=profile)
        store.log_inputs(run_id, [DatasetInput(dataset)])
    for value in NUMBERS:
        run_id = log(store, "e", f"{value}", 0.8)
        for key in ("best_epoch", "last_epoch", "trial_seconds", "parameters", "peak_memory_mb"):
            store.log_metric(run_id, key, value, step=2)
        for step in (1, 2, 3):
            store.log_metric(run_id, "valid/ndcg_at_10", value, step=step)
    for form in ("markdown", "html", "csv", "json", "latex"):
        done = report("--format", form)
        assert done.returncode == 0, done.stderr
    assert len(printed(done.stdout)) == 2 + len(texts) + len(NUMBERS)


def test_a_parameter_is_one_however_mlflow_run_was_given_it(report, store):
    """`mlflow run -P learning-rate=0.1` logs a copy of the parameter, with its hyphen."""
    for seed, name in ((1, None), (2, "learning-rate"), (3, "learning-rate")):
        run_id = log(store, "e", 0.1, seed / 10, seed=seed)
        if name:
            store.log_param(run_id, name, "1e-1")
            store.log_param(run_id, "data-dir", "/data")
    done = report()
    (row,) = printed(done.stdout)
    assert (row["settings"], row["seeds"]) == ("lr=0.1", "3")
    assert row["valid ndcg@10"] == "0.2000 ± 0.1000"


@pytest.mark.parametrize(
    "content", ["", "[]", "3", "space: 7\n", "space: [1]\n", "space: []\n", "space: [''", "a: &a"]
)
def test_a_sweep_without_a_readable_search_space_is_reported(report, store, here, content):
    parent = log(store, "e", 0.1, None)
    store.log_text(parent, content, schema.SWEEP_FILE)
    for number in (1, 2):
        tags = {
            "mlflow.parentRunId": parent,
            schema.NUMBER: str(number),
            schema.POINT: "{}",
        }
        log(store, "e", number / 10, number / 10, **tags)
    done = report("--layout", "page")
    assert done.returncode == 0, done.stderr
    assert "warning: The sweep's search space is not known, so the values tried are shown: " in (
        done.stderr
    )
    assert "learning_rate choice [0.1, 0.2]" in (here / "reports/e.md").read_text()


def test_runs_that_others_nested_in_a_sweep_are_no_trials_of_it(store):
    """They have some of the tags, by accident or by a copy."""
    points = {"1": '{"seed": 3, "dropout": 0.1}', "2": "{}", "3": DEEP[:4000], "4": '{"seed": "x"}'}
    experiment = store.create_experiment("nested")
    tags = [{schema.NUMBER: n, schema.POINT: point} for n, point in points.items()]
    found = [store.create_run(experiment, tags=of_run) for of_run in tags]
    assert [is_trial(run.data.tags) for run in found] == [True, True, False, True]
    (trial,) = all_swept(run for run in found if is_trial(run.data.tags))
    assert (trial.number, trial.seed, trial.values) == (1, 3, {"dropout": 0.1})


def test_ranks_that_are_unreadable_or_contradict_the_metrics_are_said(report, store, here):
    rng = np.random.default_rng(0)
    good = rng.integers(1, 30, 100)
    ids = {"Good": test_comparison.log(store, "Good", good)}
    ids["Better"] = test_comparison.log(store, "Better", np.maximum(1, good - 9))
    store.log_metric(ids["Better"], "test/ndcg_at_10", 0.9876, step=2)
    ids["Damaged"] = test_comparison.log(store, "Damaged", good + 3)
    store.log_text(ids["Damaged"], "no table", "ranks/test.parquet")
    ids["Lost"] = log(
        store, "e", 0.1, 0.01, **{schema.COMMAND: "mlflow run .", "data_digest": "d1"}
    )
    store.set_tag(ids["Lost"], "protocol", "leave-one-out; ties rank last")
    done = report("--format", "json")
    assert done.returncode == 0, done.stderr
    given_by_ranks = one_each(np.maximum(1, good - 9))["ndcg@10"]
    for said in (
        "Rows 3, 4: the ranks that were logged cannot be read, so that intervals, tests, cut-offs "
        "and slices are without: ranks/test.parquet is no table of ranks: ",
        f"Row 1: test ndcg@10 of run {ids['Better'][:8]} was logged as 0.9876; its ranks give "
        f"{given_by_ranks:.4f}.",
    ):
        assert f"warning: {said}" in done.stderr
        assert said in (here / "reports/e.json").read_text()


def parquet(**columns):
    file = io.BytesIO()
    pd.DataFrame(columns).to_parquet(file)
    return file.getvalue()


GOOD = {"user": ["a", "b"], "item": ["x", "y"], "rank": [1, 2]}
GROUPS = {"history": [3, 4], "popularity": [1, 2], "repeated": [True, False], "query": [0, 1]}


@pytest.mark.parametrize(
    "odd",
    [
        {"rank": ["1", "2"]},
        {"rank": [0, 1]},
        {"rank": [-1, 1]},
        {"rank": [1.5, 1]},
        {"rank": [1, None]},
        {"rank": [1e300, 1]},
        {"rank": [[1], [2]]},
        {"user": ["a", None]},
        {"item": [[1], [2]]},
        {"user": [], "item": [], "rank": []},
    ],
)
def test_a_table_without_whole_ranks_is_refused(tmp_path, odd):
    path = tmp_path / "test.parquet"
    path.write_bytes(parquet(**GOOD | odd))
    with pytest.raises(ValueError, match=r"column|rank|rows|[Ff]loat|truncated"):
        table_in(str(path))


def test_columns_that_cannot_group_users_are_left_out(tmp_path):
    path = tmp_path / "test.parquet"
    path.write_bytes(parquet(**GOOD | GROUPS))
    assert table_in(str(path)).to_dict("list") == GOOD | GROUPS
    odd = {"history": ["3", "4"], "popularity": [0.5, 1], "repeated": [1, 0], "query": ["7", "7"]}
    path.write_bytes(parquet(**GOOD | odd))
    assert table_in(str(path)).to_dict("list") == GOOD | {"query": [0, 1]}


def test_a_table_whose_users_do_not_stand_together_is_refused(tmp_path):
    path = tmp_path / "test.parquet"
    path.write_bytes(parquet(user=["a", "b", "a"], item=["x", "y", "z"], rank=[1, 2, 3]))
    with pytest.raises(ValueError, match="the rows of a user do not stand together"):
        table_in(str(path))


def test_targets_of_one_query_are_told_by_neighbours(tmp_path):
    path = tmp_path / "test.parquet"
    path.write_bytes(parquet(**GOOD, query=[7, 7]))
    assert table_in(str(path))["query"].tolist() == [0, 0]
    path.write_bytes(parquet(**GOOD))  # of an older version
    assert table_in(str(path))["query"].tolist() == [0, 1]


def test_ids_that_are_not_utf_8_are_an_error(tmp_path):
    ids = pa.array([b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"user": ids, "item": ["i"], "rank": [1]}), tmp_path / "r.parquet")
    with pytest.raises(ValueError, match="column user holds text that is not UTF-8"):
        table_in(str(tmp_path / "r.parquet"))


@settings(max_examples=200)
@given(st.data())
def test_any_bytes_are_ranks_or_an_error(tmp_path_factory, data):
    content = bytearray(parquet(**GOOD | GROUPS))
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "odd.parquet"
    path.write_bytes(bytes(content))
    try:
        assert table_in(str(path))["rank"].min() >= 1
    except (ValueError, OSError):
        return
