"""Boards of several origins as one."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.errors import UserError
from benchmark.leaderboards.board import Board, Column
from benchmark.measures.protocol import Protocol


def merged(own: Board, others: Sequence[Board]) -> Board:
    """The rows of all boards, in the columns that they share: same data digest, same protocol.

    Rows of other boards get their origin. A model of theirs is left out if its trials are all here,
    or if it failed there and is here. Where the best row of a column comes from elsewhere, rows of
    other origins are not level with it: no test compares them. Raises UserError for a board that
    ranks by another metric, and for two boards of one origin, one's own included.
    """
    columns = list(own.columns)
    here = {outcome.run for _, _, cell in own.results() for outcome in cell.outcomes}
    origins = {own.origin} - {""}
    for board in others:
        if board.metric != own.metric:
            raise UserError(
                f"the leaderboard of {board.origin} ranks by {board.metric}, this one by "
                f"{own.metric}: give --metric {board.metric}"
            )
        if board.origin in origins:
            raise UserError(
                f"two leaderboards have the origin {board.origin}: change it in one file"
            )
        origins.add(board.origin)
        for column in board.columns:
            at = same(columns, column)
            known = {} if at is None else columns[at].cells
            cells = {
                replace(entry, origin=entry.origin or board.origin): cell
                for entry, cell in column.cells.items()
                if (not here.issuperset(o.run for o in cell.outcomes))
                or (not cell.outcomes and entry not in known)
            }
            theirs = replace(column, cells=cells, report="")
            if at is None and (cells or not column.cells):  # else all of it is here
                columns.append(theirs)
            elif at is not None:
                new = {entry: cell for entry, cell in cells.items() if entry not in known}
                columns[at] = replace(columns[at], cells=known | new)
    levelled = [_levelled(column, own.metric) for column in columns]
    return replace(own, columns=tuple(with_own_titles(levelled)))


def same(columns: list[Column], column: Column) -> int | None:
    """Where the column of the same data and protocol stands; None if there is none."""
    known = enumerate(columns) if column.basis else ()
    return next((at for at, other in known if other.basis == column.basis), None)


def _levelled(column: Column, metric: str) -> Column:
    best = column.best(metric)
    origins = {e.origin for e in column.cells if column.value(e, metric) == best}
    cells = {
        entry: replace(cell, level=cell.level and entry.origin in origins)
        for entry, cell in column.cells.items()
    }
    return replace(column, cells=cells)


def with_own_titles(columns: Sequence[Column]) -> list[Column]:
    """The columns, in the order of their titles. Columns of one title get what tells them apart:
    parts of the protocol, the name of the data set, how the digest begins, or else their number."""
    found = []
    for at in sorted(range(len(columns)), key=lambda at: (columns[at].title.lower(), at)):
        this = columns[at]
        twins = [c for c in columns if c.title == this.title and c is not this]
        apart = _apart(this, twins, at) if twins else ""
        found.append(replace(this, title=f"{this.title} ({apart})") if apart else this)
    return found


def _apart(this: Column, twins: list[Column], at: int) -> str:
    """What the column has and none of its twins; empty if all others have something."""
    every = [this, *twins]
    of_all = [Protocol.parse(column.protocol) for column in every]
    protocols = [str(p.without(of_all[:n] + of_all[n + 1 :])) for n, p in enumerate(of_all)]
    short = [protocol.partition(", ")[0] for protocol in protocols]
    for texts in (short, protocols):
        if texts.count(texts[0]) == 1:
            return texts[0]
    names = [column.dataset for column in every]
    digests = [column.digest.removeprefix("sha256:")[:8] for column in every]
    unique = (own[0] for own in (names, digests) if own.count(own[0]) == 1)
    return next(filter(None, unique), str(at))
