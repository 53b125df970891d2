"""`benchmark.score`: a foreign file becomes a run, which the report compares like all others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.settings.settings import Settings
from benchmark.tracking.reading.ranks import table_in
from benchmark.training.trainer import Trainer
from datasets.export import export
from datasets.prepare import load
from models.ranking import MISS, recommend
from tests.benchmark.reporting.test_report import printed

K = 20


@pytest.fixture
def mine(here, store) -> str:
    """A data set of 60 users and 40 items; its experiment is called mine."""
    draw = np.random.default_rng(1)
    rows = [
        (f"u{user}", f"i{int(draw.beta(1, 2) * 40)}", time)
        for user in range(60)
        for time in range(draw.integers(2, 15))
    ]
    Path("data").mkdir()
    pd.DataFrame(rows, columns=["u", "i", "t"]).to_csv("data/mine.csv", index=False)
    columns = {"user": "u", "item": "i", "timestamp": "t"}
    source = {"file": "mine.csv", "reader": "csv", "columns": columns}
    content = {"title": "Mine", "sources": [source], "split": "leave-one-out"}
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    return "mine.yaml"


def trained(model: str, dataset: str, history: str):
    """(trainer with the best weights, spec, sequences, split)."""
    spec, sequences = load(dataset)
    split = spec.split_of(sequences)
    settings = Settings.of(model=model, dataset=dataset, history=history)
    trainer = Trainer(settings, sequences, split)
    list(trainer.epochs())
    trainer.final_ranks()
    return trainer, spec, sequences, split


def write_lists(trainer, sequences, targets, k: int, path: str | Path) -> None:
    """What another library would write: user, item, score."""
    masked = trainer.settings.masks_history
    found, scores = recommend(
        trainer.averaged, trainer.interactions, targets.starts, targets.ends, k, masked
    )
    users = np.repeat(sequences.user_ids[targets.users], found.shape[1])
    kept = found.ravel() >= 0
    columns = {"user": users, "item": sequences.item_ids[found.ravel()], "score": scores.ravel()}
    pd.DataFrame(columns)[kept].to_parquet(path)


def write_scores(trainer, sequences, targets, path: str) -> None:
    """The scores of all items."""
    found, scores = recommend(
        trainer.averaged, trainer.interactions, targets.starts, targets.ends, sequences.n_items
    )
    table = np.empty_like(scores)
    np.put_along_axis(table, found, scores, axis=1)
    users = sequences.user_ids[targets.users]
    np.savez(path, users=users, items=sequences.item_ids, scores=table)


def runs_of(store, experiment: str = "mine") -> dict:
    """The runs of trials by model and seed."""
    found = store.search_runs([store.get_experiment_by_name(experiment).experiment_id])
    return {run.data.params["model"]: run for run in found if "model" in run.data.params}


def ranks_in(store, run, part: str) -> pd.DataFrame:
    return table_in(store.download_artifacts(run.info.run_id, f"ranks/{part}.parquet"))


def lists_in(store, run) -> pd.DataFrame:
    return pd.read_parquet(store.download_artifacts(run.info.run_id, "lists/test.parquet"))


@pytest.mark.parametrize(
    ("model", "history"), [("EASE", "ranked"), ("Popularity", "masked"), ("Popularity", "novel")]
)
def test_a_model_of_ours_scored_from_files_has_the_ranks_of_its_own_trial(
    run_verb, mine, store, model, history
):
    options = ["--dataset", mine, "--history", history]
    assert run_verb("train", *options, "--model", model).returncode == 0
    trainer, _, sequences, split = trained(model, mine, history)
    for part, targets in (("valid", split.valid), ("test", split.test)):
        write_lists(trainer, sequences, targets, K, f"{part}.parquet")
        write_scores(trainer, sequences, targets, f"{part}.npz")
    for suffix in ("parquet", "npz"):
        done = run_verb(
            "score", f"test.{suffix}", "--valid", f"valid.{suffix}", *options, "--name", suffix
        )
        assert done.returncode == 0, done.stderr
    found = runs_of(store)
    own = found[model]
    for suffix in ("parquet", "npz"):
        run = found[suffix]
        for tag in ("data_digest", "protocol", "dataset_title", "synthetic"):
            assert run.data.tags[tag] == own.data.tags[tag]
        assert run.data.tags["seqrec.scored"] == f"test.{suffix}"
        assert run.info.status == "FINISHED"
        results = {k: v for k, v in own.data.metrics.items() if k.startswith(("test/", "best_val"))}
        assert run.data.metrics == pytest.approx(results, abs=0)
        for part in ("valid", "test"):
            expected = ranks_in(store, own, part)
            ranks = ranks_in(store, run, part)
            if (
                suffix == "parquet"
            ):  # of ties, items beyond the list may have a part in the last one
                known = expected["rank"] <= (K if model == "EASE" else K - 1)
                ranks["rank"] = ranks["rank"].where(known, MISS)
                expected["rank"] = expected["rank"].where(known, MISS)
            pd.testing.assert_frame_equal(ranks, expected)
        pd.testing.assert_frame_equal(lists_in(store, run), lists_in(store, own))
    assert int(found["parquet"].data.tags["seqrec.ranks_until"]) in (K - 1, K)
    assert "seqrec.ranks_until" not in found["npz"].data.tags


def test_a_sample_of_users_has_the_ranks_of_its_own_trial_and_counts_who_is_missing(
    run_verb, mine, store
):
    options = ["--dataset", mine, "--evaluate-users", "20"]
    assert run_verb("train", *options, "--model", "Popularity").returncode == 0
    trainer, _, sequences, split = trained("Popularity", mine, "ranked")
    write_lists(trainer, sequences, split.test, K, "all.parquet")
    done = run_verb("score", "all.parquet", *options, "--name", "all")
    assert (done.returncode, "have no result in the file" in done.stderr) == (0, False), done.stderr
    found = runs_of(store)
    own = ranks_in(store, found["Popularity"], "test")
    ranks = ranks_in(store, found["all"], "test")
    assert len(own) == 20
    known = own["rank"] < K  # of ties, items beyond the list may have a part in the last one
    assert (ranks["rank"][known] == own["rank"][known]).all()
    lists = pd.read_parquet("all.parquet")
    few = own["user"].iloc[:19]
    lists[lists["user"].isin(few)].to_parquet("few.parquet")
    done = run_verb("score", "few.parquet", *options, "--name", "few")
    assert "1 of 20 users have no result in the file: their targets count as misses" in done.stderr


def test_the_report_ranks_scored_runs_and_chooses_none_by_test(run_verb, mine, store, here):
    assert run_verb("train", "--dataset", mine, "--model", "Popularity").returncode == 0
    trainer, spec, sequences, split = trained("Popularity", mine, "ranked")
    folder, _ = export(spec, sequences, "csv", Path("exported"))
    for part, targets in (("valid", split.valid), ("test", split.test)):
        write_lists(trainer, sequences, targets, 12, folder / f"{part}.parquet")
    users = sequences.user_ids[split.test.users]
    pd.DataFrame({"user": users, "rank": 1}).to_csv("perfect.csv", index=False)
    done = run_verb("score", "perfect.csv", "--dataset", mine, "--name", "Perfect")
    assert done.stdout.splitlines()[1].startswith("test  recall@10 1.0000")
    assert "no --valid: the report shows the run last" in done.stdout
    files = [f"{folder}/test.parquet", "--valid", f"{folder}/valid.parquet"]
    for seed in ("1", "2"):
        options = ["--name", "Other", "--param", "learning_rate=0.1", "--param", f"seed={seed}"]
        done = run_verb("score", *files, "--dataset", mine, *options)
        assert done.returncode == 0, done.stderr
    assert "(ranks are known up to 12)" in done.stdout
    done = run_verb("report", "--experiment", "mine", "--output", "r.md")
    assert done.returncode == 0, done.stderr
    models = [row["model"] for row in printed(done.stdout)]
    assert models == ["Popularity", "Other (scored)", "Perfect (scored)"]
    assert "No learned model is among" in done.stdout  # another library's is not known to be one
    text = Path("r.md").read_text()
    assert "- **Model**: [Popularity]" in text
    assert "Rows 2, 3: scored from a file of another library" in text
    assert "Row 3: without a validation metric, and therefore last" in text
    assert "benchmark.score" not in text.split("## Commands")[0]
    cells = {}
    for line in text.split("## Cut-offs")[1].split("## Slices")[0].splitlines():
        if line.startswith("| recall@"):
            name, *values = (cell.strip() for cell in line.strip("| \n").split("|"))
            cells[name] = values
    assert cells["recall@10"][0] == cells["recall@10"][1]
    assert cells["recall@10"][2] == cells["recall@50"][2] == "1.0000"
    assert (cells["recall@20"][1], cells["recall@50"][1]) == ("", "")
    for form in ("json", "csv", "html", "latex"):
        output = f"r.{form}"
        done = run_verb("report", "--experiment", "mine", "--format", form, "--output", output)
        assert done.returncode == 0, done.stderr
    listed = json.loads(Path("r.json").read_text())["rows"]
    assert [(row["scored"], row["ranks_until"], row["valid"] == {}) for row in listed] == [
        (False, None, False),
        (True, 12, False),
        (True, None, True),
    ]
    assert [row["seconds"] is None for row in listed] == [False, True, True]
    run = runs_of(store)["Perfect"].info.run_id
    done = run_verb("promote", "--experiment", "mine", "--run", run)
    assert done.returncode == 1
    assert f"Error: run {run} was scored from a file (perfect.csv): another library" in done.stderr


def test_a_report_of_scored_runs_alone_needs_no_validation(run_verb, mine):
    _, sequences = load(mine)
    ids = sequences.item_ids.tolist()
    users = sequences.user_ids.tolist()
    pd.DataFrame({"user": users, "items": [ids] * len(users)}).to_parquet("all.parquet")
    done = run_verb("score", "all.parquet", "--dataset", mine, "--name", "Alphabet")
    assert done.returncode == 0, done.stderr
    assert "rows are of users without a target here: ignored" in done.stderr
    for form in ("markdown", "html"):
        done = run_verb("report", "--experiment", "mine", "--format", form)
        assert done.returncode == 0, done.stderr
        assert "Alphabet (scored)" in done.stdout
    done = run_verb("report", "--experiment", "mine", "--layout", "page")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no trial has a validation metric" in done.stderr
    done = run_verb("promote", "--experiment", "mine")
    assert done.returncode == 1
    assert "was scored from a file (all.parquet): another library trained it" in done.stderr


def test_wrong_use_is_one_line_and_logs_nothing(run_verb, mine, store):
    spec, sequences = load(mine)
    export(spec, sequences, "csv", Path("exported"))
    Path("exported/mine/csv/exported.json").write_text(
        '{"data_digest": "d", "split": "leave-one-out"}'
    )
    users = sequences.user_ids[spec.split_of(sequences).test.users]
    for name in ("good.csv", "exported/mine/csv/other.csv"):
        pd.DataFrame({"user": users, "rank": 1}).to_csv(name, index=False)
    Path("bad.csv").write_text("user,rank\nu1,0\n")
    given = ["--dataset", mine, "--name", "X"]
    for words, code, reason in (
        (["bad.csv", *given], 1, "bad.csv: a rank is 0"),
        (["none.csv", *given], 1, "none.csv: no such file"),
        (["good.csv", *given, "--valid", "bad.csv"], 1, "bad.csv: "),
        (
            ["good.csv", *given, "--exported", "exported/mine/csv"],
            1,
            "exported.json: the files are of",
        ),
        (["exported/mine/csv/other.csv", *given], 1, "their data_digest is d, the data set's is"),
        (["good.csv", "--dataset", "none", "--name", "X"], 1, "no data set is called 'none'"),
        (["good.csv", "--dataset", mine, "--name", "sasrec"], 2, "is a model of seqrec"),
        (["good.csv", *given, "--param", "epochs"], 2, "'epochs' is not NAME=VALUE"),
        (["good.csv", *given, "--param", "model=x"], 2, "model has an option of its own"),
        (["good.csv", *given, "--param", "a=1", "--param", "a=2"], 2, "a has two values, 1 and 2"),
    ):
        done = run_verb("score", *words)
        assert done.returncode == code, words
        assert reason in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr
        if code == 1:
            assert done.stderr.count("\n") == 1
    assert store.get_experiment_by_name("mine") is None
