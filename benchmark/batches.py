"""Batches cut from the flat item array: index arithmetic on whole batches, nothing per sample."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from datasets.sequences import Targets


def windows(starts: np.ndarray, ends: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each training sequence, from its end, into windows of at most ``length`` items.

    Returns the windows' starts and ends, both [n_windows] int64. Together they cover every item
    once; only the first window of a sequence can be shorter than ``length``.
    """
    counts = -(-(ends - starts) // length)
    sequence = np.repeat(np.arange(len(starts)), counts)
    back = np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts)
    window_ends = ends[sequence] - back * length
    return np.maximum(window_ends - length, starts[sequence]), window_ends


def gather(items: Tensor, starts: Tensor, ends: Tensor, length: int, pad: int) -> Tensor:
    """The last ``length`` items of ``items[start:end]``, padded on the left: [batch, length]."""
    index = ends[:, None] + torch.arange(-length, 0, device=items.device)  # [batch, length]
    return torch.where(index >= starts[:, None], items[index.clamp(min=0)], pad)


def by_length(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of neighbours in length, so that (almost) no work goes into padding.

    ``order`` breaks ties between equal lengths; each returned array holds row numbers.
    """
    order = order[np.argsort(lengths[order], kind="stable")]
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


class TrainingBatches:
    """The windows of all users, shuffled anew for each pass, as [batch, length] int64 tensors."""

    def __init__(
        self,
        items: Tensor,
        starts: np.ndarray,
        ends: np.ndarray,
        *,
        max_length: int,
        batch_size: int,
        pad: int,
    ):
        starts, ends = windows(starts, ends, max_length)
        self.lengths = ends - starts
        self.items, self.batch_size, self.pad = items, batch_size, pad
        self.starts = torch.from_numpy(starts).to(items.device)
        self.ends = torch.from_numpy(ends).to(items.device)

    @property
    def n_windows(self) -> int:
        return len(self.lengths)

    def __len__(self) -> int:
        return -(-self.n_windows // self.batch_size)

    def shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        """One pass over all windows. ``generator`` lives on the CPU."""
        shuffle = torch.randperm(self.n_windows, generator=generator).numpy()
        batches = by_length(self.lengths, shuffle, self.batch_size)
        for i in torch.randperm(len(batches), generator=generator).tolist():
            rows = torch.from_numpy(batches[i]).to(self.items.device)
            length = int(self.lengths[batches[i]].max())
            yield gather(self.items, self.starts[rows], self.ends[rows], length, self.pad)


def histories(
    items: Tensor, targets: Targets, *, max_length: int, batch_size: int, pad: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Yield (rows of ``targets`` [batch], histories [batch, length], target items [batch])."""
    lengths = np.minimum(targets.positions - targets.starts, max_length)
    for rows in by_length(lengths, np.arange(len(lengths)), batch_size):
        starts = torch.from_numpy(targets.starts[rows]).to(items.device)
        ends = torch.from_numpy(targets.positions[rows]).to(items.device)
        yield rows, gather(items, starts, ends, int(lengths[rows].max()), pad), items[ends]
