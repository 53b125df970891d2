"""`python -m benchmark.published` as a user runs it. The figures below are invented."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.measures.metrics import NAMES
from benchmark.recbole import page as result_page
from benchmark.recbole.contradictions import contradictions
from benchmark.recbole.published_page import PageError
from benchmark.reporting.formats import page
from benchmark.reporting.ranking import order
from benchmark.tracking import heartbeat, schema
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.sweeps import SweepRecord
from benchmark.tracking.writing import published as writing
from tests import published
from tests.benchmark.reporting.test_report import printed
from tests.conftest import ROOT
from tests.forked import Process

EXAMPLE = ROOT / "tests/published_page.md"
VALID = "recall@10 : 0.2    mrr@10 : 0.1    ndcg@10 : 0.15    hit@10 : 0.2    precision@10 : 0.02"
TEST = VALID.replace("0.2 ", "0.1 ")
WORSE = VALID.replace("0.15", "0.12")
BEST_RESULT = (
    "{'model': 'CosRec', 'best_valid_score': 0.15, 'valid_score_bigger': True, "
    "'best_valid_result': OrderedDict([('recall@10', 0.2), ('mrr@10', 0.1), ('ndcg@10', 0.15), "
    "('hit@10', 0.2), ('precision@10', 0.02)]), 'test_result': OrderedDict([('recall@10', 0.1), "
    "('mrr@10', 0.1), ('ndcg@10', 0.15), ('hit@10', 0.1), ('precision@10', 0.02)])}"
)
PAGE = f"""# Sequential Recommendation

- **Dataset**: [MovieLens-1m](../md/ml-1m.md)

- **Model**: [CosRec](https://example.org/cosrec)

- **Time cost**: 3.51s/trial

- **Hyper-parameter searching** (hyper.test):

  ```yaml
  learning_rate in [5e-4,1e-3]
  hidden_sizes choice ['[64, 32]']{" "}
  ```

- **Best parameters**:

  ```yaml
  learning_rate: 5e-4
  hidden_sizes: '[64, 32]'
  ```

- **Hyper-parameter logging** (hyper.result):

  ```yaml
  hidden_sizes:'[64, 32]', learning_rate:1e-3
  Valid result:
  {WORSE}
  Test result:
  {TEST}

  hidden_sizes:'[64, 32]', learning_rate:5e-4
  Valid result:
  {VALID}
  Test result:
  {TEST}
  ```

- **Logging Result**:

  ```yaml
  100%|██████████| 2/2 [00:07<00:00,  3.51s/trial, best loss: -0.15]
  best params:  {{'hidden_sizes': '[64, 32]', 'learning_rate': 0.0005}}
  best result:{" "}
  {BEST_RESULT}
  ```
"""
TIME = "- **Time cost**: 3.51s/trial\n\n"
BAR = "  100%|██████████| 2/2 [00:07<00:00,  3.51s/trial, best loss: -0.15]\n"


@pytest.fixture
def read(run_verb):
    return lambda *options: run_verb("published", *options)


@pytest.fixture
def report(run_verb):
    return lambda *options: run_verb("report", *options)


def as_page(report, experiment, *options):
    done = report("--experiment", experiment, "--layout", "page", "--output", "page.out", *options)
    assert done.returncode == 0, done.stderr
    return Path("page.out").read_bytes().decode()


def parsed(here, text):
    (here / "page.md").write_text(text, encoding="utf-8")
    return result_page.read(here / "page.md")


def runs(store, experiment):
    """The runs of an experiment, oldest first, without the run that keeps the report."""
    found = store.get_experiment_by_name(experiment)
    if found is None:
        return []
    all_of_them = store.search_runs([found.experiment_id], order_by=["start_time ASC"])
    return [run for run in all_of_them if schema.REPORT not in run.data.tags]


def test_the_published_page_comes_back_byte_for_byte_from_runs_that_say_what_they_are(
    read, report, store, here
):
    done = read(str(EXAMPLE))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "published_page.md: 5 trials of BERT4Rec on Amazon-Books: run " in done.stdout
    assert as_page(report, "amazon-books") == EXAMPLE.read_text(encoding="utf-8")
    assert as_page(report, "amazon-books", "--sweep", "published_page").startswith("# Sequential")
    found = runs(store, "amazon-books")
    (parent,) = [run for run in found if run.info.run_name == "published_page"]
    kept = store.download_artifacts(parent.info.run_id, "published_page.md", str(here))
    assert Path(kept).read_bytes() == EXAMPLE.read_bytes()
    trials = [run for run in found if run.info.run_id != parent.info.run_id]
    rates = [run.data.params["learning_rate"] for run in trials]
    assert rates == list(published.TRIALS)
    for run in trials:
        assert run.info.status == "FINISHED"
        assert run.data.tags[schema.PUBLISHED] == "published_page.md"
        assert run.data.metrics["trial_seconds"] == published.SECONDS
        assert not {"data_digest", "protocol"} & run.data.tags.keys()


def test_a_page_comes_back_as_it_was_read_whatever_it_says(read, report, here):
    """Its spaces, line ends and fences, the sections it lacks, and its contradictions."""
    odd = PAGE.replace("5e-4\n", "5e-4  \n").replace("  ```yaml", "```").replace(" : ", ":")
    odd = odd.replace("\n  ", "\n\t  ").replace("1m]", "z]").replace("\n", "\r\n")
    bar = "the bar counts 12 trials; 2 are listed"
    files = {
        "ml-1m": PAGE,
        "movielens-w": PAGE.replace("2/2", "12/12").replace("1m]", "w]"),
        "movielens-x": PAGE.replace(TIME, "").replace("1m]", "x]"),
        "movielens-y": PAGE.replace(TIME, "").replace(BAR, "").replace("1m]", "y]"),
        "movielens-z": "\ufeff" + odd,
    }
    for name, text in files.items():
        (here / f"{name}.md").write_bytes(text.encode())
    done = read(*(f"{name}.md" for name in files))
    assert done.returncode == 0
    for name, text in files.items():
        said = report("--experiment", name, "--layout", "page", "--output", "page.out").stderr
        assert (here / "page.out").read_bytes() == text.encode()
        assert (f"warning: The page contradicts itself: {name}.md:39: {bar}." in said) == (
            name == "movielens-w"
        )


def test_a_page_with_a_link_that_a_browser_runs_is_refused(here):
    for target in ("javascript:alert(1", " JavaScript:x", "java&#115;cript&colon;x", "data:x"):
        with pytest.raises(PageError, match="a link that is http, https or relative"):
            parsed(here, PAGE.replace("../md/ml-1m.md", target))


def test_a_page_of_other_metrics_is_read_and_cannot_be_ranked(read, report, store, here):
    (here / "page.md").write_text(PAGE.replace("@10", "@5"), encoding="utf-8")
    assert read("page.md", "--experiment", "five").returncode == 0
    assert runs(store, "five")[-1].data.metrics["test/ndcg_at_5"] == 0.15
    assert "no trial has finished" in report("--experiment", "five").stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate: 5e-4", "rate: 1e-3", "16: the best parameters reach valid ndcg@10 0.12; a trial"),
        ("rate: 5e-4", "rate: 7e-4", "16: the best parameters are those of no trial"),
        ("'learning_rate': 0.0005", "'learning_rate': 0.001", "39: best params {'hidden"),
        ("'best_valid_score': 0.15", "'best_valid_score': 0.16", "39: best_valid_score 0.16 is no"),
        ("ndcg@10', 0.15), ('hit@10', 0.2)", "ndcg@10', 0.15), ('hit@10', 0.3)", "39: the best v"),
        ("('hit@10', 0.1)", "('hit@10', 0.3)", "39: the best test result is not that of its trial"),
        ("best_valid_result", "best_result", "39: the best result cannot be read"),
        ("'CosRec'", "'SASRec'", "39: the best result is of model 'SASRec'; the page's is"),
        ("2/2 [", "3/3 [", "39: the bar counts 3 trials; 2 are listed"),
        ("00:07", "00:09", "39: the bar's 9 s in all are not 2 times 3.51 s"),
        ("3.51s/trial\n", "3.61s/trial\n", "7: a time cost of 3.61 s/trial; the bar has 3.51"),
        ("best loss: -0.15", "best loss: -0.14", "39: best loss -0.14 is not minus best_valid_sco"),
        (WORSE, WORSE.replace("hit@10 : 0.2", "hit@10 : 0.3"), "26: valid hit@10 0.3 is not rec"),
    ],
)  # fmt: skip
def test_a_contradiction_is_a_line(here, old, new, said):
    assert contradictions(parsed(here, PAGE)) == []
    assert PAGE.count(old) == 1
    found = contradictions(parsed(here, PAGE.replace(old, new)))
    assert any(f"page.md:{said}" in line for line in found), found


def test_contradictions_are_said_and_kept_with_the_page(read, store, here):
    (here / "page.md").write_text(PAGE.replace("3.51s/trial\n", "9s/trial\n"), encoding="utf-8")
    done = read("page.md")
    assert done.returncode == 0
    said = "page.md:7: a time cost of 9.0 s/trial; the bar has 3.51\n"
    assert done.stderr == said
    (parent,) = [run for run in runs(store, "ml-1m") if "contradictions" in run.data.tags]
    assert parent.data.tags["contradictions"] == said.strip()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# Sequential", "# General", "1: expected '# Sequential Recommendation', found"),
        (PAGE, "", "1: expected '# Sequential Recommendation', found nothing"),
        ("- **Model**", "- Model", "47: expected '- **Model**: [NAME](LINK)', found no such line"),
        (": [CosRec](https://example.org/cosrec)", ":", "5: expected '- **Model**: [NAME](LINK)'"),
        ("3.51s/trial\n", "an hour\n", "7: expected a time cost such as 12.34s/trial, found 'an h"),
        ("- **Model**", "- **Dataset**", "5: expected each section once, found"),
        ("rate: 5e-4", "rate 5e-4", "19: expected a parameter such as learning_rate:0.001, found"),
        ("rate:5e-4\n  Valid", "rate:5e-4\n  Best", "33: expected 'Valid result:', found"),
        (VALID, "", "35: expected figures such as recall@10 : 0.0831, found 'Test result:'"),
        (VALID, VALID + " and more", "34: expected figures such as recall@10 : 0.0831, found 'and"),
        (f"{TEST}\n  ```", f"{TEST}\n\n  learning_rate:1\n  ```", "38: expected 'Valid result:'"),
        (f"{TEST}\n  ```", TEST, "38: expected ``` at the end of the block of line 25, found"),
        (f"{BEST_RESULT}\n  ```", BEST_RESULT, "41: expected ``` at the end of this block, fou"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_page_is_an_error_with_its_line(here, old, new, said):
    assert PAGE.count(old) == 1
    with pytest.raises(PageError) as error:
        parsed(here, PAGE.replace(old, new))
    assert f"page.md:{said}" in str(error.value)


def test_if_one_file_is_no_page_none_is_written(read, here):
    (here / "good.md").write_text(PAGE, encoding="utf-8")
    (here / "bad.md").write_bytes(b"\xff\xfe")
    done = read("good.md", "bad.md")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: bad.md: the page cannot be read: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (here / "mlflow.db").exists()
    (here / "other").mkdir()
    (here / "other/good.md").write_text(PAGE + "\n", encoding="utf-8")
    done = read("good.md", "other/good.md")
    assert "good.md and other/good.md are both called 'good'" in done.stderr
    assert not (here / "mlflow.db").exists()


def test_a_page_is_kept_once_and_its_name_is_its_own(read, run_command, store, here):
    (here / "page.md").write_text(PAGE, encoding="utf-8")
    assert read("page.md").returncode == 0
    count = len(runs(store, "ml-1m"))
    again = read("page.md", "--name", "again")
    assert (again.returncode, again.stderr) == (0, "")
    assert "page.md: logged before, as 'page': run " in again.stdout
    (here / "page.md").write_text(PAGE + "\n", encoding="utf-8")
    other = read("page.md")
    assert other.returncode == 1
    assert "another page is called 'page' in experiment 'ml-1m'" in other.stderr
    assert "give this one another --name" in other.stderr
    assert len(runs(store, "ml-1m")) == count
    assert read("page.md", "--name", "other").returncode == 0
    assert len(runs(store, "ml-1m")) == 2 * count


@pytest.mark.process
def test_a_page_that_three_processes_log_at_once_is_kept_once(store, here):
    words = ["benchmark.published", str(EXAMPLE)]
    processes = [Process(words, {**os.environ}) for _ in range(3)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, said
    assert sum("5 trials of BERT4Rec on Amazon-Books: run " in out for out, _ in said) == 1
    assert sum("logged before, as 'published_page': run " in out for out, _ in said) == 2
    found = runs(store, "amazon-books")
    assert len(found) == 6
    (parent,) = [run for run in found if schema.PAGE_DIGEST in run.data.tags]
    assert all(parent.info.run_id in out for out, _ in said)


@pytest.fixture
def unfinished(read, store, here, monkeypatch):
    """The run of page.md, whose process has logged all of it but its end, and is dead."""
    monkeypatch.setattr(heartbeat, "BEAT", 0.02)
    monkeypatch.setattr(heartbeat, "DEAD_AFTER", 0.1)
    (here / "page.md").write_text(PAGE, encoding="utf-8")
    assert read("page.md").returncode == 0
    (parent,) = [run for run in runs(store, "ml-1m") if run.info.run_name == "page"]
    store.update_run(parent.info.run_id, status="RUNNING")
    return parent


def test_a_page_that_another_process_finishes_between_two_looks_is_kept_once(
    read, store, unfinished, monkeypatch
):
    find_page = writing.find_page
    looks = []

    def look(*words):
        found = find_page(*words)
        looks.append(found)
        if len(looks) == 2:  # the command looks first, then it waits for its turn
            store.update_run(unfinished.info.run_id, status="FINISHED")
        return found

    monkeypatch.setattr(writing, "find_page", look)
    assert "logged before, as 'page'" in read("page.md").stdout
    assert looks[:2] == [None, None]
    assert len(runs(store, "ml-1m")) == 3


def test_a_page_whose_reading_was_cut_off_is_read_again(read, store, unfinished):
    assert read("page.md").returncode == 0
    assert [run.info.status for run in runs(store, "ml-1m")] == ["FINISHED"] * 3
    assert unfinished.info.run_id not in [run.info.run_id for run in runs(store, "ml-1m")]


def test_published_trials_stand_beside_others_only_when_asked_for(read, report, store, here):
    published.log(store)
    assert read(str(EXAMPLE)).returncode == 0
    own = report("--experiment", "amazon-books")
    assert "(published)" not in own.stdout
    assert "\npublished trials, ranked by --with-published: 5\n" in own.stdout
    both = report("--experiment", "amazon-books", "--with-published", "--sweep", "published_page")
    assert (here / "reports/amazon-books-published_page.md").exists()
    assert [row["model"] for row in printed(both.stdout)] == ["BERT4Rec (published)"] * 5
    both = report("--experiment", "amazon-books", "--with-published")
    models = sorted(row["model"] for row in printed(both.stdout))
    assert models == ["BERT4Rec"] * 5 + ["BERT4Rec (published)"] * 5
    text = (here / "reports/amazon-books.md").read_text()
    assert f"\n\n{EXAMPLE.read_text()}" in text  # the page has only trials that ran here
    assert "Published rows are figures of a page: they cannot be traced" in text
    page_alone = report("--experiment", "amazon-books", "--sweep", "published_page")
    assert [row["model"] for row in printed(page_alone.stdout)] == ["BERT4Rec (published)"] * 5
    text = (here / "reports/amazon-books-published_page.md").read_text()
    assert text.startswith("|   rank | model")  # published figures alone: no verdict
    assert f"\n\n{EXAMPLE.read_text()}" in text


FIGURES = st.lists(
    st.floats(0, 1).map(lambda x: round(x, 4)), min_size=len(NAMES), max_size=len(NAMES)
).map(lambda values: dict(zip(NAMES, values, strict=True)))
POINTS = st.tuples(st.floats(1e-9, 1e3), st.integers(), st.sampled_from(["none", "swap 2"]))


@given(
    st.lists(st.tuples(POINTS, FIGURES, FIGURES), min_size=1, max_size=5),
    st.none() | st.floats(0.01, 1e6),
)
def test_what_is_rendered_is_read(tmp_path_factory, trials, seconds):
    names = ("learning_rate", "hidden", "augment")
    records = [
        Record(
            run_id=str(number),
            name=str(number),
            artifact_uri="",
            status="FINISHED",
            started=number,
            params={"model": "M"} | dict(zip(names, map(str, point), strict=True)),
            valid=valid,
            test=test,
            best_epoch=None,
            last_epoch=None,
            metrics={},
            seconds=seconds,
            tags={},
            statistics={},
        )
        for number, (point, valid, test) in enumerate(trials)
    ]
    space = [f"{name} choice [1]" for name in names]
    total = seconds and seconds * len(records)
    ranking = order(records, "ndcg@10")
    ranking = replace(ranking, sweep=SweepRecord("s", space, len(records), total, []))
    path = tmp_path_factory.mktemp("page") / "page.md"
    path.write_text(page.render(ranking, "Title", "card"), encoding="utf-8")
    found = result_page.read(path)
    assert (found.dataset, found.card, found.model, found.space) == ("Title", "card", "M", space)
    assert [(trial.valid, trial.test) for trial in found.trials] == [(v, t) for _, v, t in trials]
    assert (found.bar is None) == (seconds is None)
    assert not found.bar or found.bar.agrees
    said = " ".join(contradictions(found))
    assert "best" not in said
    assert "bar" not in said
