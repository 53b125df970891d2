"""Interactions as numbers, from the rows of a file to sequences, within a budget of memory.

A row has the codes of its user and its item, numbered as ids come first, and its time. Rows stay in
the order of the file. Those that do not fit into the budget are on disk, and no step needs all of
them at a time: counting goes through them piece by piece; for sorting, they are dealt into boxes,
each with all rows of its users. Small data are one box in memory.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from datasets import filters, ties
from datasets.coding.memory import return_freed
from datasets.coding.spool import Budget, Spool
from datasets.errors import DataError
from datasets.filters import Filters
from datasets.ids import Ids, IdTable, order_of
from datasets.reading.layouts import IDS, NUMBERS
from datasets.sequences import Sequences, time_order

Rows = TypeVar("Rows", pa.RecordBatch, np.ndarray)

BATCH = 1 << 16  # fewest rows that are coded at a time; their arrays fit into the processor's cache
PIECE = 1 << 22  # rows that are counted and dealt at a time
SORTED_ROW = 100  # bytes that a row takes while its box is sorted
REWRITE = 0.7  # rows are written anew when a smaller share of them is left
REMOVED = -1
MOST_BOXES = 256  # each has a file


class Coded:
    """Interactions of users and items with codes."""

    def __init__(self, batches: Iterable[pa.RecordBatch], budget: Budget):
        """``batches`` have the columns user and item (string), and some of timestamp and rating
        (double)."""
        self.budget = budget
        self.users = IdTable()
        self.items = IdTable()
        self.rows = Spool(budget)
        with ThreadPoolExecutor(1) as other:
            tables = map(pa.Table.from_batches, _grouped(batches, BATCH))
            for rows in _grouped(self._coded(tables, other), PIECE):
                self.rows.append(np.concatenate(rows))
        # The users and the items whose rows count, [n] bool both, by code; and their rows.
        self.kept = (np.ones(len(self.users), bool), np.ones(len(self.items), bool))
        self.counts = self._counted()

    def __len__(self) -> int:
        return int(self.counts[0].sum())

    def _coded(self, batches: Iterable[pa.Table], other: Executor) -> Iterator[np.ndarray]:
        """The rows as numbers. The users of a batch are coded by the ``other`` thread, while this
        one codes its items and reads the next batch."""
        waiting: deque[Callable[[], np.ndarray]] = deque()
        for batch in batches:
            users = other.submit(self.users.codes, batch["user"].combine_chunks())
            items = self.items.codes(batch["item"].combine_chunks())
            waiting.append(partial(_coded_rows, batch, users, items))
            if len(waiting) > 1:
                yield waiting.popleft()()
        for rows in waiting:
            yield rows()

    def filter_duplicates(self, wanted: Filters, counts: Counter[str]) -> None:
        """Apply the filter of duplicates, and those of intervals, which come after it; the numbers
        of removed rows are added to ``counts``."""
        if wanted.duplicates == filters.KEEP:
            return
        rows = Spool(self.budget)
        n_boxes = self._n_boxes()
        for _, box in self.dealt(np.arange(len(self.users)) % n_boxes, n_boxes):
            rows.append(records(filters.after_duplicates(pd.DataFrame(box), wanted, counts)))
        self.rows = rows
        self.counts = self._counted()

    def k_core(self, of_user: int, of_item: int) -> None:
        """Remove rows as ``filters.k_core`` does."""
        while True:
            enough = (self.counts[0] >= of_user, self.counts[1] >= of_item)
            there = (self.counts[0] > 0, self.counts[1] > 0)
            if not any((mask & ~e).any() for mask, e in zip(there, enough, strict=True)):
                return
            self.kept = (enough[0] & there[0], enough[1] & there[1])
            self.counts = self._counted()
            if len(self) < REWRITE * self.rows.n:
                rows = Spool(self.budget)
                for piece in self.rows.drain():
                    rows.append(piece[self._are_kept(piece)])
                self.rows = rows

    def _counted(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of rows of each user and of each item that are kept, [n] int64 by code."""
        of_users = np.zeros(len(self.users), np.int64)
        of_items = np.zeros(len(self.items), np.int64)
        for piece in self.rows.pieces():
            mask = self._are_kept(piece)
            of_users += np.bincount(piece["user"][mask], minlength=len(of_users))
            of_items += np.bincount(piece["item"][mask], minlength=len(of_items))
        return of_users, of_items

    def _are_kept(self, piece: np.ndarray) -> np.ndarray:
        """Whether a row's user and item are both kept, [n] bool."""
        users, items = self.kept
        mask: np.ndarray = users.take(piece["user"]) & items.take(piece["item"])
        return mask

    def sequences(self, order_of_ties: str) -> Sequences:
        """The kept rows as sequences: see ``sequences.from_interactions``. The rows are used up.

        Raises DataError as it does.
        """
        user_ids, users = by_id(self.users.texts, self.counts[0])
        item_ids, items = by_id(self.items.texts, self.counts[1])
        offsets = offsets_of(users, self.counts[0])
        self.users = IdTable()  # their memory is needed now
        self.items = IdTable()
        n_boxes = self._n_boxes()
        box_of = offsets[:-1] * n_boxes // max(len(self), 1)  # [n_users], ascending
        firsts = np.searchsorted(box_of, np.arange(n_boxes + 1))
        found_items = Spool(self.budget)
        found_times = Spool(self.budget)
        for number, box in self.dealt(np.append(box_of, 0)[users], n_boxes):
            first = int(firsts[number])
            ids = user_ids.texts[first : firsts[number + 1]]
            order = order_of_box(box, users, items, order_of_ties, first, ids, item_ids)
            found_items.append(items.take(box["item"][order]))
            if "timestamp" in (box.dtype.names or ()):
                found_times.append(box["timestamp"][order])
        return joined(found_items, found_times, offsets, user_ids, item_ids)

    def _n_boxes(self) -> int:
        """The number of boxes. While one box is sorted, it takes half of the budget."""
        return min(1 + 2 * SORTED_ROW * len(self) // max(self.budget.limit, 1), MOST_BOXES)

    def dealt(self, box_of: np.ndarray, n_boxes: int) -> Iterator[tuple[int, np.ndarray]]:
        """Each box that is not empty: its number, and its kept rows in their order. ``box_of``
        [n_codes] int64 gives a user's."""
        boxes = [Spool(self.budget) for _ in range(n_boxes)]
        for piece in self.rows.drain():
            piece = piece[self._are_kept(piece)]
            if n_boxes == 1:
                boxes[0].append(piece)
                continue
            of_rows = box_of.take(piece["user"]).astype(np.uint16)  # numpy sorts by their digits
            order = np.argsort(of_rows, kind="stable")
            ends = np.cumsum(np.bincount(of_rows, minlength=n_boxes))
            for box, rows in zip(boxes, np.split(piece[order], ends[:-1]), strict=True):
                box.append(rows)
        for number, box in enumerate(boxes):
            if box.n:
                yield number, np.concatenate(list(box.drain()))
                return_freed()


def order_of_box(
    box: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    order_of_ties: str,
    first: int,
    user_ids: pa.Array,
    item_ids: Ids,
) -> np.ndarray:
    """The order of the rows by user and time, [n] int64.

    ``users`` and ``items`` give the places of codes in the order of ids. ``user_ids`` are those of
    the box's users, the first of whom has the place ``first``.
    """
    of_users = users.take(box["user"])
    times = box["timestamp"] if "timestamp" in (box.dtype.names or ()) else None
    if order_of_ties != "random":
        return time_order(of_users, times)
    if times is None:
        raise DataError(ties.NO_TIMES)
    keys = ties.random_keys(
        of_users - first,
        pd.Index(user_ids.to_pylist(), dtype=object),
        items.take(box["item"]),
        pd.Index(item_ids.tolist(), dtype=object),
        times,
    )
    return time_order(of_users, times, keys)


def by_id(texts: pa.Array, counts: np.ndarray) -> tuple[Ids, np.ndarray]:
    """The ids that have rows, in order, and the place of each code among them, [n_codes] int32;
    REMOVED for those without rows. ``counts`` [n_codes] are the numbers of rows."""
    there = np.flatnonzero(counts)
    found = texts.take(pa.array(there))
    order = order_of(found)
    places = np.full(len(counts), REMOVED, np.int32)
    places[there[order]] = np.arange(len(there), dtype=np.int32)
    return Ids(found.take(pa.array(order))), places


def offsets_of(places: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Where the rows of each id start in their order, and the last ones end, [n_ids + 1] int64.

    ``places`` are those of ``by_id``, for the same ``counts``.
    """
    there = places != REMOVED
    lengths = np.empty(np.count_nonzero(there), np.int64)
    lengths[places[there]] = counts[there]
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def joined(
    items: Spool, times: Spool, offsets: np.ndarray, user_ids: Ids, item_ids: Ids
) -> Sequences:
    """The sequences with these items and times, which are used up; no times: there are none."""
    return Sequences(
        items=items.joined(np.dtype(np.int32)),
        offsets=offsets,
        user_ids=user_ids,
        item_ids=item_ids,
        timestamps=times.joined(np.dtype(np.float64)) if times.n else None,
    )


def records(rows: pa.Table | pa.RecordBatch, **codes: np.ndarray) -> np.ndarray:
    """The rows as a structured array [n]; ``codes`` replace their columns of ids."""
    numbers = [name for name in NUMBERS if name in rows.schema.names]
    types = [(name, np.int32) for name in IDS] + [(name, np.float64) for name in numbers]
    records = np.empty(rows.num_rows, types)
    for name in (*IDS, *numbers):
        records[name] = codes[name] if name in codes else rows[name].to_numpy()
    return records


def _coded_rows(batch: pa.Table, users: Future[np.ndarray], items: np.ndarray) -> np.ndarray:
    return records(batch, user=users.result(), item=items)


def _grouped(parts: Iterable[Rows], least: int) -> Iterator[list[Rows]]:
    """Neighbouring parts in groups of ``least`` rows or more; the last group may have fewer."""
    group: list[Rows] = []
    n = 0
    for part in parts:
        group.append(part)
        n += len(part)
        if n >= least:
            yield group
            group = []
            n = 0
    if group:
        yield group
