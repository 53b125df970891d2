"""Histories of many users as batches of one tensor each: index arithmetic, nothing per user."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def within(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the members of groups: the group of each, and its place in it from 0, [sum] int64."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def gather(items: Tensor, starts: np.ndarray, ends: np.ndarray, length: int, pad: int) -> Tensor:
    """The last ``length`` items of ``items[start:end]``, padded on the left: [batch, length]."""
    starts, ends = (torch.from_numpy(edges).to(items.device) for edges in (starts, ends))
    index = ends[:, None] + torch.arange(-length, 0, device=items.device)  # [batch, length]
    return torch.where(index >= starts[:, None], items[index.clamp(min=0)], pad)


def by_length(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of neighbours in length, so that (almost) no work goes into padding.

    ``order`` breaks ties between equal lengths; each returned array holds row numbers.
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
    """Yield (rows [batch], the last items of ``items[start:end]`` [batch, length]), by length.

    An empty history is all padding; a batch of them has length 1.
    """
    lengths = np.minimum(ends - starts, max_length)
    for rows in by_length(lengths, np.arange(len(lengths)), batch_size):
        length = max(1, int(lengths[rows].max()))
        yield rows, gather(items, starts[rows], ends[rows], length, pad)


def pairs(items: Tensor, starts: np.ndarray, ends: np.ndarray) -> Tensor:
    """(row, item) of everything in ``items[start:end]`` of each row: [2, n] int64."""
    row, step = within(ends - starts)
    index = torch.from_numpy(starts[row] + step).to(items.device)
    return torch.stack([torch.from_numpy(row).to(items.device), items[index]])
