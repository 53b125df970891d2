"""The k-core of a set of interactions."""

import numpy as np
import pandas as pd


def k_core(interactions: pd.DataFrame, k: int) -> pd.DataFrame:
    """Drop users and items with fewer than ``k`` interactions until every one left has ``k``.

    Users and items are counted on the same rows and go together, as in RecBole; the result does
    not depend on that order, the largest such subset is unique.
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
