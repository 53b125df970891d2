"""Reports that compare trials user by user, from the ranks that the runs logged."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric, Param, RunTag

from benchmark.measures.metrics import NAMES, per_query
from benchmark.reporting import statistics
from benchmark.reporting.comparison import Comparison, compare
from benchmark.reporting.ranking import order
from benchmark.tracking.reading.ranks import ranks as read_ranks
from benchmark.tracking.reading.trials import records
from datasets.errors import visible
from models.ranking import MISS
from tests.benchmark.reporting.test_report import printed, rows
from tests.conftest import one_each

USERS = 400
EVERYBODY = np.arange(USERS)


def log(store, model, ranks, experiment="e", seed=1, items=None, extra=True, rate=0.1, **tags):
    """Log a finished run with these test ranks and the same validation metrics; return its id."""
    found = store.get_experiment_by_name(experiment)
    where = found.experiment_id if found else store.create_experiment(experiment)
    run = store.create_run(where, run_name=f"{model} {seed}").info.run_id
    tags = {"data_digest": "d1", "protocol": "leave-one-out; ties rank last"} | tags
    metrics = {
        f"{part}/{name.replace('@', '_at_')}": value
        for part in ("best_valid", "test")
        for name, value in one_each(ranks).items()
    }
    metrics |= {"best_epoch": 2, "last_epoch": 3, "trial_seconds": 1.5, "parameters": 1234}
    params = {"model": model, "seed": seed} | ({"learning_rate": rate} if rate else {})
    store.log_batch(
        run,
        metrics=[Metric(k, v, 1, 1) for k, v in metrics.items()]
        + [Metric("valid/ndcg_at_10", one_each(ranks)["ndcg@10"] * e / 3, 1, e) for e in (1, 2, 3)],
        params=[Param(k, str(v)) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    n = np.arange(len(ranks))
    table = {"user": n.astype(str), "item": n.astype(str) if items is None else items}
    table |= {"rank": ranks}
    if extra:
        table |= {
            "history": 3 + n % 7,
            "popularity": n // 2,
            "repeated": n % 4 == 0,
            "tied": n % 3 == 0,
        }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.parquet")
        pd.DataFrame(table).to_parquet(path)
        store.log_artifact(run, path, "ranks")
    store.set_terminated(run)
    return run


@pytest.fixture
def report(run_verb):
    return lambda *options: run_verb("report", *options)


@pytest.fixture
def ranks():
    """Ranks of a good model, of an equally good one and of a bad one."""
    rng = np.random.default_rng(0)
    good = rng.integers(1, 30, USERS)
    return {"Good": good, "Twin": rng.permutation(good), "Bad": good + 5}


def as_json(report, here, *options):
    done = report(*(options or ("--experiment", "e")), "--format", "json", "--no-log")
    assert done.returncode == 0, done.stderr
    return json.loads(next((here / "reports").glob("*.json")).read_text())


def test_rows_are_compared_user_by_user(report, store, here, ranks):
    for model, found in ranks.items():
        for seed in (1, 2):
            log(store, model, found, seed=seed)
    content = as_json(report, here)
    by_model = {row["params"]["model"]: row for row in content["rows"]}
    places = {model: row["rank"] for model, row in by_model.items()}
    assert places["Bad"] == 3
    for model, found in ranks.items():
        low, high = by_model[model]["interval"]
        assert low < one_each(found)["ndcg@10"] < high
        assert by_model[model]["better_than"] == ([] if model == "Bad" else [3])
    pairs = {frozenset((p["better"], p["worse"])): p["p"] for p in content["comparison"]["pairs"]}
    assert len(pairs) == 3
    assert pairs[frozenset((1, 2))] > 0.5
    assert pairs[frozenset((places["Good"], 3))] < 1e-6

    values = {model: per_query(found, EVERYBODY, "ndcg@10") for model, found in ranks.items()}
    first = content["rows"][0]["params"]["model"]
    beside = {row["place"]: row for row in content["comparison"]["beside_the_first"]}
    difference = values[first] - values["Bad"]
    assert beside[3]["difference"] == pytest.approx(difference.mean())
    assert beside[3]["effect"] == pytest.approx(difference.mean() / difference.std(ddof=1))
    # The two seeds are equal: there is no training noise.
    assert beside[3]["low_with_seeds"] == pytest.approx(beside[3]["low"])
    assert by_model["Bad"]["interval_with_seeds"] == pytest.approx(by_model["Bad"]["interval"])
    assert beside[3]["win"] == pytest.approx((difference > 0).mean())
    assert beside[3]["tie"] == pytest.approx((difference == 0).mean())
    assert beside[3]["loss"] == pytest.approx((difference < 0).mean())


def test_any_cut_off_and_any_part_of_the_users(report, store, here, ranks):
    for model in ("Good", "Bad"):
        log(store, model, ranks[model])
    content = as_json(report, here, "--experiment", "e", "--k", "3,1")
    cut_offs = {row["metric"]: row for row in content["comparison"]["sections"]["Cut-offs"]}
    assert list(cut_offs) == ["recall@1", "recall@3", "mrr@1", "mrr@3", "ndcg@1", "ndcg@3"]
    for metric, row in cut_offs.items():
        for name, model in (("1 Good", "Good"), ("2 Bad", "Bad")):
            assert row[name] == f"{per_query(ranks[model], EVERYBODY, metric).mean():.4f}"
    slices = content["comparison"]["sections"]["Slices"]
    for by, users in (("history length", USERS), ("target popularity", USERS), ("target", USERS)):
        assert sum(int(row["users"]) for row in slices if row["by"] == by) == users
    (repeated,) = [row for row in slices if row["part"] == "repeated"]
    expected = per_query(ranks["Good"][::4], EVERYBODY[::4], "ndcg@10").mean()
    assert (repeated["users"], repeated["1 Good"]) == ("100", f"{expected:.4f}")
    shared, own = [row for row in slices if row["by"] == "target's time"]
    expected = per_query(ranks["Good"][::3], EVERYBODY[::3], "ndcg@10").mean()
    assert (shared["users"], shared["1 Good"]) == ("134", f"{expected:.4f}")
    assert (own["part"], own["users"]) == ("its own", "266")
    never, yes = [row for row in slices if row["by"] == "target in training"]
    expected = per_query(ranks["Good"][:2], EVERYBODY[:2], "ndcg@10").mean()  # popularity 0
    assert (never["part"], never["users"], never["1 Good"]) == ("never", "2", f"{expected:.4f}")
    assert (yes["part"], yes["users"]) == ("yes", "398")


def test_measures_beside_accuracy_are_of_the_lists_that_trials_kept(report, store, here, ranks):
    """One row has lists of both seeds, one a damaged file, one lists of other queries, and one is
    of an earlier version."""
    lists = pd.DataFrame(
        {
            "query": np.repeat(EVERYBODY, 2),
            "item": np.stack([EVERYBODY % 4, 4 + EVERYBODY % 2], axis=1).ravel().astype(str),
            "rank": np.tile([1, 2], USERS),
            "popularity": np.tile([10, 20], USERS),
            "novelty": np.tile([3.0, 2.0], USERS),
            "repeated": np.repeat(EVERYBODY % 7 == 0, 2),  # the users with a history of 3
        }
    )
    Path("lists").mkdir()
    lists.to_parquet("lists/test.parquet")
    for seed in (1, 2):
        run = log(store, "Good", ranks["Good"], seed=seed)
        store.log_artifact(run, "lists/test.parquet", "lists")
    store.log_text(log(store, "Twin", ranks["Twin"]), "no table", "lists/test.parquet")
    lists.assign(query=lists["query"] + 1).to_parquet("lists/test.parquet")
    odd = log(store, "Odd", ranks["Bad"] + 1)
    store.log_artifact(odd, "lists/test.parquet", "lists")
    log(store, "Bad", ranks["Bad"])
    content = as_json(report, here)
    found = {row["params"]["model"]: row["beside_accuracy"] for row in content["rows"]}
    weights = np.maximum(EVERYBODY // 2, 1) ** -0.5
    recall = weights[ranks["Bad"] <= 10].sum() / weights.sum()
    assert found["Bad"] == {"stratified recall@10": [pytest.approx(recall)]}
    assert list(found["Twin"]) == ["stratified recall@10"]
    # The size of the catalogue is not known: these runs did not log their data set.
    assert list(found["Good"]) == [
        "popularity@10",
        "novelty@10",
        "repetition@10",
        "stratified recall@10",
    ]
    assert found["Good"]["popularity@10"] == [15, 15]
    assert found["Good"]["repetition@10"] == [pytest.approx((EVERYBODY % 7 == 0).mean())] * 2
    assert list(found["Odd"]) == ["stratified recall@10"]
    for problem in ("lists that were logged cannot be read", "lists are of other queries"):
        assert [warning for warning in content["warnings"] if problem in warning]

    assert report("--experiment", "e", "--no-log").returncode == 0
    text = (here / "reports/e.md").read_text()
    tables = {found.partition("\n")[0]: found for found in text.split("## ")}
    beside = tables["Beside accuracy"]
    assert "15.0 ± 0.0" in beside
    parts = rows(tables["Beside accuracy by history length"])
    (first, *_) = [row for row in parts if "repetition@10" in row]
    # 58 of the 115 users with histories of 3 and 4; rows without lists have no column.
    assert first == ["3 to 4", "repetition@10", f"{58 / 115:.4f} ± 0.0000"]


@pytest.mark.parametrize("test", ["t", "randomisation"])
def test_the_table_says_what_is_better_than_what(report, store, here, ranks, test):
    for model in ("Good", "Bad"):
        log(store, model, ranks[model])
    done = report("--experiment", "e", "--test", test)
    assert done.returncode == 0, done.stderr
    text = (here / "reports/e.md").read_text()
    (table,) = [found for found in text.split("## ") if found.startswith("Trials")]
    head, _, good, bad = rows(table)
    assert good[head.index("better than")] == "2"
    assert bad[head.index("better than")] == ""
    assert f"paired {test} test over users, Holm's correction for 1 pair)" in table
    assert good[head.index("parameters")] == "1,234"


def test_runs_without_ranks_are_ranked_and_not_compared(report, store, here, ranks):
    log(store, "Good", ranks["Good"], extra=False)
    content = as_json(report, here)
    assert content["comparison"]["sections"] == {
        "Cut-offs": content["comparison"]["sections"]["Cut-offs"]
    }


@pytest.mark.parametrize("odd", ["other items", "fewer users"])
def test_ranks_of_other_targets_are_not_compared_and_said_so(report, store, here, ranks, odd):
    """Whatever the place of the odd row: here it is the first."""
    log(store, "Good", ranks["Good"], items=np.array(["x"] * USERS))
    if odd == "fewer users":
        log(store, "Good", ranks["Good"][:-1])
    for model in ("Twin", "Bad"):
        log(store, model, ranks[model])
    content = as_json(report, here)
    assert ["interval" in row for row in content["rows"]][-2:] == [True, True]
    assert sum("interval" in row for row in content["rows"]) == 2
    (said,) = [w for w in content["warnings"] if "of other users or targets" in w]
    assert said.startswith("Row 1: " if odd == "other items" else "Rows 1, 2: ")


def test_several_experiments_make_one_ranking(report, store, here, ranks):
    log(store, "Good", ranks["Good"], experiment="one")
    log(store, "Bad", ranks["Bad"], experiment="two")
    done = report("--experiment", "two", "--experiment", "one")
    assert done.returncode == 0, done.stderr
    assert [row["model"] for row in printed(done.stdout)] == ["Good", "Bad"]
    assert "report written to reports/two-one.md" in done.stdout
    for name in ("one", "two"):
        (kept,) = store.search_runs(
            [store.get_experiment_by_name(name).experiment_id], "tags.`seqrec.report` LIKE '%'"
        )
        files = {file.path for file in store.list_artifacts(kept.info.run_id)}
        assert "two-one.md" in files
        assert "two-one-learning-curves.png" in files


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"data_digest": "d2"}, "other data_digest: d2 instead of d1"),
        (
            {"protocol": "temporal; ties rank last"},
            "other protocol: temporal instead of leave-one-out",
        ),
    ],
)
def test_other_data_or_another_protocol_is_refused_and_named(report, store, ranks, other, field):
    log(store, "Good", ranks["Good"], experiment="one")
    log(store, "Twin", ranks["Twin"], experiment="one")
    log(store, "Bad", ranks["Bad"], experiment="two", **other)
    done = report("--experiment", "one", "--experiment", "two")
    assert done.returncode == 1
    assert done.stderr == f"Error: experiment 'two' cannot be compared with 'one': {field}\n"


def test_the_report_run_is_reused_and_never_ranked(report, store, here, ranks):
    log(store, "Good", ranks["Good"])
    for form in ("markdown", "html", "csv", "json", "latex"):
        done = report("--experiment", "e", "--format", form)
        assert done.returncode == 0, done.stderr
    assert len(printed(done.stdout)) == 1
    assert "not ranked" not in done.stdout
    where = store.get_experiment_by_name("e").experiment_id
    (kept,) = store.search_runs([where], "tags.`seqrec.report` LIKE '%'")
    files = {Path(file.path).suffix for file in store.list_artifacts(kept.info.run_id)}
    assert files == {".md", ".png", ".html", ".csv", ".json", ".tex"}


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_what_came_from_a_run_is_text_in_every_format(report, store, here, ranks, form):
    nasty = "<script>alert(1)</script>|`x`*&_%$[a](b)\n```\n\\end{tabular}"
    log(store, nasty, ranks["Good"], device=nasty, command=nasty)
    log(store, "Bad", ranks["Bad"])
    done = report("--experiment", "e", "--format", form, "--output", "out")
    assert done.returncode == 0, done.stderr
    text = (here / "out").read_text()
    if form == "markdown":
        blocks = re.split(r"(?m)^ *```.*$", text)
        assert len(blocks) == 7  # three fenced blocks: text of a run opens or closes none
        code = r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)"
        assert "<script>" not in re.sub(code, "", "".join(blocks[::2]))
        tables = text.split("## Trials")[1]
        widths = {line.replace("\\|", "").count("|") for line in tables.split("##")[0].splitlines()}
        assert len(widths - {0}) == 1
    elif form == "latex":
        assert "<script>" not in text.split("\\midrule")[1].replace("\\ensuremath{<}script", "")
        text = re.sub(r"(?m)^%.*$", "", text)  # the verdict is a comment
        assert text.count("\\end{tabular}") == 1
    elif form == "csv":
        assert pd.read_csv(here / "out")["model"].tolist()[0] == visible(nasty)
    else:
        assert json.loads(text)["rows"][0]["params"]["model"] == visible(nasty)


def test_the_csv_has_the_figures_in_full(report, store, here, ranks):
    run = log(store, "Good", ranks["Good"])
    assert report("--experiment", "e", "--format", "csv").returncode == 0
    (line,) = pd.read_csv(here / "reports/e.csv").to_dict("records")
    for name in NAMES:
        assert line[f"test/{name}"] == one_each(ranks["Good"])[name]
    assert (line["rank"], line["runs"], line["parameters"]) == (1, run, 1234)


def test_cut_offs_that_are_none_are_refused(report, store, ranks):
    log(store, "Good", ranks["Good"])
    for k in ("0,1", "ten", ""):
        done = report("--experiment", "e", "--k", k)
        assert done.returncode == 2
        assert "is no list of whole numbers from 1 to 1,000,000,000, such as 1,5,10" in done.stderr


def test_warnings_are_said(report, store, here, ranks):
    log(store, "Good", ranks["Good"], git_commit="a" * 40 + "+", device="CPU")
    log(store, "Bad", ranks["Bad"], git_commit="b" * 40, device="GPU")
    warnings = " ".join(as_json(report, here)["warnings"])
    for text in (
        "Row 1: the code had changes that were not committed.",
        "Rows 1, 2: one seed:",
        "Trials ran on 2 commits",
        "Trials ran on 2 devices",
        "Leave-one-out splits each user's own sequence",
    ):
        assert text in warnings
    assert "the best epoch is the last" not in warnings


def test_settings_that_were_cut_off_are_told_from_those_that_were_not(report, store, here, ranks):
    for model, ends in (("Good", {0.001: 3, 0.01: 2}), ("Bad", {0.1: 3})):
        for learning_rate, best_epoch in ends.items():
            run = log(store, model, ranks[model], rate=learning_rate)
            store.log_metric(run, "best_epoch", best_epoch, step=2)
    warnings = as_json(report, here)["warnings"]
    (place,) = [
        row["rank"]
        for row in as_json(report, here)["rows"]
        if row["params"]["learning_rate"] == 0.001
    ]
    assert (
        f"Row {place} (learning rate 0.001): the best epoch is the last one, while other rows of "
        "Good were best before their last epoch: these settings need more epochs, and their place "
        "in the ranking may be that of a training that was cut off."
    ) in warnings
    assert "Row 3: the best epoch is the last one: longer training may be better." in warnings


def test_the_share_that_repeated_targets_give_is_said(report, store, here):
    """Every fourth target repeats."""
    repeated = np.arange(USERS) % 4 == 0
    log(store, "Alike", np.ones(USERS, int))
    log(store, "Repeats", np.where(repeated, 1, MISS))
    log(store, "New", np.where(repeated, MISS, 1))
    said = " ".join(as_json(report, here)["warnings"])
    assert (
        "Targets that the user had before (25.0% of the test targets) give much of test ndcg@10: "
        "25% in row 1, 100% in row 3; the slices show new targets alone." in said
    )
    assert "Earlier versions" not in said


@pytest.mark.parametrize("new", [False, True])
def test_an_earlier_versions_masked_histories_are_told_apart(report, store, here, ranks, new):
    """Their protocol is that of data without repeats: the ranks, or newer trials, tell."""
    protocol = "leave-one-out; every item a candidate; {}; ties rank last; best valid ndcg@10"
    plain = protocol.format("history masked")
    log(store, "Old", ranks["Good"], protocol=plain, extra=not new)
    if new:
        rule = "history masked, repeated targets are misses"
        for model in ("Twin", "Bad"):
            log(store, model, ranks[model], protocol=protocol.format(rule))
    content = as_json(report, here)
    said = " ".join(content["warnings"])
    assert "Earlier versions ranked a target that its user had before (protocol: " in said
    if new:
        (old,) = [row for row in content["not_ranked"] if row["name"] == "Old 1"]
        assert old["why"] == (
            "other protocol: history masked instead of history masked, repeated targets are misses"
        )


def test_users_with_several_queries_are_compared_as_users_and_means_are_over_queries():
    """Of user a two queries, one of them with two targets; of user b one."""
    ranks = np.array([[1, 4, 2, 30]])
    targets = pd.DataFrame({"user": ["a", "a", "a", "b"], "query": [0, 0, 1, 2]})
    comparison = Comparison("recall@3", "t", [1], [ranks], [None], targets, [])
    assert comparison.values("recall@3").tolist() == [[(0.5 + 1) * 2 / 3, 0]]
    assert (
        comparison.values("recall@3").mean()
        == per_query(ranks, targets["query"].to_numpy(), "recall@3").mean()
    )
    assert comparison.values("recall@3", np.array([0, 1, 0, 0], bool)).tolist() == [[0]]
    assert comparison.several


def test_where_every_query_is_a_hit_the_interval_has_no_width():
    users = np.repeat(np.arange(9), [1, 7, 2, 1, 4, 1, 1, 3, 5])
    targets = pd.DataFrame({"user": users, "item": "i", "query": np.arange(len(users))})
    ranks = np.ones((1, len(users)), dtype=np.int64)
    comparison = Comparison("ndcg@10", "t", [1], [ranks], [None], targets, [])
    assert comparison.intervals[1] == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("test", ["t", "randomisation", "wilcoxon"])
def test_the_last_digit_of_a_mean_is_no_difference(store, test):
    """The mean of three equal values may differ from them there."""
    found = np.random.default_rng(1).integers(1, 12, USERS)
    for seed in (1, 2, 3):
        log(store, "Counts", found, seed=seed, rate=None)
    log(store, "Again", found, rate=None)
    ranking = order(records(store, "e"), "mrr@10")
    tables = read_ranks(store, ranking.records, "test").tables
    (pair,) = compare(ranking, tables, "mrr@10", test).pairs
    assert pair.p == 1


def test_a_metric_beyond_the_known_ranks_is_never_significant():
    differences = np.array([[np.nan] * 8, [0.1] * 7 + [0.2]])
    for test in statistics.TESTS.values():
        first, second = test(differences)
        assert first == 1
        assert second < 0.05
