"""`benchmark.diff` on a real store: the same cells of two commits, or of two files."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmark.leaderboards import exchange
from benchmark.leaderboards.changes import apart, changes
from tests.benchmark.leaderboards.test_exchange import small
from tests.benchmark.reporting.test_comparison import USERS, log
from tests.conftest import ROOT


def git(name: str) -> str:
    done = subprocess.run(
        ["git", "rev-parse", name], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def seeds(store, model, worse, commit, *, rate=0.1, n=3, experiment="shop"):
    """Log the trials of a model; ``worse`` is added to all ranks."""
    found = []
    for seed in range(1, n + 1):
        rng = np.random.default_rng(seed)
        ranks = rng.integers(1, 12, USERS) + worse
        how = {"experiment": experiment, "seed": seed, "rate": rate, "git_commit": commit}
        how["command"] = f"mlflow run . -P learning_rate={rate} -P seed={seed}"
        found.append((log(store, model, ranks, **how), ranks))
    return found


@pytest.fixture
def two_states(store):
    """Trials on the last commit ("before"), and on it with changes ("after")."""
    before, after = git("HEAD"), git("HEAD") + "+"
    for commit, worse in ((before, 0), (after, 4)):
        seeds(store, "Worse", worse, commit)
        seeds(store, "Same", 0, commit)
        seeds(store, "Better", 4 - worse, commit)
        seeds(store, "Once", worse, commit, n=1)
        seeds(store, "Other", 0, commit, rate=0.1 if worse else 0.3)
    seeds(store, "Lost", 0, before)
    failed = seeds(store, "Lost", 0, after, n=1)[0][0]
    store.update_run(failed, status="FAILED")
    seeds(store, "Away", 0, before)
    seeds(store, "New", 0, after)
    return store


def lines(text: str) -> dict[str, list[str]]:
    """The cells of the printed table by model."""
    rows = [line.split() for line in text.splitlines()]
    return {row[1]: row for row in rows if len(row) > 2 and row[0] == "shop"}


@pytest.mark.process  # it asks git
def test_two_commits_are_compared_cell_by_cell(run_verb, two_states):
    done = run_verb("diff", "--before", "HEAD", "--after", "HEAD+")
    assert done.returncode == 3, done.stderr
    found = lines(done.stdout)
    assert "worse" in found["Worse"]
    assert " ".join(found["Worse"][-4:-2]) == "and seeds"
    assert "equal" in found["Same"]
    assert "better" in found["Better"]
    assert "users (one seed)" in " ".join(found["Once"])
    assert "lost" in found["Lost"]
    assert "not run" in " ".join(found["Away"])
    assert "new" in found["New"]
    assert " ".join(found["Other"]).endswith(
        "equal users and seeds x 1.00 learning_rate 0.3 -> 0.1"
    )
    summary, others = done.stdout.splitlines()[-2:]
    assert summary.startswith("8 cells: 2 worse, 2 equal, 1 lost, 1 not run, 1 better, 1 new; ")
    assert others == "1 cell with other settings: the difference is not of the code alone"
    back = run_verb("diff", "--before", "HEAD+", "--after", "HEAD", "--fail-on", "never")
    assert back.returncode == 0
    assert "worse" in lines(back.stdout)["Better"]


@pytest.mark.process  # it asks git
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("no-such-tag", "Error: no-such-tag: neither a file nor a commit or tag of "),
        ("HEAD~1", "+ (17)"),
        ("--all", "neither a file nor"),
    ],
)
def test_a_state_without_trials_is_one_line(run_verb, two_states, state, message):
    done = run_verb("diff", f"--before={state}", "--after", "HEAD")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.process  # it asks git
def test_a_commit_of_another_clone_is_named_by_its_hash(run_verb, store):
    seeds(store, "Worse", 0, "f" * 40)
    seeds(store, "Worse", 4, "f" * 40 + "+")
    done = run_verb("diff", "--before", "f" * 7, "--after", "f" * 40 + "+")
    assert done.returncode == 3, done.stderr
    assert "worse" in lines(done.stdout)["Worse"]


def test_two_files_without_their_server_are_compared_over_seeds(run_verb, here):
    for name, first in (("old", 0.3), ("new", 0.2)):
        (here / f"{name}.json").write_text(exchange.dump(small(first=first)))
    done = run_verb("diff", "--before", "old.json", "--after", "new.json", MLFLOW_TRACKING_URI="")
    assert done.returncode == 3, done.stderr
    assert not (here / "mlflow.db").exists()
    worse, ease = [line for line in done.stdout.splitlines() if line.startswith("Set A")]
    expected = stats.ttest_ind([0.2, 0.21], [0.3, 0.31], equal_var=False)
    assert f"{expected.pvalue:.2g}  worse " in worse
    assert ease.endswith(" equal")


def test_files_of_other_data_have_nothing_to_compare(run_verb, here):
    content = json.loads(exchange.dump(small()))
    (here / "old.json").write_text(json.dumps(content))
    content["columns"][0]["digest"] = "other"
    (here / "new.json").write_text(json.dumps(content))
    done = run_verb("diff", "--before", "old.json", "--after", "new.json", MLFLOW_TRACKING_URI="")
    assert done.returncode == 1
    assert "not compared: Set A (only before has these data under this protocol)" in done.stderr
    assert "have no result of one model on the same data and protocol" in done.stderr


def test_data_without_a_digest_are_not_compared():
    """Nothing says that they are the same."""
    (column, _) = small().columns
    boards = [
        replace(small(), columns=(replace(column, digest="", title=title),))
        for title in ("Mine", "Yours")
    ]
    assert changes(*boards, None) == []
    assert apart(*boards) == [
        "Mine (before has no digest of its data)",
        "Yours (after has no digest of its data)",
    ]


def test_a_longer_time_is_slower_only_beyond_the_noise_of_its_seeds():
    def timed(*seconds: float):
        board = small()
        column = board.columns[0]
        entry, cell = next(iter(column.cells.items()))
        made = [
            replace(outcome, seconds=time)
            for outcome, time in zip(cell.outcomes, seconds, strict=True)
        ]
        mean = sum(seconds) / len(seconds)
        cells = column.cells | {entry: replace(cell, outcomes=tuple(made), seconds=mean)}
        return replace(board, columns=(replace(column, cells=cells),))

    def change(before, after):
        return changes(timed(*before), timed(*after), None)[0]

    assert change((10, 11), (13, 14)).slower
    assert change((10, 11), (13, 14)).seconds == pytest.approx(13.5 / 10.5)
    assert change((10, 11), (13, 14)).memory == 1
    assert not change((10, 11), (11.5, 12)).slower  # less than 1.2 times
    assert not change((10, 20), (19, 25)).slower  # the seeds overlap
    assert change((13, 14), (10, 11)).faster
    assert not change((0.2, 0.3), (0.9, 1.0)).slower  # by less than a second


def test_a_model_that_was_not_run_again_is_no_failure(run_verb, two_states):
    commit = git("HEAD")
    seeds(two_states, "Same", 0, commit, experiment="again")
    seeds(two_states, "Away", 0, commit, experiment="again")
    seeds(two_states, "Same", 0, "a" * 40, experiment="again")
    done = run_verb("diff", "--before", "HEAD", "--after", "a" * 40, "--experiment", "again")
    assert done.returncode == 0, done.stderr
    assert "2 cells: 1 equal, 1 not run; " in done.stdout
