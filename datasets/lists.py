"""Rows that hold a list of items: each item is an interaction, of the row's user.

A column beside the items has a value for each of them, in a list as long, or one for the whole row.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets.errors import DataError


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
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_kind(kind) for is_kind in kinds)


def converted(lists: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """The same lists of ``convert``ed values. Lists that are null stay so."""
    ends = np.cumsum(_lengths(lists))
    offsets = pa.array(np.append(0, ends), pa.int32())
    return pa.ListArray.from_arrays(offsets, convert(lists.flatten()), mask=lists.is_null())


def interactions(batch: pa.RecordBatch) -> Interactions:
    """The interactions of the rows, in the order of the rows and of the lists.

    ``batch`` has a column item. A row with an empty list has none. Raises Invalid for a row without
    a list of items, or with another list that has not as many values.
    """
    listed = [name for name in batch.schema.names if is_list(batch[name].type)]
    if not listed:
        return Interactions(batch, None)
    if "item" not in listed:
        raise Invalid(0, f"{listed[0]} is a list, and item is none")
    if batch["item"].null_count:
        raise Invalid(int(pc.index(batch["item"].is_null(), True).as_py()), "item is missing")
    counts = _lengths(batch["item"])
    for name in listed:
        other = _lengths(batch[name])
        if (other != counts).any():
            row = int(np.argmax(other != counts))
            reason = f"item is a list of {counts[row]:,} and {name} one of {other[row]:,}"
            raise Invalid(row, reason)
    rows = np.repeat(np.arange(len(counts)), counts)
    columns = [
        column.flatten() if name in listed else column.take(pa.array(rows))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return Interactions(pa.RecordBatch.from_arrays(columns, batch.schema.names), rows)


def _lengths(lists: pa.Array) -> np.ndarray:
    """[n_rows] int64; 0 where there is no list."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
