"""What the report prints: within the terminal's width, the best first."""

import click
import pytest

from benchmark.reporting.formats import terminal
from tests.benchmark.reporting.made import content, ended, trial
from tests.benchmark.reporting.test_report import printed

LONG = "a/folder/with/a/long/name/mine.py:LongNameOfAModel"
VERDICT = (
    "Nothing is known of the models, so that this sentence is longer than a line of the terminal. "
    "To run all of them: mlflow run . -P model=baselines -P dataset=demo -P history=masked",
)


def lines(found, width=None, bold=False):
    text = terminal.render(
        found.ranking, found.comparison, found.leaderboard, found.verdict, width=width, bold=bold
    )
    return text.splitlines()


@pytest.fixture(scope="module")
def many():
    """Ten models with long names and values, several seeds and settings, and a scored row."""
    trials = [
        trial(f"{LONG}{n}".replace(" ", "-"), 1 + n / 10, seed, dropout=rate)
        for n in range(10)
        for seed in (1, 2)
        for rate in (0.1, 0.123456789012345)
    ]
    return content(*trials, trial("中文模型", 3, learning_rate=0.002), verdict=VERDICT)


@pytest.mark.parametrize("width", [50, 60, 80, 100, 132, 200])
@pytest.mark.parametrize("bold", [False, True])
def test_tables_and_sentences_fit_the_terminal(many, width, bold):
    shown = lines(many, width, bold)
    command = VERDICT[0].partition(": ")[2]
    assert any(line.endswith(command) for line in shown)  # whole, to be copied
    assert {line for line in shown if terminal._length(line) > width} <= {command}
    if width == 80:
        heads = [line.split() for line in shown if line.startswith("  rank")]
        assert heads == [["rank", "model", "settings", "valid", "test", "seconds"]] * 2


def test_a_pipe_gets_every_column_and_no_line_is_broken(many):
    text = "\n".join(lines(many)) + "\n"
    assert text.startswith(f"{VERDICT[0]}\n\nThe best row of each model on validation:\n")
    assert text.count("\n\nAll 21 rows:\n") == 1
    rows = printed(text)
    assert len(rows) == 21
    assert {"95% interval", "better than", "best epoch", "parameters", "MB", "run"} <= {*rows[0]}
    assert rows[0]["settings"] == "dropout=0.1"


def test_the_best_and_what_it_does_not_beat_are_bold():
    found = content(trial("Good", 1, 1), trial("Twin", 1, 2), trial("Bad", 3))
    shown = [line for line in lines(found, 80, bold=True) if "\x1b" in line]
    assert [click.unstyle(line).split()[1] for line in shown] == ["Good", "Twin"]
    assert not [line for line in lines(found, 80) if "\x1b" in line]
    assert "Bold: the best test metrics, and those that are not significantly worse." in lines(
        found, 80, bold=True
    )


def test_one_table_is_enough_for_one_model_or_one_row_of_each():
    for trials in (
        [trial("One", 1), trial("One", 2, learning_rate=0.01)],
        [trial("One", 1), trial("Two", 2)],
    ):
        shown = lines(content(*trials))
        assert sum(line.startswith("---") for line in shown) == 1
        assert len(printed("\n".join(shown) + "\n")) == 2
        assert shown[0].split()[:2] == ["rank", "model"]


def test_trials_that_are_not_ranked_are_counted_by_reason():
    lost = [ended("FAILED", f"the loss is nan in epoch {n}: try a smaller one") for n in (3, 7)]
    killed = [ended("KILLED")]
    pruned = [ended("FINISHED", pruned=f"after epoch {n}") for n in (1, 2, 2)]
    found = lines(content(trial("One"), *lost, *killed, *pruned))
    assert found[-3:] == [
        "not ranked: 3 pruned after epoch …",
        "not ranked: 2 failed: the loss is nan in epoch …: try a smaller one",
        "not ranked: 1 killed",
    ]
    others = [ended("FAILED", reason) for reason in "abcdefgh"]
    assert lines(content(trial("One"), *others))[-1] == "not ranked: 3 for other reasons"
