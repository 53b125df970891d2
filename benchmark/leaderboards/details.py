"""What the page says of one cell when it is opened, as JSON for its script."""

from __future__ import annotations

import statistics
from typing import Any

from benchmark.durations import spoken
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome
from benchmark.leaderboards.shown import reason, remarks, state
from benchmark.reporting.section import shown_interval, with_deviation


def details(board: Board, column: Column, entry: Entry) -> dict[str, Any]:
    """``facts`` are pairs of a name and a text; ``metrics`` is a table, its heading first; ``runs``
    are the trials, one for each seed."""
    cell = column.cells.get(entry, Cell())
    return {
        "state": state(column, entry),
        "reason": reason(column, entry),
        "facts": _facts(board, entry, cell) if cell.outcomes else [],
        "metrics": _metrics(cell.outcomes, board.metric),
        "runs": [_run(outcome) for outcome in cell.outcomes],
    }


def _facts(board: Board, entry: Entry, cell: Cell) -> list[tuple[str, str]]:
    points = "" if cell.points_tried is None else str(cell.points_tried)
    memory = "" if cell.memory_mb is None else f"{cell.memory_mb:,.0f} MB"
    parameters = "" if cell.parameters is None else f"{cell.parameters:,.0f}"
    energy = "" if cell.energy_kwh is None else f"{cell.energy_kwh:.3g} kWh"
    found = [
        (f"95% interval of test {board.metric}", shown_interval(*cell.interval or (NAN, NAN))),
        ("remarks", ", ".join(remarks(entry, cell))),
        ("settings", cell.settings),
        ("points tried", points),
        ("time of a trial", _time(cell.seconds)),
        ("memory", memory),
        ("parameters", parameters),
        ("energy of a trial", energy),
        ("device", cell.device),
    ]
    return [(name, text) for name, text in found if text]


NAN = float("nan")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 10 else spoken(seconds)


def _metrics(outcomes: tuple[Outcome, ...], first: str) -> list[list[str]]:
    """A row for each metric, a column for each seed, and the mean of several seeds."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.test))
    names.sort(key=lambda name: name != first)
    if not names:
        return []
    several = len(outcomes) > 1
    head = ["test", *(_seed(outcome) for outcome in outcomes), *["mean"] * several]
    rows = []
    for name in names:
        values = [outcome.test.get(name) for outcome in outcomes]
        known = [value for value in values if value is not None]
        mean = ""
        if several and len(known) == len(values):
            mean = with_deviation(statistics.fmean(known), statistics.stdev(known))
        texts = ["" if value is None else f"{value:.4f}" for value in values]
        rows.append([name, *texts, *[mean] * several])
    return [head, *rows]


def _seed(outcome: Outcome) -> str:
    return "" if outcome.seed is None else f"seed {outcome.seed}"


def _run(outcome: Outcome) -> dict[str, str]:
    return {
        "seed": _seed(outcome),
        "run": outcome.run,
        "link": outcome.link if outcome.link.lower().startswith(("http://", "https://")) else "",
        "commit": outcome.commit,
        "time": _time(outcome.seconds),
        "command": outcome.command,
    }
