"""`benchmark.report --runs A B`: two chosen runs."""

from pathlib import Path

import pytest

from benchmark.tracking import schema
from tests.benchmark.reporting.test_report import printed


@pytest.fixture
def runs(run_verb, own_data, store):
    """The ids of four trials: Markov with two seeds, Popularity, and Markov under another
    protocol."""
    for options in (
        ["Markov"],
        ["Markov", "--seed", "2"],
        ["Popularity"],
        ["Markov", "--history", "masked"],
    ):
        done = run_verb("train", "--dataset", own_data, "--model", *options)
        assert done.returncode == 0, done.stderr
    experiment = store.get_experiment_by_name("mine")
    found = store.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [run.info.run_id for run in found]


def test_two_runs_are_compared_and_each_is_a_row(run_verb, runs, store):
    first, again, other, masked = runs
    done = run_verb("report", "--runs", first[:8], other)
    assert done.returncode == 0, done.stderr
    assert [row["model"] for row in printed(done.stdout)] == ["Markov", "Popularity"]
    page = Path(f"reports/mine-{first[:8]}-{other[:8]}.md").read_text()
    assert again[:8] not in page

    done = run_verb("report", "--runs", first, again, "--no-log")  # they differ in their seed alone
    models = {row["model"] for row in printed(done.stdout)}
    assert models == {f"Markov {first[:8]}", f"Markov {again[:8]}"}
    assert "which leads on validation, and Markov" in done.stdout

    done = run_verb("report", "--runs", first, masked)
    assert done.returncode == 1
    assert "Error: the runs cannot be compared: " in done.stderr
    assert "other protocol: " in done.stderr


def test_wrong_runs_are_one_line(run_verb, runs, store):
    first, second, deleted, *_ = runs
    store.delete_run(deleted)
    experiment = store.get_experiment_by_name("mine")
    done = run_verb("report", "--experiment", "mine")
    (report,) = store.search_runs([experiment.experiment_id], f"tags.`{schema.REPORT}` != ''")
    for words, code, message in (
        (["--runs", first, "f" * 32], 1, f"Error: run {'f' * 32} does not exist on the server"),
        (["--runs", first, deleted], 1, f"mlflow runs restore --run-id {deleted}"),
        (["--runs", first, report.info.run_id], 1, "is no trial: "),
        (["--runs", first, second, "--experiment", "mine"], 2, "give either --experiment"),
        (["--runs", first], 2, "'--runs' requires 2 arguments"),
        (["--runs", first, first[:8]], 1, f"--runs names run {first} twice"),
        ([], 2, "give either --experiment"),
    ):
        done = run_verb("report", *words)
        assert done.returncode == code
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    store.restore_run(deleted)


def test_the_suffix_of_the_output_is_its_format(run_verb, runs):
    for name, beginning in (
        ("o.html", "<!doctype html>"),
        ("o.csv", "rank,"),
        ("o.txt", "markov leads on validation "),
    ):
        words = ["report", "--experiment", "mine", "--no-log", "--output", name]
        assert run_verb(*words).returncode == 0
        assert Path(name).read_text().lower().startswith(beginning)
    done = run_verb(*words[:-1], "o.html", "--format", "csv")
    assert done.returncode == 0
    assert Path("o.html").read_text().startswith("rank,")
