"""The verdict over data sets: what leads, where it does not, what it costs, what is missing to be
sure."""

from __future__ import annotations

from benchmark.leaderboards.board import Board
from benchmark.leaderboards.overall import Overall, cost
from benchmark.leaderboards.shown import FAILED, MISSING, ONE_SEED, UNTUNED, remarks, state
from benchmark.leaderboards.shown import best as is_best
from benchmark.reporting.verdict import AS_FAST
from benchmark.reporting.words import listed, seconds

FEW = 10
"""Data sets, below which mean ranks differ significantly only by much."""
MOST = 4
"""Names in a sentence."""


def verdict(board: Board, found: Overall | None) -> list[str]:
    """A few sentences of plain text."""
    if found is None:
        return [_of_each(board), *_cautions(board, found)]
    sentences = [_leads(board, found), _elsewhere(board, found), _other_kind(board, found)]
    return [text for text in [*sentences, _cost(found), *_cautions(board, found)] if text]


def _of_each(board: Board) -> str:
    """The best model of each data set, where the data sets cannot be compared together."""
    found = []
    for column in board.columns:
        best = column.best(board.metric)
        if best is not None:
            leader = next(e for e in column.cells if column.value(e, board.metric) == best)
            found.append(f"{leader.name} on {column.title} ({board.metric} {best:.4f})")
    if not found:
        return "No trial has a result."
    return (
        "No comparison over data sets: no two of them have results of the same two models. The "
        f"best on each: {_few(found)}."
    )


def _leads(board: Board, found: Overall) -> str:
    first, *others = found.places
    n = len(found.columns)
    text = (
        f"{first.entry.name} has the best mean rank over {n} data sets by test {board.metric}: "
        f"{first.mean_rank:.2f} of {len(found.places)} models, with the highest value on "
        f"{first.wins if first.wins < n else 'all'}."
    )
    level = [place.entry.name for place in others if place.level]
    if not level:
        return f"{text} All other models rank significantly lower."
    who = "any other model's" if len(level) == len(others) else f"that of {_few(level)}"
    few = f" (with {n} data sets, only large differences are significant)" if n < FEW else ""
    return f"{text} Its mean rank is not significantly better than {who}{few}."


def _elsewhere(board: Board, found: Overall) -> str:
    """The data sets on which another model is significantly better, or just better."""
    leader = found.places[0].entry
    behind = []
    for column in found.columns:
        best = column.best(board.metric)
        own = column.value(leader, board.metric)
        if best is None or own is None or own == best:
            continue
        rival = next(e for e in column.cells if column.value(e, board.metric) == best)
        level = " (not significantly)" * is_best(board, column, leader)
        behind.append(f"{column.title}: {rival.name} {best:.4f} against {own:.4f}{level}")
    if not behind:
        return ""
    return f"Another model is ahead on {len(behind)} of {len(found.columns)}: {_few(behind, '; ')}."


def _other_kind(board: Board, found: Overall) -> str:
    """The leader against the best model of the other kind, learned or counted."""
    first = found.places[0]
    learned = first.entry.kind == "learned"
    kind = "counted" if learned else "learned"
    other = next((place for place in found.places if place.entry.kind == kind), None)
    if other is None:
        return f"No {kind} model was run on these data sets."
    better = [
        column.title
        for column in found.columns
        if (column.value(other.entry, board.metric) or 0)
        > (column.value(first.entry, board.metric) or 0)
    ]
    where = f"is better on {_few(better)}" if better else "is better on none of them"
    return (
        f"{other.entry.name}, the best {kind} model, has mean rank {other.mean_rank:.2f} and "
        f"{where}."
    )


def _cost(found: Overall) -> str:
    """Seconds of the leader against the fastest of the models that are level, or the next one."""
    first, *others = found.places
    rivals = [p for p in others if p.level] or others[:1]
    own = cost(found, first.entry, "seconds")
    timed = [(cost(found, p.entry, "seconds"), p) for p in rivals]
    known = [(value, place) for value, place in timed if value is not None]
    if own is None or not known:
        return ""
    fastest, place = min(known, key=lambda pair: pair[0])
    takes = f"A trial of {first.entry.name} takes {seconds(own)} (geometric mean)"
    if own < AS_FAST * fastest:
        return f"{takes}."
    return f"{takes}, {own / fastest:,.1f} times as long as one of {place.entry.name}."


def _cautions(board: Board, found: Overall | None) -> list[str]:
    """What is missing to be sure: real data, seeds, tuning, results."""
    doubts = []
    if found is not None and all(column.synthetic for column in found.columns):
        doubts.append("synthetic data")
    own = [entry for entry in board.entries if entry.kind in ("learned", "counted")]
    for remark, text in ((ONE_SEED, "one seed of {}"), (UNTUNED, "no tuning of {}")):
        cells = {
            entry: [c.cells[entry] for c in board.columns if entry in c.cells] for entry in own
        }
        names = [e.name for e in own if any(remark in remarks(e, cell) for cell in cells[e])]
        if names:
            doubts.append(text.format(_few(names)))
    for what, text in ((MISSING, "no result of {}"), (FAILED, "failed trials of {}")):
        lacks = {
            entry.name: [c.title for c in board.columns if state(c, entry) == what]
            for entry in own
            if not entry.origin
        }
        where = [f"{name} on {_few_of(titles)}" for name, titles in lacks.items() if titles]
        if where:
            doubts.append(text.format(_few(where)))
    if gone := [column.title for column in board.columns if column.unavailable]:
        doubts.append(f"not available: {_few(gone)}")
    return [f"Caution: {'; '.join(doubts)}."] if doubts else []


def _few_of(titles: list[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{len(titles)} data sets"


def _few(names: list[str], between: str = ", ") -> str:
    """A, B and C; of many the first ones and their number."""
    if len(names) > MOST:
        return f"{between.join(names[:MOST])} and {len(names) - MOST} more"
    return between.join(names) if between != ", " else listed(names)
