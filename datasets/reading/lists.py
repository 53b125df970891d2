"""Rows that hold a list of items: each item is an interaction, of the row's user.

A column beside the items has a value for each of them, in a list as long, or one for the whole row.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets.errors import DataError
from datasets.reading.layouts import WHERE

LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


class Invalid(DataError):
    """A row whose lists do not fit each other."""

    def __init__(self, row: int, reason: str):
        super().__init__(reason)
        self.row = row
        """Its number in the batch, from 0."""


class Interactions(NamedTuple):
    """The interactions of a batch of rows."""

    batch: pa.RecordBatch
    rows: np.ndarray | None
    """[n_interactions] int64: the row of each, from 0; None where each row is one interaction."""


def is_list(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in LISTS)


def is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def converted(lists: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The same lists of ``convert``ed values. Lists that are null stay so."""
    ends = np.cumsum(_lengths(lists))
    offsets = pa.array(np.append(0, ends), pa.int32())
    return pa.ListArray.from_arrays(offsets, convert(lists.flatten()), mask=lists.is_null())


def interactions(batch: pa.RecordBatch) -> Interactions:
    """The interactions of the rows, in the order of the rows and of the lists.

    ``batch`` has a column item. A row with an empty list has none. A row without a list of a column
    of ``filters: where:`` has null in it. Raises Invalid for a row without a list of items or
    numbers, or with one that has not as many values.
    """
    listed = [name for name in batch.schema.names if is_list(batch[name].type)]
    if not listed:
        return Interactions(batch, None)
    if "item" not in listed:
        raise Invalid(0, f"{listed[0]} is a list, and item is none")
    counts = _lengths(batch["item"])
    rows = np.repeat(np.arange(len(counts)), counts)
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name in listed:
            missing = column.is_null().to_numpy(zero_copy_only=False)
            missing &= (counts > 0) | (name == "item")
            _check(name, _lengths(column), counts, missing)
            columns.append(_with_nulls(column.flatten(), missing[rows]))
        else:
            columns.append(column.take(pa.array(rows)))
    return Interactions(pa.RecordBatch.from_arrays(columns, batch.schema.names), rows)


def _check(name: str, lengths: np.ndarray, counts: np.ndarray, missing: np.ndarray) -> None:
    """Raise Invalid for the first row whose list has not as many values as there are items, or is
    missing; all [n_rows]."""
    wrong = (lengths != counts) & ~missing
    if not name.startswith(WHERE):
        wrong |= missing
    if wrong.any():
        row = int(np.argmax(wrong))
        reason = f"item is a list of {counts[row]:,} and {name} one of {lengths[row]:,}"
        raise Invalid(row, f"{name} is missing" if missing[row] else reason)


def _with_nulls(values: pa.Array, missing: np.ndarray) -> pa.Array:
    """The values with nulls before, between or behind them where ``missing`` [n] bool."""
    if not missing.any():
        return values
    places = np.cumsum(~missing) - 1
    return values.take(pa.array(places, mask=missing))


def _lengths(lists: pa.Array) -> np.ndarray:
    """[n_rows] int64; 0 where there is no list."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
