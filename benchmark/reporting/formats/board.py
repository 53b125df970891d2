"""The leaderboard as rows of text: what the terminal and markdown have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.comparison import Comparison
    from benchmark.reporting.leaderboard import Leaderboard
    from benchmark.reporting.section import Table

LEFT = ("model", "settings", "better than", "run")  # aligned as text; numbers are aligned right


def best_rows(
    rows: Sequence[Mapping[str, object]], board: Leaderboard, mark: Callable[[str], str]
) -> Table:
    """The best row of each model, of all ``rows``, whose cells are ready to be shown.

    ``mark`` marks each test metric that is the best, or not significantly worse than the best.
    """
    found = []
    for standing in board.standings:
        row = dict(rows[standing.place - 1])
        if "better than" in row:
            row["better than"] = ", ".join(map(str, standing.better_than))
        level = [f"test {name}" for name, figure in standing.test.items() if figure.level]
        if len(board.standings) > 1:
            row |= {name: mark(str(row[name])) for name in level}
        found.append(row)
    return found


def marks(board: Leaderboard, comparison: Comparison | None) -> str:
    """What is marked, in a sentence; empty if nothing is."""
    figures = [figure for standing in board.standings for figure in standing.test.values()]
    if len(board.standings) < 2 or not any(figure.level for figure in figures):
        return ""
    worse = ", and those that are not significantly worse" if comparison else ""
    return f"Bold: the best test metrics{worse}."


def alignments(rows: Table, names: list[str]) -> list[str]:
    """For each column, left or right."""
    # Figures with and without a deviation are aligned at their decimal point.
    left = {n for n in names if n in LEFT or any("±" in str(row[n]) for row in rows)}
    return ["left" if name in left else "right" for name in names]
