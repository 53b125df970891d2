"""The rank of each target: a trial's primary result, from which all metrics follow.

A table has one row for each target: ``user`` and ``item`` (raw ids), ``rank`` (from 1) and
``query``, a number that targets with one history share. A target that is no candidate has the rank
``models.ranking.MISS``: metrics have a mean, ranks have none. More columns let a report group
targets without the data: ``history`` (interactions before the target), ``popularity`` (training
interactions with the target), ``repeated`` (whether the target is in the history) and, of data with
times, ``tied`` (whether the interaction before or after it has its time).
"""

import numpy as np
import pandas as pd

from datasets.sequences import Sequences
from datasets.splitting.targets import Split, Targets


def rank_table(
    sequences: Sequences, split: Split, targets: Targets, ranks: np.ndarray
) -> pd.DataFrame:
    """The table of ``ranks``, [n] int64, which are those of ``targets`` in their order."""
    items = sequences.items
    wanted = items[targets.positions]  # [n]
    table = pd.DataFrame(
        {
            "user": sequences.user_ids[targets.users],
            "item": sequences.item_ids[wanted],
            "rank": ranks,
            "query": targets.queries,
            "history": targets.ends - targets.starts,
            "popularity": split.trained(sequences)[wanted],
            "repeated": targets.repeated(items),
        }
    )
    tied = targets.tied(sequences)
    return table if tied is None else table.assign(tied=tied)
