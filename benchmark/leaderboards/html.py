"""The page of a leaderboard: models by data sets, with filters, details and charts, as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from benchmark.leaderboards import shown
from benchmark.leaderboards.board import Board, Column, Entry
from benchmark.leaderboards.charts import charts
from benchmark.leaderboards.details import details
from benchmark.leaderboards.overall import Overall, ordered
from benchmark.measures.protocol import Protocol
from benchmark.reporting.formats import tables, templates
from benchmark.reporting.words import counted, number

TEMPLATE = "leaderboard.html.j2"
COUNTS = ("users", "items", "interactions")  # of a data set
HERE = "this page"  # the origin of rows without one, where the page has no name
FEW = 6  # models and data sets that are left out: more than these are folded


@dataclass(frozen=True)
class Head:
    """The head of a data set's column."""

    title: str
    synthetic: bool
    protocol: str
    own: str
    """What its protocol has and not all others have."""
    report: str
    """The address of its report; may be empty."""


@dataclass(frozen=True)
class Figure:
    """A cell of the table."""

    text: str
    notes: tuple[str, ...]
    best: bool
    detail: int | None
    """The number of its details; None without any."""
    known: bool
    """Whether there is a figure."""
    reason: str
    """Why there is none; may be empty."""


@dataclass(frozen=True)
class Row:
    entry: Entry
    figures: list[Figure]
    standing: dict[str, str]
    """Over the data sets: a text by heading."""
    level: bool
    """Whether its mean rank is not significantly worse than the first."""

    @property
    def beside(self) -> str:
        """What the row's name says beside the model's: its kind and origin."""
        return self.entry.name[len(self.entry.model) :].strip()


def render(board: Board, found: Overall | None, verdict: list[str]) -> str:
    """index.html. Without a comparison over data sets it has their figures alone."""
    heads = _heads(board)
    opened: list[dict[str, Any]] = []
    rows = [_row(board, found, entry, opened) for entry in ordered(board, found)]
    seconds = [[_seconds(column, row.entry) for column in board.columns] for row in rows]
    return templates.render(
        TEMPLATE,
        charts(found) if found else [],
        board=board,
        name="leaderboard",
        synthetic=_synthetic(board),
        facts=_facts(board),
        verdict=verdict,
        heads=heads,
        common=_common(board).parts,
        rows=rows,
        found=found,
        notes=shown.scope(board, found),
        left_out=shown.left_out(found) if found else [],
        few=FEW,
        here=board.origin or HERE,
        groups=_groups(board, heads),
        timed=any(second is not None for row in seconds for second in row),
        datasets=_datasets(board),
        seconds=templates.script(seconds),
        details=templates.script(opened),
    )


def _synthetic(board: Board) -> bool:
    """Whether all results are of synthetic data."""
    found = {column.synthetic for column, _, _ in board.results()}
    return found == {True}


def _facts(board: Board) -> list[str]:
    trials = sum(len(cell.outcomes) for _, _, cell in board.results())
    found = [
        f"{board.metric}",
        counted(len(board.columns), "data set"),
        counted(len(board.entries), "model"),
        counted(trials, "trial"),
    ]
    if board.made:
        found.append(f"made {board.made[:16].replace('T', ' ')} UTC")
    if board.version:
        found.append(f"version {board.version}")
    return found + [f"by {board.origin}"] * bool(board.origin)


def _heads(board: Board) -> list[Head]:
    common = _common(board)
    return [
        Head(
            column.title,
            column.synthetic,
            column.protocol,
            own=str(Protocol.parse(column.protocol).without([common])),
            report=quote(column.report.lstrip("/")),  # never an address elsewhere
        )
        for column in board.columns
    ]


def _common(board: Board) -> Protocol:
    """The parts of the protocol that all data sets share."""
    protocols = [Protocol.parse(column.protocol).parts for column in board.columns]
    first = protocols[0] if protocols else ()
    return Protocol(tuple(part for part in first if all(part in other for other in protocols)))


def _row(board: Board, found: Overall | None, entry: Entry, opened: list[dict[str, Any]]) -> Row:
    """Appends the details of its cells to ``opened``."""
    figures = []
    for at, column in enumerate(board.columns):
        cell = column.cells.get(entry)
        text = shown.figure(cell, board.metric) if cell else ""
        state = shown.state(column, entry)
        detail = None
        if cell or column.unavailable:
            detail = len(opened)
            opened.append({"column": at, **details(board, column, entry)})
        figures.append(
            Figure(
                text or state or f"no {board.metric}",
                tuple(shown.remarks(entry, cell)) if cell and text else (),
                shown.best(board, column, entry),
                detail,
                bool(text),
                shown.reason(column, entry),
            )
        )
    level = found is not None and any(p.level for p in found.places if p.entry == entry)
    return Row(entry, figures, shown.standing(found, entry), level)


def _seconds(column: Column, entry: Entry) -> float | None:
    cell = column.cells.get(entry)
    return round(cell.seconds, 3) if cell and cell.seconds is not None else None


def _groups(board: Board, heads: list[Head]) -> dict[str, tuple[str, list[str]]]:
    """What can be chosen, by its name in the link to a view: a label, and the choices."""
    entries = board.entries
    here = board.origin or HERE
    found: dict[str, tuple[str, Iterable[str]]] = {
        "data": ("Data sets", [head.title for head in heads]),
        "protocol": ("Protocols", dict.fromkeys(head.protocol for head in heads)),
        "kind": ("Kinds of model", dict.fromkeys(entry.kind for entry in entries)),
        "origin": ("Origins", dict.fromkeys(entry.origin or here for entry in entries)),
    }
    groups = {name: (label, list(choices)) for name, (label, choices) in found.items()}
    return {name: group for name, group in groups.items() if len(group[1]) > 1}


def _datasets(board: Board) -> tables.Shown | None:
    """What trials logged of the data sets."""
    columns = board.columns
    if not columns:
        return None
    made = [tables.column("data set", [shown.titled(column) for column in columns])]
    for name in COUNTS:
        made.append(tables.column(name, [_statistic(column, name) for column in columns]))
    made.append(tables.column("digest", [column.digest for column in columns]))
    made.append(tables.column("protocol", [column.protocol for column in columns]))
    return tables.table("data sets", made)


def _statistic(column: Column, name: str) -> str:
    return number(column.statistics.get(name), ",.0f")
