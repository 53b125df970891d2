"""Models compared over data sets, with ranks, wins and ratios computed in another way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.errors import UserError
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome
from benchmark.leaderboards.overall import ordered, overall
from benchmark.leaderboards.verdict import verdict

KINDS = {"EASE": "counted", "Page": "published"}


def entry(model: str) -> Entry:
    return Entry(model, KINDS.get(model, "learned"))


def made(values: dict[str, dict[str, float]], synthetic: tuple[str, ...] = ()) -> Board:
    """A board of {data set: {model: test ndcg@10}}."""
    columns = [
        Column(
            dataset=title,
            title=title,
            protocol="leave-one-out",
            digest=title,
            synthetic=title in synthetic,
            cells={
                entry(model): Cell((Outcome(f"{title} {model}", 1, {"ndcg@10": value}),))
                for model, value in of.items()
            },
        )
        for title, of in values.items()
    ]
    return Board("ndcg@10", tuple(columns))


def complete(values: np.ndarray) -> Board:
    """Of [models, data sets]: the models M0, M1, ... on the data sets D0, D1, ..."""
    return made(
        {
            f"D{column}": {f"M{row}": float(v) for row, v in enumerate(of)}
            for column, of in enumerate(values.T)
        }
    )


@given(
    st.integers(3, 6).flatmap(
        lambda models: st.lists(
            st.lists(st.integers(1, 9), min_size=models, max_size=models), min_size=2, max_size=7
        )
    )
)
def test_ranks_wins_and_ratios_of_any_values(rows):
    values = np.array(rows).T / 10  # [models, data sets]
    found = overall(complete(values), baseline="M1")
    frame = pd.DataFrame(values, index=[f"M{i}" for i in range(len(values))])
    ranks = frame.rank(ascending=False).mean(axis=1)
    for place in found.places:
        name = place.entry.name
        assert place.mean_rank == pytest.approx(ranks[name])
        assert place.wins == (frame.loc[name] == frame.max()).sum()
        assert place.ratio == pytest.approx(stats.gmean(frame.loc[name] / frame.loc["M1"]))
    assert [p.mean_rank for p in found.places] == sorted(ranks)
    assert found.places[0].p is None
    assert all(p.level == (p.p >= 0.05) for p in found.places[1:])
    within = [p.mean_rank - found.places[0].mean_rank for p in found.places if p.level]
    assert all(difference <= found.critical_difference + 1e-9 for difference in within)


def test_two_models_have_wilcoxons_test_over_the_data_sets():
    better = np.array(
        [[0.11, 0.22, 0.33, 0.44, 0.55, 0.66, 0.77], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]]
    )
    found = overall(complete(better))
    assert found.places[1].p == pytest.approx(2 / 2**7)  # all signs alike, of 2^7 equally likely
    assert not found.places[1].level
    assert found.friedman is found.critical_difference is None


def test_what_lacks_most_results_is_left_out_and_said():
    board = made(
        {
            "A": {"X": 0.3, "Y": 0.2, "EASE": 0.1, "Page": 0.9},
            "B": {"X": 0.3, "Y": 0.4, "EASE": 0.1},
            "C": {"X": 0.3, "Y": 0.2, "EASE": 0.1, "New": 0.5},
            "Small": {"X": 0.1},
            "Demo": {"X": 0.1, "Y": 0.9, "EASE": 0.9, "New": 0.1},
        },
        synthetic=("Demo",),
    )
    board = replace(
        board, columns=(*board.columns, Column("No", "No", "p", "d", unavailable="lost"))
    )
    found = overall(board)
    assert [column.title for column in found.columns] == ["A", "B", "C"]
    assert [(p.entry.name, p.mean_rank, p.wins) for p in found.places] == [
        ("X", pytest.approx(4 / 3), 2),
        ("Y", pytest.approx(5 / 3), 1),
        ("EASE", 3.0, 0),
    ]
    assert found.baseline == entry("EASE")  # the best counted model
    assert found.places[0].ratio == pytest.approx(3.0)
    assert found.models_left_out == {
        entry("Page"): "published figures",
        entry("New"): "no result on A, B, Small",
    }
    assert found.columns_left_out == {
        "No": "lost",
        "Demo": "synthetic data",
        "Small": "no result of Y, EASE",
    }
    assert [e.name for e in ordered(board, found)] == [
        "X", "Y", "EASE", "New", "Page (published)",
    ]  # fmt: skip
    text = " ".join(verdict(board, found))
    assert "X has the best mean rank over 3 data sets by test ndcg@10: 1.33 of 3 models" in text
    assert (
        "Another model is ahead on 2 of 3: Y on B (0.4000 against 0.3000) and New (not compared) "
        "on C (0.5000 against 0.3000)." in text
    )
    assert "EASE, the best counted model, has mean rank 3.00 and is better on none" in text
    assert "not available: No" in text


def test_synthetic_data_sets_alone_are_compared():
    values = {"A": {"X": 0.3, "Y": 0.2}, "B": {"X": 0.3, "Y": 0.4}}
    board = made(values, synthetic=("A", "B"))
    found = overall(board)
    assert len(found.columns) == 2
    assert "Caution: synthetic data;" in " ".join(verdict(board, found))


def test_without_two_models_on_two_data_sets_nothing_is_compared():
    board = made({"A": {"X": 0.3, "Y": 0.2}, "B": {"Z": 0.3}})
    assert overall(board) is None
    assert verdict(board, None)[0].endswith("X on A (ndcg@10 0.3000) and Z on B (ndcg@10 0.3000).")
    assert verdict(made({}), None) == ["No trial has a result."]


def test_synthetic_data_are_not_compared_with_real_ones_and_the_verdict_says_so():
    board = made({"A": {"X": 0.3, "Y": 0.2}, "Demo": {"X": 0.3, "Y": 0.2}}, synthetic=("Demo",))
    assert overall(board) is None
    assert "No two real data sets have results of the same two models." in verdict(board, None)[0]


def test_models_of_equal_mean_ranks_share_the_first_place():
    board = made({"A": {"X": 0.3, "Y": 0.2}, "B": {"X": 0.3, "Y": 0.6}})
    found = overall(board)
    assert [place.entry.name for place in found.places] == ["Y", "X"]  # the higher geometric mean
    assert verdict(board, found)[0] == (
        "Y and X share the best mean rank over 2 data sets by test ndcg@10: 1.50 of 2 models."
    )


@pytest.mark.parametrize(
    "values",
    [
        {"A": dict.fromkeys("XYZUV", 0.1), "B": {"X": 0.2, "Y": 0.1}},
        {"A": {"X": 0.2, "Y": 0.1}, "B": {"X": 0.2, "Y": 0.1}, "C": {"X": 0.1}, "D": {"X": 0.1}},
    ],
)
def test_two_models_on_two_data_sets_are_compared_whatever_else_is_missing(values):
    found = overall(made(values))
    assert [column.title for column in found.columns] == ["A", "B"]
    assert [place.entry.name for place in found.places] == ["X", "Y"]


def test_one_data_set_under_two_protocols_is_no_independent_evidence():
    board = made({"A": {"X": 0.3, "Y": 0.2}, "B": {"X": 0.3, "Y": 0.6}, "C": {"X": 0.1, "Y": 0.2}})
    twice = [replace(column, digest="d") for column in board.columns[:2]]
    board = replace(board, columns=(*twice, board.columns[2]))
    text = " ".join(verdict(board, overall(board)))
    assert "Caution: the same data under several protocols: A and B;" in text


def test_a_baseline_that_is_not_compared_is_refused():
    with pytest.raises(UserError, match="no row is called 'Z'; there are: X, Y"):
        overall(made({"A": {"X": 0.3, "Y": 0.2}, "B": {"X": 0.3, "Y": 0.4}}), "Z")


def test_a_result_of_zero_has_no_ratio():
    found = overall(made({"A": {"X": 0.3, "EASE": 0.0}, "B": {"X": 0.3, "EASE": 0.4}}))
    assert [place.ratio for place in found.places] == [None, None]
