"""The leaderboard: which figures lead, and which the best one does not significantly beat."""

import numpy as np
import pytest

from benchmark.reporting.comparison import compare
from benchmark.reporting.labels import labels
from benchmark.reporting.leaderboard import leaderboard
from benchmark.reporting.ranking import order
from benchmark.tracking.reading.ranks import ranks as read_ranks
from benchmark.tracking.reading.trials import records
from tests.benchmark.reporting.test_comparison import log, ranks

__all__ = ["ranks"]  # fixtures


@pytest.fixture
def read(store):
    """``read()``: the ranking of the experiment and its leaderboard."""

    def read():
        ranking = order(records(store, "e"), "ndcg@10")
        tables = read_ranks(store, ranking.records, "test").tables
        return ranking, leaderboard(ranking, compare(ranking, tables, "ndcg@10", "t"))

    return read


def test_each_model_has_its_best_row_on_validation(store, ranks, read):
    for rate in (0.1, 0.2):
        log(store, "Good", ranks["Good"] + 10 * (rate == 0.1), rate=rate)
    log(store, "Bad", ranks["Bad"])
    ranking, board = read()
    assert [(s.row.entry, s.row.param("learning_rate")) for s in board.standings] == [
        ("Good", 0.2),
        ("Bad", 0.1),
    ]
    assert board.metrics == ["ndcg@10", "recall@10", "mrr@10"]
    assert labels(ranking, [1, 2, 3]) == {
        1: "1 Good lr=0.2",
        2: "2 Bad",
        3: "3 Good lr=0.1",
    }


def test_what_the_best_does_not_beat_is_level_with_it(store, ranks, read):
    for model, found in ranks.items():
        log(store, model, found)
    _, board = read()
    standing = {s.row.model: s for s in board.standings}
    for metric in board.metrics:
        of = {model: found.test[metric] for model, found in standing.items()}
        assert [of[model].level for model in ("Good", "Twin", "Bad")] == [True, True, False]
        assert sum(figure.best for figure in of.values()) >= 1
        assert not of["Bad"].best
    bad = standing["Bad"].place
    assert standing["Good"].better_than == standing["Twin"].better_than == [bad]
    low, high = standing["Bad"].interval
    assert low < standing["Bad"].test["ndcg@10"].mean < high


def test_two_seconds_that_are_equal_are_both_second(store, ranks, read):
    log(store, "Good", ranks["Good"])
    for model in ("Bad", "Bad too"):
        log(store, model, ranks["Bad"])
    _, board = read()
    seconds = {s.row.model: s.test["ndcg@10"].second for s in board.standings}
    assert seconds == {"Good": False, "Bad": True, "Bad too": True}


def test_a_published_figure_is_neither_best_nor_level(store, ranks, read):
    log(store, "Good", ranks["Good"])
    log(store, "Best", np.ones(400, int), **{"seqrec.published": "page.md"})
    _, board = read()
    published, own = board.standings
    assert published.row.entry == "Best (published)"
    assert published.interval is None
    for figure in published.test.values():
        assert (figure.best, figure.level, figure.second) == (False, False, False)
    assert own.test["ndcg@10"].best
