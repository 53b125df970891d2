"""The rank of every user's target: a trial's primary result, from which all figures follow.

A table has a row for each user: ``user`` and ``item`` (raw ids) and ``rank`` (from 1); and, so that
users can be told apart without the data, ``history`` (interactions before the target),
``popularity`` (training interactions with the target) and ``repeated`` (whether the user had it).
"""

import numpy as np
import pandas as pd

from datasets import Sequences, Split, Targets
from models.batches import within


def rank_table(
    sequences: Sequences, split: Split, targets: Targets, ranks: np.ndarray
) -> pd.DataFrame:
    """``ranks`` [n] of ``targets``, in their order."""
    items, wanted = sequences.items, sequences.items[targets.positions]
    users, place = within(split.train_ends - split.train_starts)
    trained = items[split.train_starts[users] + place]
    lengths = targets.positions - targets.starts
    target, place = within(lengths)
    again = items[targets.starts[target] + place] == wanted[target]
    return pd.DataFrame(
        {
            "user": sequences.user_ids[targets.users],
            "item": sequences.item_ids[wanted],
            "rank": ranks,
            "history": lengths,
            "popularity": np.bincount(trained, minlength=sequences.n_items)[wanted],
            "repeated": np.bincount(target, again, minlength=len(wanted)) > 0,
        }
    )
