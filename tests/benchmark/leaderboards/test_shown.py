"""The words of all formats: what is compared over the data sets."""

from dataclasses import replace

from benchmark.leaderboards.overall import overall
from benchmark.leaderboards.shown import scope, standing
from tests.benchmark.leaderboards import boards


def test_a_row_that_is_not_compared_has_the_same_headings():
    board = boards.realistic()
    found = overall(board)
    names = [list(standing(found, entry)) for entry in board.entries]
    assert names == [["mean rank", "wins", "ratio to SLIM", "p"]] * len(board.entries)
    assert not any(standing(found, next(iter(found.models_left_out))).values())
    assert "6 models on 3 data sets (MovieLens-1M; Amazon Beauty" in " ".join(scope(board, found))


def test_a_baseline_with_0_has_no_ratio_and_the_page_says_so():
    board = boards.realistic()
    found = overall(board)
    none = replace(found, places=tuple(replace(place, ratio=None) for place in found.places))
    assert list(standing(none, found.baseline)) == ["mean rank", "wins", "p"]
    assert "There is no ratio to SLIM: it has 0 on a data set." in scope(board, none)


def test_without_a_comparison_there_are_no_mean_ranks():
    board = boards.realistic()
    assert standing(None, board.entries[0]) == {}
    assert "no mean ranks" in " ".join(scope(board, None))
