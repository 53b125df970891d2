"""Histories of many users as batches, and the different items in them, by index arithmetic."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from models.model import Histories

MOST_VALUES = 1 << 22  # in a batch of histories: 32 MB; a model makes several arrays of this size


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
    is all padding; a batch of empty histories has length 1. A batch is smaller than ``batch_size``
    where its longest history would make it larger than ``MOST_VALUES``.
    """
    device = interactions.items.device
    lengths = np.minimum(ends - starts, max_length)
    batches = by_length(lengths, np.arange(len(lengths)), batch_size)
    for rows in chain.from_iterable(_fitting(batch, lengths) for batch in batches):
        length = max(1, int(lengths[rows].max()))
        first, last = (torch.from_numpy(at[rows]).to(device) for at in (starts, ends))
        yield rows, gather(interactions, first, last, length, pad)


def _fitting(rows: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of a batch, ordered by length, in parts that are small enough; the longest first."""
    while len(rows):
        n = max(1, MOST_VALUES // max(1, int(lengths[rows[-1]])))
        yield rows[-n:]
        rows = rows[:-n]


def pairs(items: Tensor, starts: np.ndarray, ends: np.ndarray) -> Tensor:
    """(row, item) of every item in ``items[start:end]`` of each row: [2, n] int64."""
    row, step = within(ends - starts)
    index = torch.from_numpy(starts[row] + step).to(items.device)
    return torch.stack([torch.from_numpy(row).to(items.device), items[index]])


def known(histories: Histories, limits: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor]:
    """The items in the columns up to each of ``limits`` [batch or 1, k] int64.

    Returns each item once, at its last occurrence, and -1 elsewhere; how often it occurs; and how
    many baskets before the latest one it occurred last: [batch, k, length] int64 each.
    """
    items, baskets = histories
    counts, following = _occurrences(items)
    column = torch.arange(items.shape[1], device=items.device)
    limits = limits.expand(len(items), -1)[..., None]  # [batch, k, 1]
    last = (column <= limits) & (following[:, None] > limits) & (items < n_items)[:, None]
    latest = baskets.gather(1, limits[..., 0].clamp(min=0))[..., None]  # [batch, k, 1]
    ages = (latest - baskets[:, None]).clamp(min=0)
    return items[:, None].where(last, -1), counts[:, None].expand_as(ages), ages


def _occurrences(items: Tensor) -> tuple[Tensor, Tensor]:
    """How often the item of each column occurs up to it, and the column of its next occurrence, or
    the number of columns: [batch, length] int64 each."""
    batch, length = items.shape
    order = items.argsort(dim=1, stable=True)  # by item, and by column inside each
    ordered = items.gather(1, order)
    new = torch.ones_like(items, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = torch.arange(length, device=items.device).expand(batch, -1)
    counts = place - torch.where(new, place, 0).cummax(1).values + 1
    following = torch.full_like(order, length)
    following[:, :-1] = order[:, 1:].masked_fill(new[:, 1:], length)
    return (
        torch.empty_like(counts).scatter_(1, order, counts),
        torch.empty_like(order).scatter_(1, order, following),
    )
