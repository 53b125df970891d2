"""A cell in words: what every format writes of a result, and in the place of one."""

from __future__ import annotations

from benchmark.leaderboards.board import Board, Cell, Column, Entry
from benchmark.reporting.section import with_deviation

MISSING = "missing"
FAILED = "failed"
NOT_AVAILABLE = "not available"
ONE_SEED = "one seed"
UNTUNED = "untuned"


def figure(cell: Cell, metric: str) -> str:
    """Mean ± deviation over the seeds; empty without a result."""
    mean = cell.mean(metric)
    return "" if mean is None else with_deviation(mean, cell.deviation(metric))


def remarks(entry: Entry, cell: Cell) -> list[str]:
    """What limits a result, in a word or two each; none of a cell without one."""
    if entry.kind != "learned" or not cell.outcomes:
        return []
    found = []
    if len(cell.outcomes) == 1:
        found.append(ONE_SEED)
    if cell.points_tried == 1:
        found.append(UNTUNED)
    return found


def state(column: Column, entry: Entry) -> str:
    """Why the cell has no result, in a word or two; empty if it has one.

    ``reason`` has the sentence.
    """
    cell = column.cells.get(entry)
    if cell and cell.outcomes:
        return ""
    if cell and cell.failure:
        return FAILED
    return NOT_AVAILABLE if column.unavailable else MISSING


def reason(column: Column, entry: Entry) -> str:
    """The cause of a cell without a result; empty if it is not known, or if there is a result."""
    cell = column.cells.get(entry)
    if cell and cell.outcomes:
        return ""
    return (cell.failure if cell else "") or column.unavailable


def best(board: Board, column: Column, entry: Entry) -> bool:
    """Whether the result is marked: the best of its column, or not significantly worse than it.

    Nothing is marked where one model alone has a result.
    """
    cell = column.cells.get(entry)
    value = column.value(entry, board.metric)
    alone = len(column.means(board.metric)) < 2
    if cell is None or value is None or entry.kind == "published" or alone:
        return False
    return cell.level or value == column.best(board.metric)
