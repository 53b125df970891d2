"""The verdict over data sets: which model leads, on which data sets another one is ahead, what a
trial costs, and which results are missing."""

from __future__ import annotations

from collections import Counter

from benchmark.leaderboards.board import Board
from benchmark.leaderboards.overall import Overall, Place, cost
from benchmark.leaderboards.shown import (
    FAILED,
    MISSING,
    ONE_SEED,
    UNTUNED,
    not_compared,
    remarks,
    state,
)
from benchmark.leaderboards.shown import best as is_best
from benchmark.reporting.comparison import EQUAL
from benchmark.reporting.words import few, seconds

FEW = 10
"""Data sets, below which mean ranks differ significantly only by much."""
MOST = 4
"""Names in a sentence."""


def verdict(board: Board, found: Overall | None) -> list[str]:
    """A few sentences of plain text, the most important first."""
    if found is None:
        return [_of_each(board), *_cautions(board, found)]
    sentences = [_leads(board, found), _level(found), _elsewhere(board, found)]
    sentences += [_other_kind(board, found), _cost(found), *_cautions(board, found)]
    return [text for text in sentences if text]


def _of_each(board: Board) -> str:
    """The best model of each data set, where the data sets cannot be compared together."""
    found = []
    for column in board.columns:
        if leader := column.leader(board.metric):
            best = column.value(leader, board.metric)
            found.append(f"{leader.name} on {column.title} ({board.metric} {best:.4f})")
    if not found:
        return "No trial has a result."
    each = few(found, MOST)
    return f"No comparison over data sets. {not_compared(board)}. The best on each: {each}."


def _leads(board: Board, found: Overall) -> str:
    first = found.places[0]
    n = len(found.columns)
    tied = [p.entry.name for p in found.places if p.mean_rank - first.mean_rank < EQUAL]
    who = f"{first.entry.name} has" if len(tied) == 1 else f"{few(tied, MOST)} share"
    text = (
        f"{who} the best mean rank over {n} data sets by test {board.metric}: "
        f"{first.mean_rank:.2f} of {len(found.places)} models"
    )
    if len(tied) > 1:
        return f"{text}."
    return f"{text}, with the highest value on {first.wins if first.wins < n else 'all'}."


def _level(found: Overall) -> str:
    """The models that rank as the first one does, as far as these data sets tell."""
    first, *others = found.places
    level = [place.entry.name for place in others if place.level]
    if not level:
        return "All other models rank significantly lower."
    who = "any other model" if len(level) == len(others) else few(level, MOST)
    n = len(found.columns)
    limit = f" (with {n} data sets, only large differences are significant)" if n < FEW else ""
    return f"{first.entry.name} does not rank significantly better than {who}{limit}."


def _elsewhere(board: Board, found: Overall) -> str:
    """The data sets on which another model is ahead, compared or not."""
    leader = found.places[0].entry
    compared = {place.entry for place in found.places}
    behind = []
    for column in found.columns:
        rival = column.leader(board.metric)
        best = column.best(board.metric)
        own = column.value(leader, board.metric)
        if rival is None or best is None or own is None or own >= best - EQUAL:
            continue
        level = ", no significant difference" * is_best(board, column, leader)
        name = f"{rival.name}{' (not compared)' * (rival not in compared)}"
        behind.append(f"{name} on {column.title} ({best:.4f} against {own:.4f}{level})")
    if not behind:
        return ""
    return f"Another model is ahead on {len(behind)} of {len(found.columns)}: {few(behind, MOST)}."


def _rival(found: Overall) -> Place | None:
    """The best model of the other kind than the first one's: learned or counted."""
    kind = _other(found.places[0])
    return next((place for place in found.places if place.entry.kind == kind), None)


def _other(place: Place) -> str:
    return "counted" if place.entry.kind == "learned" else "learned"


def _other_kind(board: Board, found: Overall) -> str:
    """The first model against the best one of the other kind."""
    first, rival = found.places[0], _rival(found)
    if rival is None:
        return f"No {_other(first)} model is compared."
    better = [
        column.title
        for column in found.columns
        if (column.value(rival.entry, board.metric) or 0)
        > (column.value(first.entry, board.metric) or 0)
    ]
    where = f"is better on {few(better, MOST)}" if better else "is better on none of them"
    return (
        f"{rival.entry.name}, the best {rival.entry.kind} model, has mean rank "
        f"{rival.mean_rank:.2f} and {where}."
    )


def _cost(found: Overall) -> str:
    """The time of the first model's trials beside the next one's and the best one's of the other
    kind."""
    shown = dict.fromkeys(filter(None, (*found.places[:2], _rival(found))))
    times = [(place.entry.name, cost(found, place.entry, "seconds")) for place in shown]
    known = [(name, time) for name, time in times if time is not None]
    if len(known) < 2 or known[0] != times[0]:
        return ""
    (name, time), *others = known
    beside = ", ".join(f"one of {other} {seconds(its_time)}" for other, its_time in others)
    return (
        f"A trial of {name} takes {seconds(time)}, {beside} (geometric means over the data sets)."
    )


def _cautions(board: Board, found: Overall | None) -> list[str]:
    """What is missing to be sure: real data, seeds, tuning, results."""
    doubts = []
    if found is not None and all(column.synthetic for column in found.columns):
        doubts.append("synthetic data")
    if found is not None and (again := _same_data(found)):
        doubts.append(f"the same data under several protocols: {few(again, MOST)}")
    own = [entry for entry in board.entries if entry.kind in ("learned", "counted")]
    for remark, text in ((ONE_SEED, "one seed of {}"), (UNTUNED, "no tuning of {}")):
        cells = {
            entry: [c.cells[entry] for c in board.columns if entry in c.cells] for entry in own
        }
        names = [e.name for e in own if any(remark in remarks(e, cell) for cell in cells[e])]
        if names:
            doubts.append(text.format(few(names, MOST)))
    for what, text in ((MISSING, "no result of {}"), (FAILED, "failed trials of {}")):
        lacks = {
            entry.name: [c.title for c in board.columns if state(c, entry) == what]
            for entry in own
            if not entry.origin
        }
        where = [f"{name} on {_few_of(titles)}" for name, titles in lacks.items() if titles]
        if where:
            doubts.append(text.format(few(where, MOST)))
    if gone := [column.title for column in board.columns if column.unavailable]:
        doubts.append(f"not available: {few(gone, MOST)}")
    return [f"Caution: {'; '.join(doubts)}."] if doubts else []


def _same_data(found: Overall) -> list[str]:
    """The titles of the compared columns whose data another one has, too: the test over data sets
    takes them for independent ones."""
    digests = Counter(column.digest for column in found.columns)
    return [column.title for column in found.columns if digests[column.digest] > 1]


def _few_of(titles: list[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{len(titles)} data sets"
