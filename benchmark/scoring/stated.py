"""Ranks of targets that a file states itself."""

import numpy as np

from benchmark.scoring import tables
from benchmark.scoring.queries import Queries, Ranked, ScoreError, not_evaluated
from models.ranking import MISS


def ranks_of(queries: Queries, names: list[str]) -> Ranked:
    """The rank of each target, as the file states it.

    ``names`` are the columns of the file. Raises ScoreError if a rank is none of a target, or if a
    target has two.
    """
    key = "query" if "query" in names else "user"
    wanted = [name for name in (key, "target", "rank") if name in names]
    if "target" not in wanted and queries.n < len(queries.target_items):
        raise ScoreError(
            f"{queries.path}: queries have several targets in this split: a column target should "
            "name the one that a rank is of"
        )
    ranks = np.zeros(len(queries.target_items), dtype=np.int64)
    remarks: list[str] = []
    keys = queries.targets.queries * queries.n_items + queries.target_items
    order = np.argsort(keys)
    others = 0
    for batch in tables.batches(queries.path, wanted):
        of = queries.of_batch(batch)
        evaluated = of >= 0
        others += int((~evaluated).sum())
        of = of[evaluated]
        at = of  # a query has one target
        if "target" in wanted:
            items = queries.item_codes(batch["target"])[evaluated]
            near = np.searchsorted(keys, of * queries.n_items + items, sorter=order)
            at = np.append(order, 0)[near]
            wrong = keys[at] != of * queries.n_items + items
            if wrong.any():
                raise ScoreError(
                    f"{queries.path}: a target of {queries.name(of[wrong][0])} is none in this part"
                )
        stated = batch["rank"].to_numpy()[evaluated]
        if ((stated < 1) | (stated > queries.n_items)).any():
            wrong = stated[(stated < 1) | (stated > queries.n_items)]
            raise ScoreError(
                f"{queries.path}: a rank is {wrong[0]}: ranks are 1 to {queries.n_items:,}, the "
                "number of items"
            )
        twice = (ranks[at] > 0) | (np.bincount(at, minlength=len(ranks))[at] > 1)
        if twice.any():
            raise ScoreError(f"{queries.path}: {queries.name(of[twice][0])} stands there twice")
        ranks[at] = stated
    if not ranks.any():
        raise ScoreError(f"{queries.path}: no row is of a user with a target in this part")
    remarks += not_evaluated(others)
    answered = np.bincount(queries.targets.queries, ranks > 0, minlength=queries.n)
    remarks += queries.missing(answered > 0)
    miss = ranks == 0
    if queries.masked:
        miss |= queries.targets.repeated(queries.sequences.items)
    return Ranked(np.where(miss, MISS, ranks), None, remarks)
