"""Rows of three files, one for each part of a split, and the histories that they may give.

A file may have a column history: ids of items, separated by spaces. For a target it is the history.
For a training row it only matters where it has items that are no rows: tools that write one row for
each prefix of a session leave out its first item.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from datasets import filters, parts, ties
from datasets.errors import DataError, quoted
from datasets.reading.layouts import FIELDS, LONGEST_ID
from datasets.sequences import Sequences, ordered

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def of_part(batch: pa.RecordBatch, part: int) -> pa.RecordBatch:
    """Rows of the file of that part, a code of ``parts.PARTS``.

    Three columns are added or replaced: part (int8), history (string, null where it is not needed)
    and known (int64), the number of items in the history, -1 if the file has no column history.
    Of training rows, only the shortest history of each user stays: all would be large.
    """
    texts = pa.nulls(len(batch), pa.string())
    known = np.full(len(batch), -1)
    if "history" in batch.schema.names:
        texts = pc.fill_null(pc.ascii_trim_whitespace(batch["history"]), "")
        _, known = _items_of(texts)
        if part == parts.TRAIN:
            users = batch["user"].dictionary_encode().indices.to_numpy()
            shortest = np.full(len(batch), np.iinfo(known.dtype).max)  # by code of the user
            np.minimum.at(shortest, users, known)
            needed = (known == shortest[users]) & (known > 0)
            texts = pc.if_else(pa.array(needed), texts, pa.scalar(None, pa.string()))
    columns = {name: batch[name] for name in FIELDS if name in batch.schema.names}
    columns["part"] = pa.array(np.full(len(batch), part, np.int8))
    return pa.RecordBatch.from_pydict(columns | {"history": texts, "known": pa.array(known)})


class SplitRows:
    """Rows of a split by files that its filters keep, in memory."""

    def __init__(self, rows: pd.DataFrame):
        """``rows`` have the columns of ``of_part``."""
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def k_core(self, of_user: int, of_item: int) -> None:
        """See ``filters.k_core``."""
        self.rows = filters.k_core(self.rows, of_user, of_item)

    def sequences(self, order_of_ties: str) -> Sequences:
        """See ``from_files``."""
        return from_files(self.rows, order_of_ties)


def from_files(rows: pd.DataFrame, order_of_ties: str) -> Sequences:
    """Sequences of rows with the columns of ``of_part``, whose parts and histories they keep.

    Raises DataError if one file for targets has a column history and the other has none, if a
    history has an id that is no item's, and if training rows have longer histories than what stands
    before them.
    """
    rows, n_beginnings = _with_beginnings(rows)
    if n_beginnings and order_of_ties == "random" and "timestamp" in rows:
        raise DataError(
            f"ties: random needs a time for each interaction, and {n_beginnings:,} stand in the "
            "history of a training row alone: remove ties: random"
        )
    known = rows["known"].to_numpy()
    is_target = rows["part"].to_numpy() != parts.TRAIN
    given = is_target & (known >= 0)
    if not given.any():
        sequences, order = ordered(rows, order_of_ties)
        _check_training(sequences, known[order])
        return sequences
    if (given != is_target).any():
        raise DataError("split: one of the files valid and test has no column history")
    ids, lengths = _items_of(pa.array(rows["history"].where(is_target, None), pa.large_string()))
    named = ids.unique()
    unknown = named.filter(pc.invert(pc.is_in(named, pa.array(rows["item"], named.type))))
    sequences, order = ordered(rows, order_of_ties, _checked(unknown.to_pylist()))
    _check_training(sequences, known[order])
    coded = ids.dictionary_encode()
    codes = pd.Index(sequences.item_ids).get_indexer(coded.dictionary.to_pylist())
    codes = codes[coded.indices.to_numpy()] if len(ids) else np.empty(0, np.int64)
    return _with_histories(sequences, codes, np.cumsum(lengths) - lengths, lengths, order)


def _items_of(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """(ids of all texts, [n] string; how many of them each text has, [n_texts] int64)."""
    lists = pc.ascii_split_whitespace(pc.fill_null(pc.ascii_trim_whitespace(texts), ""))
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = np.diff(lists.offsets.to_numpy())
    ids = lists.flatten()
    empty = pc.equal(ids, "").to_numpy(zero_copy_only=False)  # the one word of an empty text
    lengths = lengths - np.bincount(_owners(lengths)[empty], minlength=len(lengths))
    return ids.filter(pa.array(~empty)), lengths.astype(np.int64)


def _with_beginnings(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows, behind the items that only the histories of training rows have, and their number.

    The shortest history of a user's training rows is what stood before all of them. Rows without
    times are put in the order of their histories' lengths: some tools write the longest first.
    """
    train = rows[rows["part"] == parts.TRAIN]
    if not (train["known"] > 0).any():
        return rows, 0
    if "timestamp" not in rows:
        of_train = (rows["part"] == parts.TRAIN).to_numpy()
        rows = rows.iloc[np.argsort(np.where(of_train, rows["known"], 0), kind="stable")]
    first = train.sort_values("known", kind="stable").drop_duplicates("user")
    first = first[first["known"] > 0]
    if not len(first):
        return rows, 0
    ids, lengths = _items_of(pa.array(first["history"], pa.large_string()))
    beginnings = first.loc[first.index.repeat(lengths)].assign(
        item=ids.to_numpy(zero_copy_only=False), history=None, known=_places(lengths)
    )
    return pd.concat([beginnings, rows], ignore_index=True), len(beginnings)


def _check_training(sequences: Sequences, known: np.ndarray) -> None:
    """Raise DataError if training lacks items that histories of its rows have; ``known`` [n]."""
    assert sequences.parts is not None
    users = ties.users_of(sequences.offsets)
    before = np.arange(len(users)) - sequences.offsets[users]
    longer = np.flatnonzero((sequences.parts == parts.TRAIN) & (known > before))
    if len(longer):
        user = sequences.user_ids[users[longer[0]]]
        raise DataError(
            f"split: {len(longer):,} rows of the file train have a longer history than what stands "
            f"before them, such as one of user {quoted(str(user))}: give one row for each "
            "interaction, in order, or leave out the column history"
        )


def _with_histories(
    sequences: Sequences,
    codes: np.ndarray,
    begins: np.ndarray,
    lengths: np.ndarray,
    order: np.ndarray,
) -> Sequences:
    """The sequences with the histories of their files, where these differ from the rows before.

    Row ``r`` has the history ``codes[begins[r]:begins[r] + lengths[r]]``; ``order`` is that of
    ``ordered``. A history that is the end of the rows before its target is a place among them. Any
    other one is added behind all interactions.
    """
    at, starts, _ = parts.targets(sequences.offsets, _not_none(sequences.parts), None)
    begins = begins[order[at]]
    lengths = lengths[order[at]]
    target = _owners(lengths)
    place = _places(lengths)
    given = codes[begins[target] + place]
    same = at[target] - lengths[target] + place  # position of the same item among the rows
    differs = (same < starts[target]) | (sequences.items[np.maximum(same, 0)] != given)
    elsewhere = np.bincount(target, differs, minlength=len(at)) > 0
    other = elsewhere | (lengths < at - starts)
    added = np.where(elsewhere, lengths, 0)
    ends = np.where(elsewhere, sequences.n_interactions + np.cumsum(added), at)
    histories = np.stack([at, ends - lengths, ends], axis=1)[other]
    items = np.concatenate([sequences.items, given[elsewhere[target]].astype(np.int32)])
    return replace(sequences, items=items, histories=histories.astype(np.int64))


def _checked(ids: Sequence[str]) -> Sequence[str]:
    """The ids. Raises DataError for one that ``readers.read`` would refuse."""
    for name in ids:
        if len(name) > LONGEST_ID or CONTROL_CHARACTER.search(name):
            raise DataError(
                f"split: a history has the id {quoted(name)}: ids should be separated by spaces, "
                f"without control characters, of {LONGEST_ID} characters or fewer"
            )
    return ids


def _owners(lengths: np.ndarray) -> np.ndarray:
    """The number of the list of each element of lists with these lengths."""
    return np.repeat(np.arange(len(lengths)), lengths)


def _places(lengths: np.ndarray) -> np.ndarray:
    """The place of each element in its list, from 0."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _not_none(array: np.ndarray | None) -> np.ndarray:
    assert array is not None
    return array
