"""Histories of many users as batches, one tensor each, by index arithmetic."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from models.model import Histories


class Interactions(NamedTuple):
    """Interactions of all users, one user after the other, oldest first, on one device.

    int32 takes half the memory, and there may be a billion: ``gather`` casts each batch to int64.
    """

    items: Tensor
    """[m] int32 or int64"""
    baskets: Tensor
    """[m] int32 or int64: as in ``Histories``."""

    @classmethod
    def without_times(cls, items: Tensor) -> Self:
        """Every interaction has a time of its own."""
        return cls(items, torch.arange(len(items), device=items.device))


def within(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the members of groups of sizes ``counts`` [groups] int64.

    Returns the group of each member, and its place in the group from 0: [sum] int64 each.
    """
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def gather(
    interactions: Interactions, starts: Tensor, ends: Tensor, length: int, pad: int
) -> Histories:
    """The last ``length`` of each ``interactions[start:end]``, padded on the left.

    ``starts`` and ``ends`` [batch] int64 are on the device of the interactions.
    """
    items, baskets = interactions
    index = ends[:, None] + torch.arange(-length, 0, device=items.device)  # [batch, length]
    real = index >= starts[:, None]
    index = index.clamp(min=0)
    return Histories(torch.where(real, items[index].long(), pad), baskets[index].long())


def by_length(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of rows of similar length, so that almost no work goes into padding.

    ``lengths`` [n] int64 are those of the rows; ``order`` [n] int64 breaks ties between equal
    lengths. Each returned array holds row numbers.
    """
    order = order[np.argsort(lengths[order], kind="stable")]
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def histories(
    interactions: Interactions,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    max_length: int,
    batch_size: int,
    pad: int,
) -> Iterator[tuple[np.ndarray, Histories]]:
    """Yield (row numbers [batch], histories of these rows), ordered by length.

    The history of a row is the last ``max_length`` of ``interactions[start:end]``. An empty history
    is all padding; a batch of empty histories has length 1.
    """
    device = interactions.items.device
    lengths = np.minimum(ends - starts, max_length)
    for rows in by_length(lengths, np.arange(len(lengths)), batch_size):
        length = max(1, int(lengths[rows].max()))
        first, last = (torch.from_numpy(at[rows]).to(device) for at in (starts, ends))
        yield rows, gather(interactions, first, last, length, pad)


def pairs(items: Tensor, starts: np.ndarray, ends: np.ndarray) -> Tensor:
    """(row, item) of every item in ``items[start:end]`` of each row: [2, n] int64."""
    row, step = within(ends - starts)
    index = torch.from_numpy(starts[row] + step).to(items.device)
    return torch.stack([torch.from_numpy(row).to(items.device), items[index]])
