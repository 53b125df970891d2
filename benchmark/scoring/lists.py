"""Ranks of targets from lists: the best items of each query."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from benchmark.measures.metrics import K
from benchmark.scoring import tables
from benchmark.scoring.queries import Queries, Ranked, ScoreError, not_evaluated
from models.batches import within
from models.ranking import MISS


@dataclass(frozen=True)
class Lists:
    """The items of all lists, query after query, best first."""

    queries: np.ndarray
    """[n] int64, ascending."""
    items: np.ndarray
    """[n] int64"""
    scores: np.ndarray | None
    """[n] float64, falling in each list; None: the order is all that is known."""

    def lengths(self, n: int) -> np.ndarray:
        """The number of items of each of ``n`` queries: [n] int64."""
        return np.bincount(self.queries, minlength=n)

    def chosen(self, rows: np.ndarray) -> "Lists":
        """Some of the items; ``rows`` is [n] bool, or int64."""
        scores = None if self.scores is None else self.scores[rows]
        return Lists(self.queries[rows], self.items[rows], scores)


def ranks_of(queries: Queries, names: list[str]) -> Ranked:
    """The rank of each target in the list of its query.

    ``names`` are the columns of the file. Raises ScoreError if the lists contradict themselves or
    the data, or if they are too short.
    """
    lists, remarks = _read(queries, names)
    _check_once(queries, lists)
    given = lists.lengths(queries.n)
    longest = int(given.max())
    ends_open = np.zeros(len(lists.items), dtype=bool)
    if lists.scores is not None:
        ends_open = _tied_to_the_end(lists)
    if queries.masked:
        seen = queries.in_history(lists.queries, lists.items)
        if seen.any():
            remarks.append(f"{seen.sum():,} items are in their query's history: left out")
        lists = lists.chosen(~seen)
        ends_open = ends_open[~seen]
    kept = lists.lengths(queries.n)
    # A list that is as long as the longest one was probably cut at its end, unless it has all
    # candidates. What follows in it is not known.
    cut = (given == longest) & (kept < queries.candidates)
    until = longest - int((given - kept)[cut].max(initial=0)) if cut.any() else None
    if until is not None and until < K:
        raise _too_short(queries, longest, until)
    remarks += queries.missing(given > 0)
    short = (given > 0) & (given < longest) & (kept < queries.candidates)
    if short.any():
        remarks.append(
            f"{short.sum():,} lists have fewer than {longest:,} items: items beyond their end "
            "count as not recommended"
        )
    ranks, at = _positions(queries, lists)
    tied = np.append(ends_open & cut[lists.queries], False)[at]  # at -1, outside: False
    if until is not None and tied.any():
        until = min(until, int(ranks[tied].min()) - 1)
        remark = (
            f"{tied.sum():,} targets have the score of the last items of their list: more items "
            "may tie, so that their rank is not known"
        )
        if until < K:
            raise ScoreError(
                f"{queries.path}: {remark}, and the metrics at {K} need it: make the lists longer, "
                "or write a column rank in place of score"
            )
        remarks.append(remark)
    beyond = ranks > (queries.n_items if until is None else until)
    return Ranked(np.where(beyond, MISS, ranks), until, remarks, _best(queries, lists))


def _best(queries: Queries, lists: Lists) -> np.ndarray:
    """The first ``K`` items of each list: see ``Ranked.best``."""
    _, place = within(lists.lengths(queries.n))
    first = place < K
    found = np.full((queries.n, K), -1)
    found[lists.queries[first], place[first]] = lists.items[first]
    return found


def _too_short(queries: Queries, longest: int, until: int) -> ScoreError:
    seen = ""
    if until < longest:
        seen = (
            f", of which up to {longest - until} are in the query's history and are no candidates: "
            "leave the history out of the lists, or make them longer by as many"
        )
    return ScoreError(
        f"{queries.path}: its lists have {longest} items{seen}: the metrics at {K} need {K} of "
        "each query"
    )


def _read(queries: Queries, names: list[str]) -> tuple[Lists, list[str]]:
    """All lists, best first, and remarks."""
    key = "query" if "query" in names else "user"
    of_lists = "items" in names
    fields = ("items", "scores") if of_lists else ("item", "rank", "score")
    wanted = [name for name in (key, *fields) if name in names]
    if wanted == [key, "item"]:
        raise ScoreError(f"{queries.path}: no column rank or score beside item")
    parts = [
        (_of_lists if of_lists else _of_rows)(queries, batch)
        for batch in tables.batches(queries.path, wanted)
    ]
    found, items, places, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    evaluated = found >= 0
    if not evaluated.any():
        raise ScoreError(f"{queries.path}: no row is of a user with a target in this part")
    has_place = of_lists or "rank" in wanted
    has_score = "score" in wanted or "scores" in wanted
    ordered = _ordered(
        queries,
        Lists(found[evaluated], items[evaluated], scores[evaluated] if has_score else None),
        places[evaluated] if has_place else None,
    )
    return ordered, not_evaluated(int(np.count_nonzero(~evaluated)))


Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Query, item, place in the list from 1, and score of each item, [n] each; what a file does not
have is 0."""


def _of_rows(queries: Queries, batch: pa.RecordBatch) -> Columns:
    """Of a batch with an item a row."""
    nothing = np.zeros(len(batch))
    names = batch.schema.names
    places = batch["rank"].to_numpy() if "rank" in names else nothing
    scores = batch["score"].to_numpy() if "score" in names else nothing
    return queries.of_batch(batch), queries.item_codes(batch["item"]), places, scores


def _of_lists(queries: Queries, batch: pa.RecordBatch) -> Columns:
    """Of a batch with a list a row."""
    lengths = batch["items"].value_lengths().to_numpy()
    items = queries.item_codes(batch["items"].flatten())
    scores = np.zeros(len(items))
    if "scores" in batch.schema.names:
        if (batch["scores"].value_lengths().to_numpy() != lengths).any():
            raise ScoreError(f"{queries.path}: a list of items has another number of scores")
        scores = batch["scores"].flatten().to_numpy()
    ends = np.cumsum(lengths)
    places = np.arange(1, len(items) + 1) - np.repeat(ends - lengths, lengths)
    return np.repeat(queries.of_batch(batch), lengths), items, places, scores


def _ordered(queries: Queries, lists: Lists, places: np.ndarray | None) -> Lists:
    """The lists, best first, by their places or else by their scores.

    Raises ScoreError for scores that are no numbers, for places that are not 1, 2, 3, ..., and for
    scores that contradict the places.
    """
    scores = lists.scores
    if scores is not None and np.isnan(scores).any():
        query = lists.queries[np.isnan(scores)][0]
        raise ScoreError(f"{queries.path}: a score of {queries.name(query)} is not a number")
    if places is None:
        assert scores is not None
        return lists.chosen(np.lexsort((-scores, lists.queries)))
    order = np.lexsort((places, lists.queries))
    lists = lists.chosen(order)
    begins = np.searchsorted(lists.queries, lists.queries)
    wrong = places[order] != np.arange(len(order)) - begins + 1
    if wrong.any():
        query = lists.queries[wrong][0]
        first = places[order][np.searchsorted(lists.queries, query)]
        hint = ": the best item has rank 1, not 0" if first == 0 else ""
        raise ScoreError(
            f"{queries.path}: {queries.name(query)} should have one list, with the ranks 1, 2, 3, "
            f"... each once{hint}"
        )
    if lists.scores is not None:
        same = np.diff(lists.queries) == 0
        rises = same & (np.diff(lists.scores) > 0)
        if rises.any():
            raise ScoreError(
                f"{queries.path}: {queries.name(lists.queries[1:][rises][0])} has a higher score "
                "at a later rank: leave out the column that does not decide"
            )
    return lists


def _check_once(queries: Queries, lists: Lists) -> None:
    """Raise ScoreError if an item stands twice in a list."""
    keys = np.sort(lists.queries * queries.n_items + lists.items)
    twice = keys[1:][keys[1:] == keys[:-1]]
    if len(twice):
        item = str(queries.sequences.item_ids[twice[0] % queries.n_items])
        raise ScoreError(
            f"{queries.path}: the list of {queries.name(twice[0] // queries.n_items)} has item "
            f"{item!r} twice"
        )


def _tied(lists: Lists) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last of the items with each item's query and score: [n] int64 each."""
    assert lists.scores is not None
    change = (np.diff(lists.queries) != 0) | (np.diff(lists.scores) != 0)
    begins = np.append(0, 1 + np.flatnonzero(change))
    run = np.cumsum(np.append(0, change))
    lasts = np.append(begins[1:], len(lists.queries)) - 1
    return begins[run], lasts[run]


def _tied_to_the_end(lists: Lists) -> np.ndarray:
    """Whether each item has the score of the last two of its list: more may have it, too. [n]
    bool."""
    firsts, lasts = _tied(lists)
    end = np.searchsorted(lists.queries, lists.queries, side="right") - 1
    return (lasts == end) & (firsts < lasts)


def _positions(queries: Queries, lists: Lists) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each target in its list, and its place among all items of ``lists``.

    Both are [n_targets] int64; outside a list they are MISS and -1. A target ranks behind the items
    with its score.
    """
    of = queries.targets.queries
    keys = lists.queries * queries.n_items + lists.items
    order = np.argsort(keys)
    wanted = of * queries.n_items + queries.target_items
    near = np.searchsorted(keys, wanted, sorter=order)
    found = np.append(keys[order], -1)[near] == wanted
    at = np.where(found, np.append(order, -1)[near], -1)
    lasts = np.arange(len(keys)) if lists.scores is None or not len(keys) else _tied(lists)[1]
    ranks = np.append(lasts, -1)[at] - np.searchsorted(lists.queries, of) + 1
    return np.where(found, ranks, MISS), at
