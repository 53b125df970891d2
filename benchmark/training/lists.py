"""The best items of each test query: what a trial recommends, from which measures beside accuracy
follow.

A table has one row for each recommended item, query after query, the best item first: ``user`` and
``item`` (raw ids), ``query`` (as in ``training.ranks``), ``rank`` (from 1: the item's position
among the candidates, equal scores in the order of the items), ``popularity`` (training interactions
with the item), ``novelty`` (its self-information in bits) and ``repeated`` (whether the item is in
the history of the query).
"""

import numpy as np
import pandas as pd

from datasets.sequences import Sequences
from datasets.spans import spans
from datasets.splitting.targets import Split, Targets
from models.batches import within

QUERIES_PER_BLOCK = 8192  # their histories are in memory together


def list_table(
    sequences: Sequences, split: Split, targets: Targets, lists: np.ndarray
) -> pd.DataFrame:
    """The table of ``lists``, [n_queries, k] int64, which are those of ``targets`` in their order.

    -1 stands behind the last item of a list that has fewer than k.
    """
    query, place = np.nonzero(lists >= 0)
    items = lists[query, place]
    queries = targets.chosen(targets.first_of_queries)
    interactions, owners = _popularity(sequences, split)
    learners = int(np.count_nonzero(split.train_ends > split.train_starts))
    novelty = self_information(owners, learners)
    user_ids = pd.Index(sequences.user_ids)
    item_ids = pd.Index(sequences.item_ids)
    return pd.DataFrame(
        {
            "user": pd.Categorical.from_codes(queries.users[query], user_ids),
            "item": pd.Categorical.from_codes(items, item_ids),
            "query": query.astype(np.int32),
            "rank": (place + 1).astype(np.int32),
            "popularity": interactions[items].astype(np.int32),
            "novelty": novelty[items].astype(np.float32),
            "repeated": _repeated(sequences, queries, lists)[query, place],
        }
    )


def self_information(users: np.ndarray, of: int) -> np.ndarray:
    """The novelty of items that ``users`` [n] of ``of`` training users had: log2(of / users), bits.

    Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS
    2010. An item that nobody had counts as one that one user had.
    """
    found: np.ndarray = np.log2(of / np.maximum(users, 1))
    return found


def _popularity(sequences: Sequences, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The training interactions, and the training users, of each item: [n_items] int64 each."""
    interactions = split.trained(sequences)
    if sequences.statistics["pairs"] == sequences.n_interactions:  # no item repeats
        return interactions, interactions
    users, place = within(split.train_ends - split.train_starts)
    items = sequences.items[split.train_starts[users] + place].astype(np.int64)
    distinct = np.unique(users * sequences.n_items + items) % sequences.n_items
    owners = np.bincount(distinct, minlength=sequences.n_items)
    return interactions, owners


def _repeated(sequences: Sequences, queries: Targets, lists: np.ndarray) -> np.ndarray:
    """Whether each item is in the history of its query: [n_queries, k] bool."""
    found = np.zeros(lists.shape, dtype=bool)
    for begin in range(0, len(lists), QUERIES_PER_BLOCK):
        block = slice(begin, begin + QUERIES_PER_BLOCK)
        starts = queries.starts[block]
        ends = queries.ends[block]
        past = sequences.items[spans(starts, ends)]
        owner = begin + np.repeat(np.arange(len(starts)), ends - starts)
        for place, items in enumerate(lists.T):  # ten comparisons take less than a sort
            found[owner[past == items[owner]], place] = True
    return found
