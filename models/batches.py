"""Histories of many users as batches, one tensor each, by index arithmetic."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def within(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the members of groups of sizes ``counts`` [groups] int64.

    Returns the group of each member, and its place in the group from 0: [sum] int64 each.
    """
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def gather(items: Tensor, starts: Tensor, ends: Tensor, length: int, pad: int) -> Tensor:
    """The last ``length`` items of each ``items[start:end]``, padded on the left.

    ``items`` [m] int64, ``starts`` and ``ends`` [batch] int64, all on one device -> [batch, length]
    int64.
    """
    index = ends[:, None] + torch.arange(-length, 0, device=items.device)  # [batch, length]
    return torch.where(index >= starts[:, None], items[index.clamp(min=0)], pad)


def by_length(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of rows of similar length, so that almost no work goes into padding.

    ``lengths`` [n] int64 are those of the rows; ``order`` [n] int64 breaks ties between equal
    lengths. Each returned array holds row numbers.
    """
    order = order[np.argsort(lengths[order], kind="stable")]
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def histories(
    items: Tensor,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    max_length: int,
    batch_size: int,
    pad: int,
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yield (row numbers [batch], histories [batch, length]), ordered by length.

    The history of a row is the last ``max_length`` items of ``items[start:end]``. An empty history
    is all padding; a batch of empty histories has length 1.
    """
    lengths = np.minimum(ends - starts, max_length)
    for rows in by_length(lengths, np.arange(len(lengths)), batch_size):
        length = max(1, int(lengths[rows].max()))
        first, last = (torch.from_numpy(at[rows]).to(items.device) for at in (starts, ends))
        yield rows, gather(items, first, last, length, pad)


def pairs(items: Tensor, starts: np.ndarray, ends: np.ndarray) -> Tensor:
    """(row, item) of every item in ``items[start:end]`` of each row: [2, n] int64."""
    row, step = within(ends - starts)
    index = torch.from_numpy(starts[row] + step).to(items.device)
    return torch.stack([torch.from_numpy(row).to(items.device), items[index]])
