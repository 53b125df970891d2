"""Groups of test targets, by what the tables of ranks say of them."""

import numpy as np
import pandas as pd

Slice = tuple[str, str, np.ndarray]
"""By what, which part, and [targets] bool."""
HISTORY = "history length"


def slices(targets: pd.DataFrame) -> list[Slice]:
    """Groups of targets; ``targets`` are those of a ``Comparison``.

    Quarters of the queries by history length, and of the targets by popularity; if any target has
    no training interaction, those targets and the others; repeated and new targets; if any share
    their time with a neighbouring interaction, these and the others. A query with several targets
    belongs to each group in which one of them is, with these alone. Empty if the trials did not log
    these columns.
    """
    found: list[Slice] = []
    if "history" in targets:
        queries = targets["query"]
        quarters = _quarters(targets["history"].groupby(queries).first())
        found += [(HISTORY, part, inside[queries]) for part, inside in quarters]
    if "popularity" in targets:
        quarters = _quarters(targets["popularity"])
        found += [("target popularity", part, inside) for part, inside in quarters]
        cold = (targets["popularity"] == 0).to_numpy()
        if cold.any():
            found += [("target in training", "never", cold), ("target in training", "yes", ~cold)]
    if "repeated" in targets:
        repeated = targets["repeated"].to_numpy()
        found += [("target", "repeated", repeated), ("target", "new", ~repeated)]
    if "tied" in targets:
        tied = targets["tied"].to_numpy()
        if tied.any():
            found += [("target's time", "shared", tied), ("target's time", "its own", ~tied)]
    return [(name, part, inside) for name, part, inside in found if inside.any()]


def _quarters(values: pd.Series) -> list[tuple[str, np.ndarray]]:
    """Quarters of ``values`` [n] int64, each with [n] bool; fewer if many values are equal."""
    quarters = pd.qcut(values, 4, duplicates="drop", labels=False)
    found = []
    for quarter in sorted(quarters.unique()):
        inside = (quarters == quarter).to_numpy()
        part = values[inside]
        found.append((f"{part.min():,} to {part.max():,}", inside))
    return found
