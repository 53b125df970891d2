"""Filters of interactions: intervals of values, then the k-core."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


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


def k_core(interactions: pd.DataFrame, k: int) -> pd.DataFrame:
    """Remove users and items with fewer than ``k`` interactions until none is left to remove.

    Users and items are counted on the same rows and removed together, as in RecBole. The result
    does not depend on that order: the largest subset in which all have ``k`` is unique.

    ``interactions`` has columns user and item. Returns the rows that remain, in their order.
    """
    users, _ = pd.factorize(interactions["user"])
    items, _ = pd.factorize(interactions["item"])
    rows = np.arange(len(interactions))
    while len(rows):
        enough = (np.bincount(users[rows])[users[rows]] >= k) & (
            np.bincount(items[rows])[items[rows]] >= k
        )
        if enough.all():
            break
        rows = rows[enough]
    return interactions.iloc[rows]
