"""Batches cut from the flat item array, by index arithmetic on whole batches."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

import models.batches
from benchmark.errors import UserError
from datasets.sequences import Split, Targets
from models.batches import by_length, gather, within


def check_learnable(split: Split) -> None:
    """Raise UserError if no training sequence has two items: no model can learn what follows."""
    if int((split.train_ends - split.train_starts).max()) < 2:
        raise UserError(
            "nothing to learn: no user has two interactions for training, beside those for "
            "validation and test; use data with longer sequences, or a model that is counted, such "
            "as Popularity"
        )


def window_counts(starts: np.ndarray, ends: np.ndarray, length: int) -> np.ndarray:
    """The number of windows of at most ``length`` items that cover each sequence: [n] int64."""
    counts: np.ndarray = -(-(ends - starts) // length)
    return counts


def windows(starts: np.ndarray, ends: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each training sequence, from its end, into windows of at most ``length`` items.

    ``starts`` and ``ends`` are [n] int64. Returns the windows' starts and ends, both [n_windows]
    int64. Together the windows cover every item once; only the first window of a sequence can be
    shorter than ``length``.
    """
    sequence, back = within(window_counts(starts, ends, length))
    window_ends = ends[sequence] - back * length
    return np.maximum(window_ends - length, starts[sequence]), window_ends


class TrainingBatches:
    """Windows of all sequences, shuffled anew for each epoch, as [batch, length] int64 tensors.

    A sequence of n items gives ceil(n / max_length) windows in an epoch. Tiled windows are the same
    in every epoch and hold each item once. Sampled windows are drawn anew: each ends at a random
    item other than the first, so that every item is the last of a window equally often.
    """

    def __init__(
        self,
        items: Tensor,
        starts: np.ndarray,
        ends: np.ndarray,
        *,
        max_length: int,
        batch_size: int,
        pad: int,
        kind: str = "tiled",
    ):
        """``starts`` and ``ends`` [n] int64 are the training sequences' places in ``items``.

        ``items`` [n_interactions] int64 is on the training device; ``pad`` is the padding item;
        ``kind`` is "tiled" or "sampled".
        """
        self.items = items
        self.max_length = max_length
        self.batch_size = batch_size
        self.pad = pad
        self.sampled = kind == "sampled"
        if self.sampled:  # the whole sequence, once for each window that is drawn from it
            counts = window_counts(starts, ends, max_length)
            self.starts = np.repeat(starts, counts)
            self.ends = np.repeat(ends, counts)
        else:
            self.starts, self.ends = windows(starts, ends, max_length)

    @property
    def n_windows(self) -> int:
        return len(self.starts)

    def __len__(self) -> int:
        return -(-self.n_windows // self.batch_size)

    def shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        """The batches of one epoch, in random order. ``generator`` is on the CPU."""
        starts, ends = self._sample(generator) if self.sampled else (self.starts, self.ends)
        shuffle = torch.randperm(self.n_windows, generator=generator).numpy()
        batches = by_length(ends - starts, shuffle, self.batch_size)
        order = np.concatenate(batches)
        longest = [int((ends[rows] - starts[rows]).max()) for rows in batches]
        # One copy to the device for an epoch: a step waits for none.
        firsts, lasts = (
            torch.from_numpy(at[order]).to(self.items.device).split(self.batch_size)
            for at in (starts, ends)
        )
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield gather(self.items, firsts[i], lasts[i], longest[i], self.pad)

    def _sample(self, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the windows' starts and ends, both [n_windows] int64."""
        draw = torch.rand(self.n_windows, generator=generator, dtype=torch.float64).numpy()
        lengths = self.ends - self.starts
        kept = np.minimum(2 + (draw * (lengths - 1)).astype(np.int64), lengths)
        ends = self.starts + kept
        return np.maximum(ends - self.max_length, self.starts), ends


def histories(
    items: Tensor, targets: Targets, *, max_length: int, batch_size: int, pad: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Yield the targets in batches of similar history length.

    Each batch is (rows of ``targets`` [batch], histories [batch, length], target items [batch]),
    all int64. Histories are the last ``max_length`` items, padded with ``pad`` on the left.
    """
    batches = models.batches.histories(
        items,
        targets.starts,
        targets.ends,
        max_length=max_length,
        batch_size=batch_size,
        pad=pad,
    )
    for rows, past in batches:
        yield rows, past, items[torch.from_numpy(targets.positions[rows]).to(items.device)]
