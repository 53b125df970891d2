"""Spans of positions, such as the interactions of each user, as flat arrays."""

from collections.abc import Iterator

import numpy as np

SLAB = 1 << 23  # interactions, or ids, for which there are temporary arrays at a time


def spans(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The positions start .. end - 1 of each span, one span after the other: [sum] int64.

    ``starts`` and ``ends`` are [n] int64.
    """
    lengths = ends - starts
    begins = np.cumsum(lengths) - lengths
    places: np.ndarray = np.arange(lengths.sum()) + np.repeat(starts - begins, lengths)
    return places


def slabs(lengths: np.ndarray, most: int = SLAB) -> Iterator[slice]:
    """Neighbouring rows whose ``lengths`` [n] add up to at most ``most``, or one that is longer."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = ends[start] - lengths[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(start, stop)
        start = stop


def distinct(numbers: np.ndarray) -> int:
    """How many different numbers there are."""
    ordered = np.sort(numbers)
    changes = np.count_nonzero(ordered[1:] != ordered[:-1])
    return int(changes) + int(len(numbers) > 0)
