"""`python -m benchmark.suite` as a user runs it, interrupts it and starts it again."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.settings.settings import Settings
from benchmark.sweeps.contenders import SPACES, contenders
from benchmark.sweeps.plan import Effort
from benchmark.sweeps.to_come import trials_to_come
from benchmark.tracking import schema
from benchmark.tracking.reading.suites import suite_outcome
from benchmark.tracking.reading.swept import SweptTrial
from benchmark.tracking.reading.trials import records
from benchmark.training.trainer import Trainer, TrainingError
from tests.benchmark.sweeps.test_sweep import runs
from tests.conftest import until
from tests.forked import Process
from tests.test_mlproject import run_project

SMALL = (
    "settings: {epochs: 2, hidden_size: 8, inner_size: 8, heads: 1, layers: 1, batch_size: 128, "
    "dropout: 0.1, embeddings: random, blend: none}\n"
)
SUITE = f"""
title: Two shops
seeds: 2
budget: 1
{SMALL}
datasets: [mine.yaml, {{dataset: mine.yaml, history: masked}}, gone.yaml]
models: {{SASRec: , GRU4Rec: {{settings: {{learning_rate: 0.01}}}}}}
baselines: [Popularity]
"""


@pytest.fixture
def shops(own_data) -> Path:
    """A suite of data that are here, under two protocols, and of data that are not here."""
    described = Path(own_data).read_text()
    Path("gone.yaml").write_text(described.replace("mine.csv", "gone.csv"))
    Path("shops.yaml").write_text(SUITE)
    return Path("shops.yaml")


def trials(store):
    return {run.info.run_id: run for run in runs(store, "mine")[1]}


@pytest.mark.process
def test_a_suite_is_interrupted_resumed_and_finished(run_verb, shops, store):
    process = Process(["benchmark.suite", str(shops)], {**os.environ})
    until(process, "shops-mine-masked: Mine")
    until(process, "trial 2 of 2 starts: learning_rate=0.002")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert said.split("to resume: ")[1].splitlines()[0].endswith("-m benchmark.suite shops.yaml")
    before = {run_id for run_id, run in trials(store).items() if run.info.status == "FINISHED"}
    assert len(before) >= 7

    done = run_verb("suite", str(shops))
    assert done.returncode == 0, done.stderr
    found = trials(store)
    assert before < found.keys()
    assert len(found) == 10  # 2 data sets: 1 counted model, 2 learned models with 2 seeds
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    names = {run.data.tags[schema.SWEEP] for run in found.values()}
    expected = {"baselines", "SASRec", "GRU4Rec"}
    assert names == {f"shops-{data}-{m}" for data in ("mine", "mine-masked") for m in expected}
    assert {
        run.data.params["learning_rate"]
        for run in found.values()
        if run.data.params["model"] == "GRU4Rec"
    } == {"0.01"}
    scores = [
        run.data.metrics["best_valid/ndcg_at_10"]
        for run in found.values()
        if run.data.tags[schema.SWEEP] == "shops-mine-SASRec"
    ]
    row = next(line for line in done.stdout.splitlines() if line.startswith("| SASRec "))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[0] == f"{sum(scores) / 2:.4f}"
    assert cells[2] == "not available"
    assert "gone is not available: gone: no file found, and no URL to download from" in done.stdout

    (run,) = store.search_runs([store.get_experiment_by_name("suite-shops").experiment_id])
    assert (run.info.run_name, run.info.status) == ("shops", "FINISHED")
    kept = store.download_artifacts(run.info.run_id, schema.SUITE_FILE, ".")
    assert Path(kept).read_text() == SUITE
    note = run.data.tags["mlflow.note.content"]
    assert row in note
    for summary in (r for r in runs(store, "mine")[0] if schema.COMPARISON in r.data.tags):
        assert f"[{summary.info.run_name}](#/experiments/" in note
        assert f"/runs/{summary.info.run_id})" in note
    outcome = suite_outcome(store, "shops")
    assert (outcome.name, outcome.title) == ("shops", "Two shops")
    assert outcome.learned == ("SASRec", "GRU4Rec")
    first, second, gone = outcome.datasets
    assert (first.name, first.comparison, first.experiment) == ("mine", "shops-mine", "mine")
    assert first.models == {"SASRec": "", "GRU4Rec": "", "Popularity": ""}
    tags = [r.data.tags for r in found.values() if r.data.tags[schema.SWEEP] == "shops-mine-SASRec"]
    assert {first.protocol} == {of_run[schema.PROTOCOL] for of_run in tags}
    assert {first.digest} == {of_run[schema.DATA_DIGEST] for of_run in tags}
    assert "history masked" in second.protocol
    assert gone.unavailable.startswith("gone: no file found")
    assert (gone.comparison, gone.experiment, gone.protocol) == ("shops-gone", "gone", "")
    assert suite_outcome(store, "another") is None
    assert len(records(store, "mine")) == 10

    again = run_verb("suite", str(shops))
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("| finished") == 4
    assert trials(store).keys() == found.keys()


def test_data_that_cannot_be_used_are_failures_and_no_data_that_are_missing(run_verb, shops, store):
    """And a suite has a budget without being told."""
    Path("data/gone.csv").write_text("user,item,time\nu1,i1,yesterday\n")
    shops.write_text(SUITE.replace("budget: 1\n", ""))
    done = run_verb("suite", str(shops), "--dry-run")
    assert done.returncode == 1, done.stderr
    assert "gone failed: data/gone.csv:" in done.stderr
    assert "not available" not in done.stdout + done.stderr


def test_a_cell_that_fails_does_not_stop_the_others(run_verb, shops, store, monkeypatch):
    train_epoch = Trainer.train_epoch

    def fails(self):
        if self.settings.model == "SASRec" and self.settings.masks_history:
            raise TrainingError("the loss is nan")
        return train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", fails)
    done = run_verb("suite", str(shops))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: 1 of 9 results failed")
    why = "SASRec on mine-masked failed: SASRec learning_rate=0.002"
    assert why in done.stdout
    outcome = suite_outcome(store, "shops")
    assert "the loss is nan" in outcome.datasets[1].models.pop("SASRec")
    assert {*outcome.datasets[0].models.values(), *outcome.datasets[1].models.values()} == {""}
    row = next(line for line in done.stdout.splitlines() if line.startswith("| SASRec "))
    assert row.split("|")[3].strip() == "failed"

    # Another definition under the same name is an error of its cell alone.
    shops.write_text(SUITE.replace("learning_rate: 0.01", "learning_rate: 0.02"))
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    done = run_verb("suite", str(shops))
    assert done.returncode == 1
    assert "shops-mine-GRU4Rec will not run: there is another sweep" in done.stderr
    assert "GRU4Rec on mine failed: there is another sweep 'shops-mine-GRU4Rec'" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("Error: 3 of 9 results failed")


def test_a_dry_run_says_what_is_needed_and_downloads_and_writes_nothing(run_verb, shops, store):
    listed = SUITE.replace("gone.yaml", "gone.yaml, ml-100k")
    shops.write_text(listed.replace("[Popularity]", "false"))
    done = run_verb("suite", str(shops), "--dry-run", SEQREC_MIRROR="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| mine")]
    assert [row.count(" MB") for row in rows] == [1, 1]
    assert "ml-100k is not available: its files are not on this machine" in done.stderr
    assert not Path("data/ml-100k.zip").exists()
    assert [e.name for e in store.search_experiments()] == ["Default"]


@pytest.mark.process
def test_with_an_experiment_name_all_sweeps_go_there(project, shops, store):
    shops.write_text("budget: 1\ndatasets: [mine.yaml]\nbaselines: [Popularity, RepeatLast]\n")
    words = ["-e", "suite", "--experiment-name", "all", "-P", f"suite={shops}"]
    done = run_project(*words)
    assert done.returncode == 0, done.stderr
    assert store.get_experiment_by_name("mine") is None
    parents, trials = runs(store, "all")
    assert len(trials) == 2
    (sweep,) = (run for run in parents if schema.SWEEP in run.data.tags)
    (launcher,) = (run for run in parents if "mlflow.project.entryPoint" in run.data.tags)
    (run,) = store.search_runs([store.get_experiment_by_name("suite-shops").experiment_id])
    assert launcher.data.tags["mlflow.note.content"].splitlines() == [
        f"This run only started suite {run.info.run_id} in experiment suite-shops.",
        f"This run only started sweep {sweep.info.run_id} in experiment all.",
    ]
    assert suite_outcome(store, "shops").datasets[0].experiment == "all"


def of_sweep(number, seed, score, seconds=10.0, status="FINISHED"):
    valid = None if score is None else {"ndcg@10": score}
    found = SimpleNamespace(status=status, seconds=seconds, valid=valid, tags={})
    return SweptTrial(number, {}, seed, found)


def test_the_trials_to_come_are_those_of_the_search_and_of_the_seeds_of_the_best():
    _, (sasrec,) = contenders(["SASRec"], ["Popularity"], {}, Settings.of, SPACES)
    points = Effort(2, seeds_of_best=3)
    time = Effort(100, seeds_of_best=3, seconds=100)
    assert trials_to_come(sasrec, [], points) == 4
    first = [of_sweep(0, 1, 0.5)]
    assert trials_to_come(sasrec, first, points) == 3
    assert trials_to_come(sasrec, first, time) == 101
    searched = [*first, of_sweep(1, 1, 0.6)]
    assert trials_to_come(sasrec, searched, points) == 2
    killed = [*searched, of_sweep(1, 2, 0.6), of_sweep(1, 3, None, status="KILLED")]
    assert trials_to_come(sasrec, killed, points) == 1
    failed = [*searched, of_sweep(1, 2, 0.6), of_sweep(1, 3, None, status="FAILED")]
    assert trials_to_come(sasrec, failed, points) == 0
    assert trials_to_come(sasrec, failed, time) == 98 + 2
    late = [of_sweep(0, 1, 0.5, 60.0), of_sweep(0, 2, 0.5), of_sweep(0, 3, 0.5)]
    assert trials_to_come(sasrec, late, time) == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"name": "shops", "title": "x"}',
        '{"name": "shops", "title": 3, "datasets": []}',
        '{"name": "shops", "title": "x", "datasets": [3]}',
        '{"name": "shops", "title": "x", "datasets": [{"name": "mine", "models": []}]}',
        '\xff{"name": "shops"}',
    ],
)
def test_an_outcome_that_is_damaged_counts_as_missing(here, store, content):
    where = store.create_experiment("suite-shops", f"{here}/artifacts")
    run = store.create_run(where, tags={schema.SUITE: "shops"})
    assert suite_outcome(store, "shops") is None
    store.log_text(run.info.run_id, content, schema.OUTCOME)
    assert suite_outcome(store, "shops") is None
