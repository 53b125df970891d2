"""What the machines of a cluster do while they prepare a data set: the tasks of ``distributed``.

Rows are structured arrays, as in ``coded``. A box has all rows of its users, in the order of the
files.
"""

import os
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from datasets import filters, interactions
from datasets.coding import memory
from datasets.coding.coded import REMOVED, Coded, by_id, order_of_box, records
from datasets.coding.spool import Budget
from datasets.errors import DataError
from datasets.filters import KEEP, Filters
from datasets.ids import Ids, IdTable
from datasets.reading.layouts import Layout
from datasets.source import RawFile


@dataclass(frozen=True)
class Files:
    """Files of a data set, and how they are read."""

    raw: RawFile
    layouts: list[Layout]
    sizes: list[int]
    folder: Path
    """Where relative paths begin."""
    wanted: Filters


@dataclass(frozen=True)
class Found:
    """What a task found in its files."""

    schemas: dict[int, pa.Schema]
    """The columns of each file that has rows, by its number. Reading stops at the first file with
    other columns."""
    counts: Counter[str]
    items: pa.Array
    """The ids of the items by their code in these files, [n_items] large_string."""


@dataclass(frozen=True)
class Users:
    """The users of a box."""

    texts: pa.Array  # [n_users] large_string, by code
    n_rows: int
    counts: Counter[str]


def read(
    files: Files, numbers: Sequence[int], n_boxes: int
) -> Iterator[Found | tuple[pa.Array, np.ndarray] | None]:
    """Read the files with these numbers. The first value is a ``Found``. One value for each box
    follows: the ids of its users, by code, and its rows; or None for an empty box.

    Rows that do not fit into memory are in temporary files of this machine meanwhile. Raises
    DataError as ``interactions.read`` does, and if this machine has not the same files.
    """
    _check_same(files, numbers)
    counts: Counter[str] = Counter()
    budget = Budget(memory.at_hand() // (os.cpu_count() or 1), Path(tempfile.gettempdir()))
    schemas: dict[int, pa.Schema] = {}
    with chdir(files.folder):
        rows = Coded(_alike(files, numbers, counts, schemas), budget)
    yield Found(schemas, counts, rows.items.texts)
    texts = rows.users.texts
    box_of = _boxes_of(texts, n_boxes)
    in_boxes = np.argsort(box_of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(box_of, minlength=n_boxes))])
    codes = np.empty(len(texts), np.int32)  # of a user in its box
    codes[in_boxes] = np.arange(len(texts)) - starts[box_of[in_boxes]]
    done = 0
    for number, box in rows.dealt(box_of, n_boxes):
        yield from [None] * (number - done)
        box["user"] = codes.take(box["user"])
        mine = in_boxes[starts[number] : starts[number + 1]]
        yield texts.take(pa.array(mine)), box
        done = number + 1
    yield from [None] * (n_boxes - done)


def _alike(
    files: Files, numbers: Sequence[int], counts: Counter[str], schemas: dict[int, pa.Schema]
) -> Iterator[pa.RecordBatch]:
    """The interactions, up to a file with other columns. ``schemas`` are filled."""
    for number in numbers:
        layout = files.layouts[number]
        for batch in interactions.read_file(files.raw, number, layout, files.wanted, counts):
            schemas.setdefault(number, batch.schema)
            if batch.schema != next(iter(schemas.values())):
                return
            yield batch


def _boxes_of(texts: pa.Array, n_boxes: int) -> np.ndarray:
    """The box of each user, [n] int64, which follows from the id alone."""
    boxes: np.ndarray = (Ids(texts).hashes() % np.uint64(n_boxes)).astype(np.int64)
    return boxes


def _check_same(files: Files, numbers: Sequence[int]) -> None:
    """Raise DataError unless this machine has the files, with the sizes that they have where the
    command was given."""
    for number in numbers:
        path = files.raw.files[number]
        try:
            found = (files.folder / path).stat().st_size
        except OSError:
            found = -1
        if found != files.sizes[number]:
            raise DataError(
                f"{path}: the machine {socket.gethostname()} of the Ray cluster has no such file, "
                "or one of another size: all machines need the same files at the same path, as on "
                "a shared file system"
            )


def merge(
    codes: list[np.ndarray], wanted: Filters, *shares: tuple[pa.Array, np.ndarray] | None
) -> Iterator[np.ndarray | Users]:
    """Yield the rows of a box, from the ``shares`` of all tasks that read, and its users.

    ``codes`` give each share's items the codes that they have in all files.
    """
    users = IdTable()
    found = [np.empty(0, [("user", np.int32), ("item", np.int32)])]
    for of_items, share in zip(codes, shares, strict=True):
        if share is not None:
            texts, rows = share
            rows = rows.copy()  # Ray's memory cannot be written to
            rows["user"] = users.codes(texts).take(rows["user"])
            rows["item"] = of_items.take(rows["item"])
            found.append(rows)
    whole = np.concatenate(found[1:] or found)
    counts: Counter[str] = Counter()
    if wanted.duplicates != KEEP and len(whole):
        whole = records(filters.after_duplicates(pd.DataFrame(whole), wanted, counts))
    yield whole
    yield Users(users.texts, len(whole), counts)


def count(
    rows: np.ndarray, users: Users, kept: np.ndarray, of_user: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows with ``kept`` items [n_items] bool whose users have ``of_user`` of them: the
    number of each item, [n_items] int32, and of each user, [n_users] int32."""
    there = kept.take(rows["item"])
    of_users = np.bincount(rows["user"][there], minlength=len(users.texts))
    of_users[of_users < of_user] = 0
    there &= (of_users > 0).take(rows["user"])
    of_items = np.bincount(rows["item"][there], minlength=len(kept))
    return of_items.astype(np.int32), of_users.astype(np.int32)


def in_order(
    rows: np.ndarray,
    users: Users,
    counts: np.ndarray,
    cuts: np.ndarray,
    items: np.ndarray,
    item_ids: Ids,
    order_of_ties: str,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the items and the times of a box by user and time, cut at ``cuts`` [n + 1]. There are
    no times if the files have none.

    ``counts`` [n_users] are the rows that are left of each user. ``items`` [n_items] are the places
    of the items in the order of their ids ``item_ids``; an item that is not kept has REMOVED.
    """
    user_ids, places = by_id(users.texts, counts)
    rows = rows[(items.take(rows["item"]) != REMOVED) & (places.take(rows["user"]) != REMOVED)]
    order = order_of_box(rows, places, items, order_of_ties, 0, user_ids.texts, item_ids)
    rows = rows[order]
    has_times = "timestamp" in (rows.dtype.names or ())
    for start, end in pairwise(cuts):
        part = rows[start:end]
        yield items.take(part["item"]), part["timestamp"].copy() if has_times else np.empty(0)
