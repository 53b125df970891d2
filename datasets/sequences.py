"""Interactions in time order as one flat integer array."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from datasets import parts, ties
from datasets.errors import DataError
from datasets.ids import Ids
from datasets.spans import SLAB, distinct, slabs


@dataclass(frozen=True)
class Sequences:
    """Every user's items, oldest first, user after user.

    User ``u`` owns ``items[offsets[u]:offsets[u + 1]]``. Items have the codes 0 .. n_items - 1 and
    users 0 .. n_users - 1, both in the order of their raw ids.

    With ``ties: random``, codes and digest depend on the interactions alone, not on the order of
    the rows in the file. With ``ties: file``, this holds for users without equal times; the order
    of rows at equal times, or without times, is part of the data and of the digest.
    """

    items: np.ndarray
    """[n_interactions] int32. Behind them stand the items of ``histories`` that are nobody's
    interactions."""
    offsets: np.ndarray  # [n_users + 1] int64
    user_ids: Ids
    item_ids: Ids
    timestamps: np.ndarray | None = None
    """[n_interactions] float64, seconds since 1970, in the order of ``items``; None if the file has
    no timestamps. They are not part of the digest: models learn from the order of interactions
    and, at most, from which of them have equal times."""
    parts: np.ndarray | None = None
    """[n_interactions] int8, for a split that is given by files: codes of ``parts.PARTS``. Each
    user's interactions are in their order, and by time inside each part."""
    histories: np.ndarray | None = None
    """[n, 3] int64, for a split by files that give histories: (position, start, end) of each target
    whose history is ``items[start:end]``, and not all that its user has before it."""

    @property
    def n_interactions(self) -> int:
        return int(self.offsets[-1])

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @cached_property
    def baskets(self) -> np.ndarray:
        """[len(items)] int32, or int64 where there are too many: equal for a user's interactions at
        the same time, and one more at each later time. Items without a time have a number of their
        own."""
        n = len(self.items)
        dtype = np.int32 if n <= np.iinfo(np.int32).max else np.int64
        if self.timestamps is None:
            return np.arange(n, dtype=dtype)
        tied = ties.tied_with_next(self.timestamps, self.offsets)
        further = np.ones(n - self.n_interactions, dtype=bool)
        return np.cumsum(np.concatenate([[False], ~tied[:-1], further]), dtype=dtype)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits, computed from items, offsets and ids, and for a split by files
        from its parts and histories."""
        sha = hashlib.sha256()
        for array in (self.items.astype("<i4", copy=False), self.offsets.astype("<i8", copy=False)):
            sha.update(np.ascontiguousarray(array).data)
        for ids in (self.user_ids, self.item_ids):
            for start in range(0, len(ids), SLAB):
                joined = "\n".join(ids.texts[start : start + SLAB].to_pylist())
                sha.update(("\n" * (start > 0) + joined).encode())
        if self.parts is not None:
            sha.update(self.parts.astype("i1").tobytes())
        if self.histories is not None:
            sha.update(self.histories.astype("<i8").tobytes())
        return sha.hexdigest()[:16]

    @cached_property
    def statistics(self) -> dict[str, int | float]:
        """Counts without padding ids (RecBole counts one more user and one more item).

        ``pairs`` are the different pairs of user and item; sparsity is the share of all possible
        pairs that do not occur. With timestamps: ``copies`` are the interactions that equal
        another one in user, item and time (of two equal ones, one is a copy), ``tied_neighbours``
        is the share of tied ones among all neighbouring interactions of one user. If any are tied,
        ``tied_ascending`` is the share of them that are in the order of their items' ids, and the
        numbers of ``ties.successor_hits`` are there, too.
        """
        n_pairs = sum(
            distinct(ties.users_of(offsets) * self.n_items + items)
            for items, offsets, _ in self.slabs()
        )
        return {
            "users": self.n_users,
            "items": self.n_items,
            "interactions": self.n_interactions,
            "interactions_per_user": float(np.diff(self.offsets).mean()),
            "interactions_per_item": self.n_interactions / self.n_items,
            "pairs": n_pairs,
            "sparsity": 1 - n_pairs / (self.n_users * self.n_items),
            **self._ties(),
            **self._parts(),
        }

    def _parts(self) -> dict[str, int]:
        """The statistics of a split by files."""
        if self.parts is None:
            return {}
        return parts.checks(
            self.items, self.n_items, self.offsets, self.parts, self.timestamps, self.histories
        )

    def _ties(self) -> dict[str, int | float]:
        """The statistics that need timestamps."""
        if self.timestamps is None:
            return {}
        n_tied = 0
        n_copies = 0
        steps = np.zeros(2, np.int64)
        for items, offsets, times in self.slabs():
            assert times is not None
            tied = ties.tied_with_next(times, offsets)
            if tied.any():
                n_tied += int(tied.sum())
                n_copies += ties.copies(items, offsets, times)
                steps += ties.steps(items, tied)
        if not n_tied:
            return {"copies": 0, "tied_neighbours": 0.0}
        return {
            "copies": n_copies,
            "tied_neighbours": float(n_tied / (self.n_interactions - self.n_users)),
            "tied_ascending": float(steps[0] / steps[1]) if steps[1] else 0.5,
            **ties.successor_hits(self.items, self.offsets, self.timestamps),
        }

    def slabs(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Items, offsets and, if known, timestamps of some users at a time, as if there were no
        others: temporary arrays of a slab fit into memory."""
        for users in slabs(np.diff(self.offsets)):
            offsets = self.offsets[users.start : users.stop + 1]
            rows = slice(offsets[0], offsets[-1])
            times = None if self.timestamps is None else self.timestamps[rows]
            yield self.items[rows], offsets - offsets[0], times


def from_interactions(interactions: pd.DataFrame, order_of_ties: str = "file") -> Sequences:
    """Give users and items integer codes, and put each user's items in time order.

    ``interactions`` has columns user and item (str) and, if known, timestamp (seconds since 1970).
    Without timestamps, rows keep their order. So do rows with equal timestamps if
    ``order_of_ties`` is "file"; "random" sorts them by a hash that the order of rows does not
    change.

    Raises DataError for a random order without timestamps.
    """
    return ordered(interactions, order_of_ties)[0]


def ordered(
    interactions: pd.DataFrame, order_of_ties: str, more_items: Sequence[str] = ()
) -> tuple[Sequences, np.ndarray]:
    """``from_interactions``, and the rows in the order of the sequences, [n_interactions] int64.

    With a column part (a code of ``parts.PARTS``), a user's interactions are in the order of their
    parts, and by time inside each of them. ``more_items`` are further ids of the catalogue.
    """
    user_codes, user_ids = pd.factorize(interactions["user"], sort=True)
    items = interactions["item"]
    if len(more_items):
        items = pd.concat([items, pd.Series(more_items, dtype=items.dtype)])
    item_codes, item_ids = pd.factorize(items, sort=True)
    item_codes = item_codes[: len(interactions)]
    of_files = interactions["part"].to_numpy(np.int8) if "part" in interactions else None
    times = None
    at_random = None
    if "timestamp" in interactions:
        times = interactions["timestamp"].to_numpy(np.float64)
        if order_of_ties == "random":
            at_random = ties.random_keys(user_codes, user_ids, item_codes, item_ids, times)
    elif order_of_ties == "random":
        raise DataError(ties.NO_TIMES)
    order = time_order(user_codes, times, at_random, of_files)
    lengths = np.bincount(user_codes, minlength=len(user_ids))
    sequences = Sequences(
        items=item_codes[order].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        user_ids=Ids.of(np.asarray(user_ids, dtype=str)),
        item_ids=Ids.of(np.asarray(item_ids, dtype=str)),
        timestamps=None if times is None else times[order],
        parts=None if of_files is None else of_files[order],
    )
    return sequences, order


def time_order(
    users: np.ndarray,
    times: np.ndarray | None,
    of_ties: np.ndarray | None = None,
    parts: np.ndarray | None = None,
) -> np.ndarray:
    """The order of rows by user, part, time and the key ``of_ties``, [n] int64; rows that are equal
    in all of them keep their order. The arguments are [n]; None: there is none."""
    order: np.ndarray = np.lexsort(
        [key for key in (of_ties, times, parts, users) if key is not None]
    )
    return order
