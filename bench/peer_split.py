"""Leave-one-out split of sequences, and the metrics of ranks: all runners are scored alike.

numpy suffices: every environment of bench/peers.sh has it.
"""

import numpy as np

K = 10  # cut-off of the metrics


class Split:
    """The last item of a user is for test, the one before it for validation, others for training.

    All items of a user with fewer than three are for training.
    """

    def __init__(self, items: np.ndarray, offsets: np.ndarray):
        lengths = np.diff(offsets)
        self.items = items
        self.users = np.repeat(np.arange(len(lengths)), lengths)  # of each interaction
        self.positions = np.arange(len(items)) - offsets[self.users]  # of each interaction
        from_end = lengths[self.users] - self.positions  # 1 for the last item of a user
        short = lengths[self.users] < 3
        # Name of the part -> whether an interaction is known when the part is evaluated. What is
        # known for validation is the training data.
        self.known = {"valid": short | (from_end > 2), "test": short | (from_end > 1)}
        self.evaluated = np.flatnonzero(lengths >= 3)  # users
        ends = offsets[1:][self.evaluated]
        # Name of the part -> targets of the users ``evaluated``
        self.targets = {"valid": items[ends - 2], "test": items[ends - 1]}


def quality(ranks: np.ndarray, n_targets: int) -> dict[str, float]:
    """Recall and ndcg at K. ``ranks``: of the targets among the first K, from 1."""
    return {
        f"recall@{K}": len(ranks) / n_targets,
        f"ndcg@{K}": float((1 / np.log2(ranks + 1)).sum() / n_targets),
    }
