"""Batches cut from the flat item array, by index arithmetic on whole batches."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmark.errors import UserError
from datasets.splitting.targets import Split
from models.batches import Interactions, by_length, gather, within
from models.model import Histories


def check_learnable(split: Split) -> None:
    """Raise UserError if no training sequence has two items: no model can learn what follows."""
    if int((split.train_ends - split.train_starts).max()) < 2:
        raise UserError(
            "nothing to learn: no user has two interactions for training, beside those for "
            "validation and test; use data with longer sequences, or a model that is counted, such "
            "as Popularity"
        )


def check_countable(split: Split) -> None:
    """Raise UserError if there is no training interaction."""
    if not (split.train_ends > split.train_starts).any():
        raise UserError(
            "nothing to count: no interaction is for training; move the beginning of validation"
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


MEMORY_STEP = 64  # lengths of memory are multiples of it: few shapes, few CUDA graphs


class TrainingBatches:
    """Windows of all sequences, shuffled anew for each epoch, in batches.

    A sequence of n items gives ceil(n / max_length) windows in an epoch. Tiled windows are the same
    in every epoch and hold each item once. Sampled windows are drawn anew: each ends at a random
    item other than the first, so that every item is the last of a window equally often.
    """

    def __init__(
        self,
        interactions: Interactions,
        starts: np.ndarray,
        ends: np.ndarray,
        *,
        max_length: int,
        batch_size: int,
        pad: int,
        kind: str = "tiled",
        memory: int = 0,
    ):
        """``starts`` and ``ends`` [n] int64 are the training sequences' places in ``interactions``.

        ``pad`` is the padding item; ``kind`` is "tiled" or "sampled"; a window is preceded by at
        most ``memory`` interactions of its sequence.
        """
        self.interactions = interactions
        self.memory = memory
        self.max_length = max_length
        self.batch_size = batch_size
        self.pad = pad
        self.sampled = kind == "sampled"
        counts = window_counts(starts, ends, max_length)
        # Of each window: where its sequence starts, and where the window ends.
        self.starts = np.repeat(starts, counts)
        self.ends = np.repeat(ends, counts)
        if not self.sampled:
            _, self.ends = windows(starts, ends, max_length)

    @property
    def n_windows(self) -> int:
        return len(self.starts)

    def __len__(self) -> int:
        return -(-self.n_windows // self.batch_size)

    def shuffled(self, generator: torch.Generator) -> Iterator[Histories]:
        """The batches of one epoch, in random order: windows in the last ``max_length`` columns,
        and what precedes them. ``generator`` is on the CPU.
        """
        device = self.interactions.items.device
        ends = self._sample(generator) if self.sampled else self.ends
        starts = np.maximum(ends - self.max_length - self.memory, self.starts)
        shuffle = torch.randperm(self.n_windows, generator=generator).numpy()
        batches = by_length(ends - starts, shuffle, self.batch_size)
        order = np.concatenate(batches)
        longest = [self._width(int((ends[rows] - starts[rows]).max())) for rows in batches]
        # One copy to the device for an epoch: a step waits for none.
        firsts, lasts = (
            torch.from_numpy(at[order]).to(device).split(self.batch_size) for at in (starts, ends)
        )
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield gather(self.interactions, firsts[i], lasts[i], longest[i], self.pad)

    def _width(self, longest: int) -> int:
        """The number of columns of a batch, by its longest row."""
        beyond = max(0, longest - self.max_length)
        return longest - beyond + -(-beyond // MEMORY_STEP) * MEMORY_STEP

    def _sample(self, generator: torch.Generator) -> np.ndarray:
        """Draw the windows' ends, [n_windows] int64."""
        draw = torch.rand(self.n_windows, generator=generator, dtype=torch.float64).numpy()
        lengths = self.ends - self.starts
        kept = np.minimum(2 + (draw * (lengths - 1)).astype(np.int64), lengths)
        ends: np.ndarray = self.starts + kept
        return ends
