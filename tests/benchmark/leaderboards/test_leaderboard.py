"""`benchmark.leaderboard` on a real store: trials of several experiments as models by data sets."""

import csv
import json

import numpy as np
import pytest

from benchmark.leaderboards import exchange, planned
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome
from benchmark.tracking import schema
from benchmark.tracking.reading.suites import DataOutcome, SuiteOutcome
from benchmark.tracking.reading.trials import records
from tests.benchmark.leaderboards.test_exchange import small
from tests.benchmark.reporting.test_comparison import USERS, log
from tests.conftest import one_each

RNG = np.random.default_rng(3)
GOOD = RNG.integers(1, 30, USERS)
LATER = "temporal; ties rank last"


@pytest.fixture
def leaderboard(run_verb):
    def run(*options: str):
        return run_verb("leaderboard", *options)

    return run


@pytest.fixture
def three(store):
    """Trials of four models on three data sets; one of them under two protocols."""
    for experiment, shift in (("shop", 0), ("films", 2), ("songs", 4)):
        about = {"data_digest": experiment, "dataset_title": experiment.title()}
        for model, worse in (("SASRec", 0), ("BERT4Rec", 1), ("EASE", 6), ("Popularity", 30)):
            counted = model in ("EASE", "Popularity")
            for seed in (1,) if counted else (1, 2, 3):
                noise = np.random.default_rng(seed).integers(0, 2, USERS)
                found = GOOD + shift + worse + (0 if counted else noise)
                rate = 0 if counted else 0.1
                log(store, model, found, experiment, seed=seed, rate=rate, **about)
    log(store, "SASRec", GOOD, "films", protocol=LATER, data_digest="films", dataset_title="Films")
    failed = store.create_run(
        store.get_experiment_by_name("songs").experiment_id,
        tags={
            "data_digest": "songs",
            "protocol": "leave-one-out; ties rank last",
            schema.FAILURE: "out of memory",
        },
    )
    store.log_param(failed.info.run_id, "model", "HSTU")
    store.log_param(failed.info.run_id, "learning_rate", "0.1")
    store.set_terminated(failed.info.run_id, "FAILED")
    return store


def written(folder) -> dict:
    return json.loads((folder / "leaderboard.json").read_text())


def test_models_by_data_sets_in_every_format(leaderboard, three, here):
    done = leaderboard("--title", "Spring", "--output", "out")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "SASRec has the best mean rank over 3 data sets by test ndcg@10: 1.00 of 4" in words
    assert "EASE, the best counted model, has mean rank 3.17 and is better on none" in words
    assert "Caution: one seed of SASRec; no tuning of SASRec and BERT4Rec;" in words
    assert (
        "no result of BERT4Rec on Films (temporal), EASE on Films (temporal), Popularity" in words
    )
    assert "and HSTU on 3 data sets; failed trials of HSTU on Songs." in words
    board = written(here / "out")
    assert board["title"] == "Spring"
    titles = [column["title"] for column in board["columns"]]
    assert titles == ["Films (leave-one-out)", "Films (temporal)", "Shop", "Songs"]
    by_title = {column["title"]: column for column in board["columns"]}
    shop = {cell["model"]: cell for cell in by_title["Shop"]["cells"]}
    assert [outcome["seed"] for outcome in shop["SASRec"]["outcomes"]] == [1, 2, 3]
    noise = np.random.default_rng(2).integers(0, 2, USERS)
    expected = one_each(GOOD + noise)["ndcg@10"]
    assert shop["SASRec"]["outcomes"][1]["test"]["ndcg@10"] == pytest.approx(expected)
    assert [shop[model]["level"] for model in ("SASRec", "EASE")] == [True, False]
    songs = {cell["model"]: cell for cell in by_title["Songs"]["cells"]}
    assert songs["HSTU"]["failure"] == "failed: out of memory"
    assert len(by_title["Films (temporal)"]["cells"]) == 1
    text = (here / "out/leaderboard.md").read_text()
    assert "| HSTU | missing | missing | missing | failed |" in " ".join(text.split())
    assert "| Songs | HSTU | failed: out of memory |" in " ".join(text.split())
    assert "[Shop](report-shop.html)" in text
    lines = list(csv.DictReader((here / "out/leaderboard.csv").open()))
    assert len(lines) == 4 * 5
    assert {line["state"] for line in lines} == {"result", "missing", "failed"}
    assert "\\textbf{" in (here / "out/leaderboard.tex").read_text()


def test_reports_of_the_data_sets_stand_beside_the_page(leaderboard, three, here):
    assert leaderboard("--experiment", "films", "--output", "out").returncode == 0
    reports = [column["report"] for column in written(here / "out")["columns"]]
    assert sorted(reports) == ["report-films-2.html", "report-films.html"]
    for name in reports:
        assert "<h1>Films</h1>" in " ".join((here / "out" / name).read_text().split())
    done = leaderboard("--experiment", "films", "--output", "bare", "--no-reports")
    assert done.returncode == 0
    assert not list((here / "bare").glob("report*"))


def test_another_teams_file_stands_beside_ones_own(leaderboard, three, here):
    assert leaderboard("--origin", "lab", "--no-reports", "--output", "lab").returncode == 0
    done = leaderboard(
        *("--experiment", "shop", "--with", "lab/leaderboard.json", "--no-reports"),
        *("--output", "both", "--baseline", "popularity from lab"),
    )
    assert done.returncode == 0, done.stderr
    assert "SASRec from lab" in done.stdout
    assert "ratio to Popularity from lab" in done.stdout
    again = leaderboard("--from", "both/leaderboard.json", "--output", "again")
    assert again.returncode == 0, again.stderr
    both, same = written(here / "both"), written(here / "again")
    assert same | {"origin": ""} == both


def test_a_file_that_is_shown_may_get_another_name(leaderboard, here):
    (here / "team.json").write_text(exchange.dump(small("lab")))
    names = ("--title", "Spring", "--origin", "us")
    done = leaderboard("--from", "team.json", *names, "--output", "out")
    assert done.returncode == 0, done.stderr
    assert (written(here / "out")["title"], written(here / "out")["origin"]) == ("Spring", "us")


def test_each_data_set_that_a_suite_planned_has_a_column():
    """Whose data were refused has no digest; a published figure is no result of the suite."""
    planned_models = dict.fromkeys(("SASRec", "Mine", "EASE"), "too few users")
    data = [
        DataOutcome(name, name.title(), "", "", f"s-{name}", "", models=planned_models)
        for name in ("shop", "films")
    ]
    published = Cell((Outcome("1", None, {"ndcg@10": 0.3}),))
    column = Column("songs", "Songs", "", "d", cells={Entry("SASRec", "published"): published})
    suite = SuiteOutcome("s", "S", tuple(data), ("SASRec", "Mine"))
    board = planned.with_planned(Board("ndcg@10", (column,)), suite)
    assert [column.title for column in board.columns] == ["Films", "Shop", "Songs"]
    failed = {entry: cell.failure for entry, cell in board.columns[0].cells.items()}
    assert failed == {
        Entry("SASRec", "learned"): "too few users",
        Entry("Mine", "learned"): "too few users",
        Entry("EASE", "counted"): "too few users",
    }


def test_a_suites_trials_are_those_of_its_own_sweeps(store):
    """Those of a suite that is called s-shop are not."""
    suite = SuiteOutcome("s", "S", (DataOutcome("shop", "", "", "", "s-shop", "e", "", {"A": ""}),))
    for sweep in ("s-shop-A", "s-shop-baselines", "s-shop-shop-A", "s-shop-B", ""):
        log(store, "A", GOOD, sweep=sweep)
    found = [r.tags["sweep"] for r in records(store, "e") if planned.belongs(r, suite)]
    assert found == ["s-shop-A", "s-shop-baselines"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--experiment", "none"], "Error: there is no experiment 'none' at sqlite:///"),
        (["--baseline", "Nobody"], "Error: no row is called 'Nobody'; there are: "),
        (["--suite", "none"], "Error: no suite 'none' has run at sqlite:///"),
        (["--with", "no.json"], "no.json: no leaderboard: Expecting value: line 1"),
        (
            ["--from", "no.json", "--experiment", "e"],
            "Error: give one of --experiment, --suite and --from",
        ),
        (["--from", "no.json"], "Error: --reports is for trials of a tracking server, not for"),
        (["--output", "no.json/x"], "Error: no.json/x: cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_shown_is_one_line(leaderboard, three, here, options, message):
    (here / "no.json").write_text("")
    done = leaderboard("--no-reports", *options)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_that_are_none_of_seqrecs_and_launches_that_failed_are_no_rows(
    leaderboard, three, here
):
    """A server is shared: with other projects, and with typing errors of `mlflow run`."""
    before = leaderboard("--no-reports")
    others = three.create_experiment("fraud")
    done = three.create_run(others, run_name="xgboost")
    three.log_metric(done.info.run_id, "auc", 0.9)
    three.set_terminated(done.info.run_id)
    three.create_run(others, run_name="at work")
    typo = three.create_run("0", run_name="launch")
    for name, value in (("dataset", "typo"), ("model", "Markov")):
        three.log_param(typo.info.run_id, name, value)
    three.set_terminated(typo.info.run_id, "FAILED")
    assert leaderboard("--no-reports").stdout == before.stdout
    assert {column["dataset"] for column in written(here / "reports/leaderboard")["columns"]} == {
        "shop", "films", "songs",
    }  # fmt: skip


def test_an_empty_server_has_no_leaderboard(leaderboard, store):
    done = leaderboard()
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no trial is tracked at sqlite:///")
