"""`python -m benchmark.report` as a user runs it, against a real store and a real server."""

import csv
import re
import time

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmark.reporting.frame import frame
from benchmark.reporting.ranking import order
from benchmark.tracking import schema
from benchmark.tracking.reading import run_ids
from benchmark.tracking.reading.record import record
from benchmark.tracking.reading.run_ids import whole_run_id
from benchmark.tracking.reading.trials import records
from benchmark.tracking.server import TrackingError
from tests import published
from tests.conftest import ROOT


@pytest.fixture
def report(run_verb):
    return lambda *options: run_verb("report", *options)


def log(
    client,
    experiment,
    learning_rate,
    ndcg,
    status="FINISHED",
    seconds=10.0,
    seed=None,
    model="BERT4Rec",
    **tags,
):
    """Log a run with this ndcg@10, or without results if it is None; return the run's id."""
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    run_id = client.create_run(experiment_id, run_name=f"lr {learning_rate}").info.run_id
    values = {"best_epoch": 3} if ndcg else {}
    if ndcg and seconds:
        values["trial_seconds"] = seconds
    for part in ("best_valid", "test") if ndcg else ():
        # The higher the ndcg, the lower the recall, so that the two rankings differ.
        values |= {f"{part}/{n}_at_10": 1 - ndcg for n in ("recall", "hit", "precision")}
        values |= {f"{part}/{n}_at_10": ndcg for n in ("ndcg", "mrr")}
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, 1, 1) for key, value in values.items()],
        params=[
            *([Param("learning_rate", str(learning_rate))] if learning_rate else []),
            Param("model", model),
            *([Param("seed", str(seed))] if seed else []),
        ],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def rows(text):
    """The rows of all tables in a report, headings included: a list of cells each."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines]


def printed(text):
    """The rows of the last table that a command printed: by heading the cells of each.

    A line of dashes says where the columns begin and end.
    """
    *_, table = re.finditer(r"(?m)^(?P<head>.*)\n(?P<rule>-+(?: +-+)+)\n(?P<rows>(?:.+\n)*)", text)
    spans = [found.span() for found in re.finditer("-+", table["rule"])]
    head, *found = (
        [line[begin:end].strip() for begin, end in spans]
        for line in (table["head"], *table["rows"].splitlines())
    )
    return [dict(zip(head, row, strict=True)) for row in found]


@pytest.mark.process
def test_runs_with_the_published_figures_give_the_published_page(run_command, store, here):
    published.log(store)
    words = ["python", "-m", "benchmark.report", "--experiment", "amazon-books"]
    done = run_command(*words, "--layout", "page", "--output", "page.md")
    assert done.returncode == 0, done.stderr
    expected = (ROOT / "tests/published_page.md").read_bytes()
    assert (here / "page.md").read_bytes() == expected


def test_by_default_the_page_is_followed_by_tables_in_a_file_that_is_named(report, store, here):
    published.log(store)
    done = report("--experiment", "amazon-books")
    assert "report written to reports/amazon-books.md" in done.stdout
    text = (here / "reports/amazon-books.md").read_text()
    above, page, below = text.partition((ROOT / "tests/published_page.md").read_text())
    assert above.startswith("BERT4Rec is the only model: test ndcg@10 0.0244")
    assert "No counted model is among these trials, so it is not known whether" in above
    assert page
    found = rows(below)
    assert [row[:5] for row in found[:1] + found[2:4]] == [
        ["rank", "model", "learning_rate", "valid ndcg@10", "test recall@10"],
        ["1", "BERT4Rec", "0.0003", "0.0387", "0.0526"],
        ["2", "BERT4Rec", "0.0005", "0.0353", "0.0487"],
    ]


def test_a_dash_writes_the_report_to_the_terminal_and_nothing_else(report, store, here):
    published.log(store)
    done = report("--experiment", "amazon-books", "--layout", "page", "--output", "-")
    assert done.stdout == (ROOT / "tests/published_page.md").read_text()
    assert not (here / "reports").exists()


@pytest.mark.process
def test_a_real_server_gives_the_same_page(report, server, here):
    published.log(MlflowClient(server))
    done = report("--experiment", "amazon-books", "--layout", "page", "--tracking-uri", server)
    assert done.returncode == 0, done.stderr
    expected = (ROOT / "tests/published_page.md").read_bytes()
    assert (here / "reports/amazon-books.md").read_bytes() == expected


@pytest.mark.process
def test_a_trained_trial_is_reported_with_its_command_and_data(report, train_here, here):
    assert train_here("--epochs", "1", "--learning-rate", "0.02").returncode == 0
    done = report("--experiment", "demo")
    assert done.returncode == 0, done.stderr
    text = (here / "reports/demo.md").read_text()
    assert "- **Dataset**: [Demo (synthetic)](demo-dataset.md)" in text
    card = (here / "reports/demo-dataset.md").read_text()
    assert "| Demo (synthetic) | 3,000 | 200 | 39,032 | 93.74% |" in card
    assert "  learning_rate choice [0.02]" in text
    assert "- The data are synthetic: these numbers say nothing about real users." in text
    assert (
        "`mlflow run . -P dataset=demo -P learning_rate=0.02 -P schedule=plateau -P epochs=1"
        in text
    )
    assert "| 3,000   | 200     | 39,032" in text
    for line in ("leave-one-out", "every item a candidate", "ties rank last", "the last 50"):
        assert f"- {line}" in text


def test_a_run_that_did_not_log_its_seconds_took_from_its_start_to_its_end(report, store, here):
    run = store.get_run(log(store, "e", 0.1, 0.3, seconds=None))
    store.set_terminated(run.info.run_id, "FINISHED", run.info.start_time + 3500)
    assert report("--experiment", "e").returncode == 0
    assert "- **Time cost**: 3.50s/trial\n" in (here / "reports/e.md").read_text()


def test_latex_has_the_settings_of_each_row_on_request(report, store, here):
    log(store, "e", 0.1, 0.3)
    options = ["--experiment", "e", "--no-log", "--output"]
    for full in ([], ["--full"]):
        assert report(*options, "e.tex", *full).returncode == 0
        assert ("learning\\_rate~0.1" in (here / "e.tex").read_text()) is bool(full)
    done = report(*options, "e.md", "--full")
    assert done.returncode == 2
    assert "--full needs --format latex" in done.stderr


def test_the_metric_decides_the_ranking(report, store, here):
    log(store, "e", 0.1, 0.3)
    log(store, "e", 0.2, 0.4)
    for metric, best in (("ndcg@10", "0.2"), ("recall@10", "0.1")):
        assert report("--experiment", "e", "--metric", metric).returncode == 0
        text = (here / "reports/e.md").read_text()
        assert f"best params:  {{'learning_rate': {best}}}" in text
    assert "best loss: -0.7]" in text


def test_a_terminal_gets_the_columns_that_fit_and_a_pipe_gets_all(run_verb, store):
    log(store, "e", 0.1, 0.3)
    (all_of_them,) = printed(run_verb("report", "--experiment", "e").stdout)
    assert "run" in all_of_them
    done = run_verb("report", "--experiment", "e", COLUMNS="60")
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 60  # the last line is the report's run
    cells = [line.split()[:4] for line in done.stdout.splitlines()]
    assert ["1", "BERT4Rec", "lr=0.1", "0.3000"] in cells


def test_trials_that_did_not_finish_are_listed_and_never_ranked(report, store, here):
    log(store, "e", 0.1, 0.3)
    log(store, "e", 0.2, 0.9, status="RUNNING")
    log(store, "e", 0.3, 0.9, status="KILLED")
    log(store, "e", 0.4, None, status="FAILED", failure="TrainingError: the loss is nan")
    log(store, "e", 0.5, None)
    done = report("--experiment", "e")
    assert "\nnot ranked: 1 running\n" in done.stdout
    text = (here / "reports/e.md").read_text()
    assert "learning_rate choice [0.1]" in text
    why = {row[0]: row[2] for row in rows(text.split("## Not ranked")[1])}
    assert {key: why[key] for key in why if key.startswith("lr")} == {
        "lr 0.2": "running",
        "lr 0.3": "killed",
        "lr 0.4": "failed: TrainingError: the loss is nan",
        "lr 0.5": "finished without results",
    }


def test_other_data_and_other_protocols_are_not_ranked_together(report, store, here):
    for learning_rate in (0.1, 0.2):
        log(store, "e", learning_rate, 0.3, data_digest="aaa", protocol="p")
    log(store, "e", 0.3, 0.9, data_digest="bbb", protocol="p")
    log(store, "e", 0.4, 0.9, data_digest="aaa", protocol="q")
    assert report("--experiment", "e").returncode == 0
    text = (here / "reports/e.md").read_text()
    assert "learning_rate choice [0.1, 0.2]" in text
    assert "| other data_digest: bbb instead of aaa" in text
    assert "| other protocol: q instead of p" in text


def test_names_from_runs_are_text_and_no_markup(report, store, here):
    log(store, "e", 0.1, 0.3)
    log(store, "e", 0.2, None, status="FAILED", failure="<script>alert(1)</script>\n| a | b |")
    assert report("--experiment", "e").returncode == 0
    text = (here / "reports/e.md").read_text()
    assert "&lt;script>alert(1)&lt;/script>\\\\n\\| a \\| b \\|" in text


def test_seeds_are_one_row_with_mean_and_deviation(report, store, here):
    for seed, ndcg in ((10, 0.2), (2, 0.4), (2, 0.9)):  # the last one repeats seed 2
        run_id = log(store, "e", 0.1, ndcg, seed=seed)
        if seed == 10:  # as `mlflow run -P system_metrics=true` does: no setting
            store.log_param(run_id, "system_metrics", "true")
    log(store, "e", 0.2, 0.35, seed=1)
    done = report("--experiment", "e")
    assert done.returncode == 0, done.stderr
    columns = ("rank", "model", "settings", "seeds", "valid ndcg@10", "test recall@10")
    assert [[row[name] for name in columns] for row in printed(done.stdout)] == [
        ["1", "BERT4Rec", "lr=0.1", "1", "0.9000", "0.1000"],
        ["2", "BERT4Rec", "lr=0.2", "1", "0.3500", "0.6500"],
        ["3", "BERT4Rec", "lr=0.1", "2", "0.3000 ± 0.1414", "0.7000 ± 0.1414"],
    ]
    page = (here / "reports/e.md").read_text()
    assert "learning_rate choice [0.1, 0.2]\n" in page
    assert "seed" not in page.split("# Sequential Recommendation")[1].split("## Trials")[0]
    assert "4/4 [00:40<00:00, 10.00s/trial" in page


def test_a_repeated_point_is_not_outranked_by_a_single_lucky_seed(report, store, here):
    """.2018 was best of the search and has .2000 over three seeds; another has .2002 with one."""
    repeated = {1: 0.2018, 2: 0.1995, 3: 0.1987}
    for seed, value in repeated.items():
        log(store, "e", 0.1, value, seed=seed)
    log(store, "e", 0.2, 0.2002, seed=1)
    log(store, "e", 0.3, 0.2001, seed=1, model="SASRec")
    log(store, "e", 0.1, repeated[1], seed=1)  # the same again: no independent result
    ranking = order(records(store, "e"), "ndcg@10")
    found = [(row.model, row.param("learning_rate"), len(row.records)) for row in ranking.rows]
    assert found == [
        ("SASRec", 0.3, 1),
        ("BERT4Rec", 0.1, 3),
        ("BERT4Rec", 0.1, 1),
        ("BERT4Rec", 0.2, 1),
    ]
    done = report("--experiment", "e")
    assert done.returncode == 0, done.stderr
    standing = (here / "reports/e.md").read_text().split("# ")[0]
    assert "0.2000 ± " in standing


def test_a_data_set_whose_path_is_written_otherwise_is_no_other_setting(report, store, here):
    for seed, path in enumerate(("a.yaml", "./a.yaml", "/data/a.yaml"), start=1):
        run = log(store, "e", 0.1, seed / 10, seed=seed, data_digest="d", protocol="p")
        store.log_param(run, "dataset", path)
    (row,) = order(records(store, "e"), "ndcg@10").rows
    assert len(row.records) == 3
    assert report("--experiment", "e").returncode == 0
    assert "dataset=./a.yaml" not in (here / "reports/e.md").read_text()


def test_learning_rates_are_numbers_however_they_were_written(report, store, here):
    for text, ndcg in (("3e-4", 0.3), ("0.0003", 0.2), ("0.01", 0.1)):
        log(store, "e", text, ndcg)
    assert report("--experiment", "e", "--layout", "page").returncode == 0
    page = (here / "reports/e.md").read_text()
    assert "learning_rate choice [0.0003, 0.01]" in page
    assert page.count("learning_rate:0.0003\n") == 2


def test_an_experiment_that_is_missing_empty_or_without_results_is_one_line(report, store, here):
    store.create_experiment("empty")
    log(store, "failed", 0.1, None, status="FAILED", failure="TrainingError: the loss is nan")
    for name, message in (
        ("no", f"there is no experiment 'no' at {store.tracking_uri}; there are: "),
        ("empty", f"experiment 'empty' at {store.tracking_uri} has no runs yet"),
        ("failed", "no trial has finished, so there is nothing to rank: lr 0.1 failed: Training"),
    ):
        done = report("--experiment", name)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (here / "reports").exists()


def test_a_server_that_does_not_answer_is_one_line_in_seconds(report):
    started = time.monotonic()
    done = report("--experiment", "e", "--tracking-uri", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the tracking server http://127.0.0.1:9 does not answer")
    assert len(done.stderr.splitlines()) == 1
    print(f"gave up after {time.monotonic() - started:.1f} s")


def test_an_output_that_cannot_be_written_is_said_so(report, store, here):
    log(store, "e", 0.1, 0.3)
    (here / "file").write_text("")
    done = report("--experiment", "e", "--output", "file/report.md")
    assert done.returncode == 1
    assert "file/report.md: cannot be written" in done.stderr


def test_a_tag_of_a_user_hides_no_trial_and_takes_no_report(report, store, here):
    words = ("report", "heartbeat", "published", "started_run", "sweep", "pruned", "failure")
    words += (schema.REPORT, schema.HEARTBEAT)
    trials = [log(store, "e", n / 10, n / 10, **{word: "mine"}) for n, word in enumerate(words, 1)]
    log(store, "e", 1, None, status="FAILED", report="mine")
    done = report("--experiment", "e")
    assert done.returncode == 0, done.stderr
    assert len(printed(done.stdout)) == len(words)
    assert "(published)" not in done.stdout
    assert "not ranked: 1 failed" in done.stdout
    assert not any(store.list_artifacts(run_id) for run_id in trials)
    assert report("--experiment", "e").stdout.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_stores_of_earlier_versions_are_read(report, store, run_verb, here):
    """Their runs are tagged ``report``, ``heartbeat`` and ``published``."""
    published.log(store)
    assert run_verb("published", str(ROOT / "tests/published_page.md")).returncode == 0
    assert report("--experiment", "amazon-books").returncode == 0
    experiment_id = store.get_experiment_by_name("amazon-books").experiment_id
    count = 0
    for run in store.search_runs([experiment_id]):
        for tag in (schema.REPORT, schema.HEARTBEAT, schema.PUBLISHED):
            if tag in run.data.tags:
                store.set_tag(run.info.run_id, tag.removeprefix("seqrec."), run.data.tags[tag])
                store.delete_tag(run.info.run_id, tag)
                count += 1
    assert count == 8  # the report, the page twice, and its five trials
    done = report("--experiment", "amazon-books", "--with-published")
    models = [row["model"] for row in printed(done.stdout)]
    assert [models.count(name) for name in ("BERT4Rec", "BERT4Rec (published)")] == [5, 5]
    assert len(store.search_runs([experiment_id])) == 12
    again = run_verb("published", str(ROOT / "tests/published_page.md"))
    assert "logged before" in again.stdout


def test_a_name_that_reads_as_a_number_stays_a_name(store):
    run_id = store.create_run(store.create_experiment("e")).info.run_id
    for name, text in (("dataset", "007"), ("model", "12"), ("learning_rate", "3e-4")):
        store.log_param(run_id, name, text)
    params = record(store.get_run(run_id)).params
    assert params == {"dataset": "007", "model": "12", "learning_rate": 0.0003}


def test_the_first_characters_of_a_run_id_name_the_run(store):
    ids = [log(store, name, 0.1, 0.3) for name in ("one", "two")]
    for run_id in ids:
        assert whole_run_id(store, run_id[:8]) == whole_run_id(store, run_id) == run_id
    assert whole_run_id(store, "0" * 8) == "0" * 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_ids, "BEGINNING", re.compile(""))  # of any run
        with pytest.raises(
            TrackingError, match=r"several runs begin with , such as [0-9a-f]{32} and"
        ):
            whole_run_id(store, "")


def test_points_tried_are_counted_and_unequal_tuning_is_a_warning(report, store, here):
    """A point is all settings but the seed; trials that failed were tried, those on other data
    were not."""
    same = {"data_digest": "aaa", "protocol": "p"}
    for learning_rate, seed in ((0.1, 1), (0.1, 2), (0.2, 1)):
        log(store, "e", learning_rate, learning_rate, seed=seed, **same)
    log(store, "e", 0.3, None, status="FAILED", seed=1, **same)
    log(store, "e", 0.4, 0.4, seed=1, data_digest="bbb", protocol="p")
    log(store, "e", 0.1, 0.05, seed=1, model="SASRec", **same)
    counted = log(store, "e", None, 0.01, model="EASE", **same)
    store.log_metric(counted, "last_epoch", 16)
    again = log(store, "e", None, None, model="EASE", status="KILLED", **same)
    store.log_metric(again, "last_epoch", 1)  # it was stopped after its first value
    assert report("--experiment", "e").returncode == 0
    text = (here / "reports/e.md").read_text()
    header, _, *table = rows(text.split("## Trials")[1].split("## Warnings")[0])
    tried = header.index("points tried")
    assert [(row[1], row[tried]) for row in table] == [
        ("BERT4Rec", "3"),
        ("BERT4Rec", "3"),
        ("SASRec", "untuned"),
        ("EASE", "16"),
    ]
    assert "not tuned equally (points tried: BERT4Rec 3, SASRec untuned)" in text


def test_a_setting_that_is_called_like_a_column_has_one_of_its_own(report, store, here):
    """A model outside seqrec may have a rank, and count its seconds."""
    for rank in (8, 16):
        run = log(store, "e", 0.1, rank / 100)
        store.log_param(run, "rank", rank)
        store.log_param(run, "seconds", rank * 100)
    assert report("--experiment", "e").returncode == 0
    text = (here / "reports/e.md").read_text()
    header, _, *table = rows(text.split("## Trials")[1].split("## Warnings")[0])
    found = [dict(zip(header, row, strict=True)) for row in table]
    assert [(row["rank"], row["rank (setting)"]) for row in found] == [("1", "16"), ("2", "8")]
    assert [row["seconds (setting)"] for row in found] == ["1600", "800"]
    assert report("--experiment", "e", "--format", "csv").returncode == 0
    (first, _) = csv.DictReader((here / "reports/e.csv").open())
    assert (first["rank"], first["rank (setting)"]) == ("1", "16")
    table = frame(records(store, "e"))
    assert table["seconds (setting)"].tolist() == [1600, 800]
    assert table["seconds"].tolist() != [1600, 800]


def test_models_that_were_tuned_equally_are_no_warning(report, store, here):
    for model in ("BERT4Rec", "SASRec"):
        for learning_rate in (0.1, 0.2):
            log(store, "e", learning_rate, learning_rate, model=model)
    assert report("--experiment", "e").returncode == 0
    assert "tuned equally" not in (here / "reports/e.md").read_text()


@pytest.mark.parametrize("stray", [None, (0.05, 1), (0.05, 7)])
def test_a_stray_row_decides_between_no_others(store, stray):
    """Neither one of a seed that the others have, nor one of another."""
    for rate, values in ((0.1, (0.33, 0.14, 0.13)), (0.2, (0.32, 0.31, 0.30))):
        for seed, value in enumerate(values, start=1):
            log(store, "e", rate, value, seed=seed)
    if stray:
        log(store, "e", 0.3, stray[0], seed=stray[1])
    found = [row.param("learning_rate") for row in order(records(store, "e"), "ndcg@10").rows]
    assert found == [0.2, 0.1, *([0.3] if stray else [])]


def test_a_better_single_seed_stands_before_a_repeated_point(store):
    for seed, value in enumerate((0.20, 0.21, 0.19), start=1):
        log(store, "e", 0.1, value, seed=seed)
    log(store, "e", 0.2, 0.30, seed=1)
    log(store, "e", 0.3, 0.195, seed=1)
    log(store, "e", 0.4, 0.40, seed=9)  # no seed in common: the means count
    found = [row.param("learning_rate") for row in order(records(store, "e"), "ndcg@10").rows]
    assert found == [0.4, 0.2, 0.1, 0.3]
