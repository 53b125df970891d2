"""Targets: single interactions, or whole baskets (all interactions of a user at one time)."""

import numpy as np

from datasets.errors import DataError
from datasets.sequences import Sequences
from datasets.splitting.targets import Targets


def numbers_of(sequences: Sequences) -> np.ndarray:
    """``Sequences.baskets``. Raises DataError without timestamps."""
    if sequences.timestamps is None:
        raise DataError(
            "targets: last-tied needs timestamps, and these data have none: use a file and a "
            "reader with timestamps, or targets: last"
        )
    return sequences.baskets


def begin(positions: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Where the baskets of interactions begin. ``numbers`` are those of the baskets; None: each
    interaction is a basket of its own."""
    return positions if numbers is None else np.searchsorted(numbers, numbers[positions])


def targets(
    sequences: Sequences, users: np.ndarray, at: np.ndarray, numbers: np.ndarray | None
) -> Targets:
    """The items at ``at``, or every distinct item of the baskets of these interactions.

    ``users`` and ``at`` are [n] int64; ``numbers`` are those of ``begin``.
    """
    if numbers is None:
        return Targets.next_items(users, sequences.offsets[users], at)
    positions = np.flatnonzero(np.isin(numbers, numbers[at]))
    baskets = numbers[positions].astype(np.int64)  # their product with items passes 2^31
    pairs = baskets * sequences.n_items + sequences.items[positions]
    positions = positions[np.sort(np.unique(pairs, return_index=True)[1])]
    owners = np.searchsorted(sequences.offsets, positions, side="right") - 1
    starts = sequences.offsets[owners]
    return Targets(owners, starts, begin(positions, numbers), positions)
