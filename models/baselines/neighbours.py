"""Items with users in common: pair by pair, or by rows of a matrix of all items by all items."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

PAIRS_PER_CHUNK = 1 << 23  # pairs of items that are counted at once; a chunk has whole rows
ROWS_PER_CHUNK = 512  # of the matrix, that are computed at once, if there are few users
VALUES_PER_CHUNK = 1 << 26  # of a matrix of all users by the items of a chunk
VALUES_PER_PAIR = 32  # a dense product adds up this many values while one pair is counted


class Pairs(NamedTuple):
    """Pairs of different items, ordered by ``rows``, and by ``columns`` inside each row."""

    rows: Tensor
    """[m] int64"""
    columns: Tensor
    """[m] int64"""
    users: Tensor
    """[m] int64: the number of users that have both; at least 1."""

    def chosen(self, which: Tensor) -> "Pairs":
        """The pairs at ``which``, a mask or places."""
        return Pairs(*(values[which] for values in self))


def by_popularity(items: Tensor, users: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor]:
    """Items in the order of their numbers of users; of equals, the smaller number first.

    ``items`` and ``users`` are those of ``Counted.count``. Returns this order [n_items] int64, the
    users of the items in it [n_items] int64, and ``items`` with their places in it as new numbers.
    """
    sizes = torch.bincount(_each_once(items, users)[0], minlength=n_items)
    sizes, order = sizes.sort(descending=True, stable=True)
    return order, sizes, order.argsort()[items]


def popularity_below_zero(items: Tensor, n_items: int) -> Tensor:
    """Scores below 0, [n_items] float, in the order of the numbers of interactions ``items``."""
    levels, place = torch.bincount(items, minlength=n_items).unique(return_inverse=True)
    below: Tensor = (place - len(levels)) / len(levels)
    return below


def pairs_in_common(items: Tensor, users: Tensor, n_items: int) -> Iterator[Pairs]:
    """Yield all pairs of items that have users in common, both ways, some whole rows at a time.

    ``items`` and ``users`` are those of ``Counted.count``. Repeats count once. The work is the sum
    of the squares of the users' numbers of items or, if that is cheaper, the product of the numbers
    of interactions and of items.
    """
    item, user = _each_once(items, users)
    sizes = torch.bincount(user)
    items_of_users = item[user.argsort(stable=True)]
    starts = sizes.cumsum(0) - sizes
    edges = torch.searchsorted(item, torch.arange(n_items + 1, device=item.device))
    work = torch.cat([sizes.new_zeros(1), sizes[user].cumsum(0)])[edges].diff()  # [n_items]
    if len(item) * n_items < VALUES_PER_PAIR * int(work.sum()):
        for first, rows in _rows(item, user, n_items):
            rows.diagonal(first).zero_()  # an item with itself is no pair
            row, column = rows.nonzero(as_tuple=True)
            yield Pairs(row + first, column, rows[row, column].long())
        return
    for first, last in chunks(work, PAIRS_PER_CHUNK):
        part = slice(int(edges[first]), int(edges[last]))
        owner, at = spans(starts[user[part]], sizes[user[part]])
        keys = (item[part][owner] - first) * n_items + items_of_users[at]
        keys, both = _counted(keys, (last - first) * n_items)
        pairs = Pairs(keys // n_items + first, keys % n_items, both)
        yield pairs.chosen(pairs.rows != pairs.columns)


def rows_in_common(items: Tensor, users: Tensor, n_items: int) -> Iterator[tuple[int, Tensor]]:
    """The number of users of each pair of items: rows [chunk, n_items] float32 of a matrix,
    each time with the number of the first row.

    ``items`` and ``users`` are those of ``Counted.count``. Repeats count once.
    """
    return _rows(*_each_once(items, users), n_items)


def users_in_common(items: Tensor, users: Tensor, n_items: int) -> Tensor:
    """The number of users of each pair of items: [n_items, n_items] float32.

    ``items`` and ``users`` are those of ``Counted.count``. Repeats count once.
    """
    common = torch.empty(n_items, n_items, device=items.device)
    for first, rows in rows_in_common(items, users, n_items):
        common[first : first + len(rows)] = rows
    return common


def _each_once(items: Tensor, users: Tensor) -> tuple[Tensor, Tensor]:
    """The items and users of the different interactions, ordered by item: [m] int64 each."""
    n_users = int(users.max()) + 1
    had = torch.unique(items * n_users + users)
    return had // n_users, had % n_users


def _rows(item: Tensor, user: Tensor, n_items: int) -> Iterator[tuple[int, Tensor]]:
    """``rows_in_common`` of what ``_each_once`` returns."""
    n_users = int(user.max()) + 1
    edges = torch.searchsorted(item, torch.arange(n_items + 1, device=item.device))
    at_once = max(1, min(ROWS_PER_CHUNK, VALUES_PER_CHUNK // max(n_users, n_items)))
    for first in range(0, n_items, at_once):
        last = min(first + at_once, n_items)
        part = slice(int(edges[first]), int(edges[last]))
        theirs = torch.zeros(n_users, last - first, device=item.device)  # 1 where the user has it
        theirs[user[part], item[part] - first] = 1.0
        yield first, F.embedding_bag(user, theirs, edges[:-1], mode="sum").T.contiguous()


def _counted(keys: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The different keys, ascending, and how often each occurs; they are below ``n``."""
    if n > 4 * len(keys):  # to sort the keys is faster than to pass over n counters
        found, counts = torch.unique(keys, return_counts=True)
        return found, counts
    counts = torch.bincount(keys, minlength=n)
    found = counts.nonzero()[:, 0]
    return found, counts[found]


def chunks(work: Tensor, at_once: int) -> Iterator[tuple[int, int]]:
    """Yield the first place of each chunk, and the place after its last.

    ``work`` [n] int64 is that of each place. A chunk has about ``at_once`` of it, or one place.
    """
    last = 0
    for places in torch.unique_consecutive(work.cumsum(0) // at_once, return_counts=True)[1]:
        first = last
        last += int(places)
        yield first, last


def spans(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The places ``starts[i]`` .. ``starts[i] + counts[i] - 1`` of all i, one after the other.

    Returns the i of each, and the places: [counts.sum()] int64 each.
    """
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    place = torch.arange(len(owner), device=counts.device)
    return owner, (starts - counts.cumsum(0) + counts)[owner] + place


def nearest(pairs: Pairs, sizes: Tensor, k: int) -> Tensor:
    """The places in ``pairs`` of the ``k`` most similar items of each row, [m'] int64.

    They are ordered by row, the most similar first. The similarity is the cosine of users, |both| /
    sqrt(|a| |b|), with ``sizes`` [n_items] the users of each item; of equals, the smaller column
    comes first. |both|^2 / |b| orders the columns b of one row a as the cosine does. It is the
    quotient of two integers, rounded once: equal cosines stay equal.
    """
    similar = pairs.users.double() ** 2 / sizes[pairs.columns]
    order = similar.argsort(descending=True, stable=True)
    order = order[pairs.rows[order].argsort(stable=True)]
    rows = pairs.rows[order]
    place = torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)
    return order[place < k]
