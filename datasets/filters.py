"""Filters of interactions, in this order: where, where_not, duplicates, intervals, k-core."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from datasets.checking import intervals
from datasets.checking.checked import LARGEST_K, UNPRINTABLE, build, mapping
from datasets.errors import quoted
from datasets.reading.layouts import Layout

KEEP = "keep"
DUPLICATES = (KEEP, "first", "last", "consecutive")
"""Values of ``duplicates:``."""
TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")
BY_VALUE = ("where", "where_not")


@dataclass(frozen=True)
class Filters:
    """Which interactions are kept. All intervals include their ends."""

    rating: tuple[float, float] | None = None
    timestamp: tuple[float, float] | None = None
    """Seconds since 1970."""
    k_core: int | tuple[int, int] = 1
    """Users and items with fewer interactions are removed until none is left to remove; a pair has
    a number for users and one for items. 0 and 1: none is removed."""
    where: dict[str | int, tuple[str, ...]] = field(default_factory=dict)
    """Columns of the file, by name or number, and the values of the rows that are kept."""
    where_not: dict[str | int, tuple[str, ...]] = field(default_factory=dict)
    """The same, of rows that are left out. An empty text is a missing value, too."""
    duplicates: str = KEEP
    """Which interactions of a user with one item are kept: all (keep), the first or the last in
    time, or those that follow another item (consecutive)."""

    def with_columns(self, layout: Layout) -> Layout:
        """The layout with the columns that ``where`` and ``where_not`` name. Raises ValueError as
        ``Layout.also``."""
        return layout.also(self.where).also(self.where_not, "where_not")

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest value) of each column that is filtered."""
        known = {"rating": self.rating, "timestamp": self.timestamp}
        return {column: ends for column, ends in known.items() if ends is not None}

    @property
    def minima(self) -> tuple[int, int]:
        """The fewest interactions of a user, and of an item."""
        k = self.k_core
        return (k, k) if isinstance(k, int) else k

    def as_dict(self) -> dict[str, Any]:
        """Content of ``filters:`` from which ``read`` gives these filters."""
        content: dict[str, Any] = {}
        for name in BY_VALUE:
            if columns := getattr(self, name):
                content[name] = {column: list(values) for column, values in columns.items()}
        if self.duplicates != KEEP:
            content["duplicates"] = self.duplicates
        for column, ends in self.intervals.items():
            named_ends = zip(("min", "max"), ends, strict=True)
            content[column] = {name: end for name, end in named_ends if math.isfinite(end)}
        named_minima = dict(zip(("user", "item"), self.minima, strict=True))
        content["k_core"] = self.k_core if isinstance(self.k_core, int) else named_minima
        return content


def read(content: object) -> Filters:
    """The filters at the key ``filters:``. Raises ValueError for what makes no sense."""
    parts = dict(mapping(content, "filters"))
    for column in ("rating", "timestamp"):
        if column in parts:
            ends = mapping(parts[column], f"filters.{column}")
            parts[column] = intervals.read(ends, f"filters.{column}", dated=column == "timestamp")
    if "k_core" in parts:
        parts["k_core"] = _minima(parts["k_core"])
    for name in set(BY_VALUE) & set(parts):
        columns = mapping(parts[name], f"filters.{name}")
        parts[name] = {c: _values(f"filters.{name}", c, columns[c]) for c in columns}
    found = build(Filters, parts, "filters")
    if found.duplicates not in DUPLICATES:
        known = ", ".join(DUPLICATES)
        raise ValueError(f"duplicates should be one of {known}, not {quoted(found.duplicates)}")
    return found


def _minima(k: object) -> int | tuple[int, int]:
    """The number of ``k_core:``, or those of ``{user: , item: }`` if they differ."""
    if not isinstance(k, dict):
        return _minimum(k, "k_core in filters")
    if not k or set(k) - {"user", "item"}:
        raise ValueError(f"k_core should be a number or {{user: 5, item: 3}}, not {quoted(k)}")
    user = _minimum(k.get("user", 1), "k_core.user in filters")
    item = _minimum(k.get("item", 1), "k_core.item in filters")
    return user if user == item else (user, item)


def _minimum(k: object, where: str) -> int:
    if type(k) is not int:
        raise ValueError(f"{where} should be a whole number, not {quoted(k)}")
    if not 0 <= k <= LARGEST_K:
        raise ValueError(f"{where} should be from 0 to {LARGEST_K:,}, not {k}")
    return k


def _values(key: str, column: object, wanted: object) -> tuple[str, ...]:
    """The values of one column of ``where:`` or ``where_not:``, as they stand in files."""
    if not isinstance(column, str | int) or isinstance(column, bool) or not column:
        raise ValueError(f"{key} should have names of columns, not {quoted(column)}")
    values: list[str] = []
    for value in wanted if isinstance(wanted, list) else [wanted]:
        if isinstance(value, bool):
            values += TRUE if value else FALSE
        elif isinstance(value, str | int):
            values.append(str(value))
        else:
            raise ValueError(
                f"{key}.{column} should be text, whole numbers, or true or false, not "
                f"{quoted(value)}: put quotes around text that YAML takes for something else"
            )
    if not values or any(UNPRINTABLE.search(text) for text in (str(column), *values)):
        raise ValueError(f"{key} should have lines of text, not {quoted({column: wanted})}")
    return tuple(values)


def chosen(
    batch: pa.RecordBatch, wanted: Filters, layout: Layout, counts: Counter[str]
) -> np.ndarray | None:
    """Which rows have the values of ``where`` and none of ``where_not``, [n_rows] bool; None: all.
    Removed rows are added to ``counts``."""
    if not (wanted.where or wanted.where_not):
        return None
    mask = np.ones(len(batch), bool)
    for kept, columns in ((True, wanted.where), (False, wanted.where_not)):
        for column, values in columns.items():
            there = batch[layout.ours(column)]
            found = there if kept else pc.fill_null(there, "")
            has_one = pc.is_in(found, value_set=pa.array(values, pa.string()))
            before = int(np.count_nonzero(mask))
            mask &= has_one.to_numpy(zero_copy_only=False) == kept
            label = (label_of_others if kept else label_of_left_out)(column, values)
            counts[label] += before - int(np.count_nonzero(mask))
    return None if mask.all() else mask


def label_of_others(column: str | int, values: tuple[str, ...]) -> str:
    """What ``counts`` call the rows that do not have one of these values of a column."""
    return f"with another {column} than {listed(values)}"


def label_of_left_out(column: str | int, values: tuple[str, ...]) -> str:
    """What ``counts`` call the rows that ``where_not`` leaves out by a column."""
    return f"with {column} {listed(values)}"


def listed(values: tuple[str, ...]) -> str:
    """The values of a column in a sentence."""
    return " or ".join(value or "empty" for value in values)


def without_duplicates(interactions: pd.DataFrame, keep: str) -> pd.DataFrame:
    """The interactions that ``keep``, one of DUPLICATES, keeps, in their order.

    Time orders a user's interactions; rows at equal times, or without times, keep their order.
    """
    if keep == KEEP:
        return interactions
    users, _ = pd.factorize(interactions["user"])
    items, _ = pd.factorize(interactions["item"])
    keys: tuple[np.ndarray, ...] = (users,)
    if "timestamp" in interactions:
        keys = (interactions["timestamp"].to_numpy(np.float64), users)
    order = np.lexsort(keys)
    pairs = pd.DataFrame({"user": users[order], "item": items[order]})
    if keep == "consecutive":
        repeated = (pairs == pairs.shift(fill_value=-1)).all(axis=1)
    else:
        repeated = pairs.duplicated(keep="first" if keep == "first" else "last")
    return interactions.iloc[np.sort(order[~repeated.to_numpy()])]


def after_duplicates(
    interactions: pd.DataFrame, wanted: Filters, counts: Counter[str]
) -> pa.RecordBatch:
    """The interactions that the filter of duplicates keeps, and then those of intervals, without
    ratings. The numbers of removed rows are added to ``counts``."""
    kept = without_duplicates(interactions, wanted.duplicates)
    counts[f"duplicates ({wanted.duplicates} kept)"] += len(interactions) - len(kept)
    batch = pa.RecordBatch.from_pandas(kept, preserve_index=False)
    inside = inside_intervals(batch, wanted.intervals, counts)
    return inside.select([name for name in inside.schema.names if name != "rating"])


def inside_intervals(
    batch: pa.RecordBatch, intervals: dict[str, tuple[float, float]], counts: Counter[str]
) -> pa.RecordBatch:
    """Rows of the batch whose values are in all the intervals, ends included.

    ``intervals`` maps columns of the batch to (lowest, highest value). Removed rows are added to
    ``counts``, under the first interval that they miss.
    """
    mask: pa.Array | None = None  # [n_rows] bool
    left = len(batch)
    for column, (low, high) in intervals.items():
        values = batch[column]
        inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
        mask = inside if mask is None else pc.and_(mask, inside)
        counts[f"with {column} outside [{low}, {high}]"] += left - mask.true_count
        left = mask.true_count
    return batch if mask is None else batch.filter(mask)


def k_core(interactions: pd.DataFrame, of_user: int, of_item: int) -> pd.DataFrame:
    """Remove users with fewer than ``of_user`` and items with fewer than ``of_item`` interactions
    until none is left to remove.

    Users and items are counted on the same rows and removed together, as in RecBole. The result
    does not depend on that order: the largest subset in which all have as many is unique.

    ``interactions`` has columns user and item. Returns the rows that remain, in their order.
    """
    users, _ = pd.factorize(interactions["user"])
    items, _ = pd.factorize(interactions["item"])
    rows = np.arange(len(interactions))
    while len(rows):
        enough = (np.bincount(users[rows])[users[rows]] >= of_user) & (
            np.bincount(items[rows])[items[rows]] >= of_item
        )
        if enough.all():
            break
        rows = rows[enough]
    return interactions.iloc[rows]
