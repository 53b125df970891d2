"""Interactions in time order as one flat integer array, and the positions to predict in it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from datasets import parts, ties
from datasets.errors import DataError
from datasets.ids import Ids

SLAB = 1 << 23  # interactions, or ids, for which there are temporary arrays at a time


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
            _distinct(ties.users_of(offsets) * self.n_items + items)
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


def slabs(lengths: np.ndarray) -> Iterator[slice]:
    """Rows in groups with the sum SLAB of their ``lengths`` [n], or one row that is longer."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = ends[start] - lengths[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + SLAB, side="right")))
        yield slice(start, stop)
        start = stop


def _distinct(numbers: np.ndarray) -> int:
    """How many different numbers there are."""
    ordered_numbers = np.sort(numbers)
    changes = np.count_nonzero(ordered_numbers[1:] != ordered_numbers[:-1])
    return int(changes) + int(len(numbers) > 0)


def spans(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The positions start .. end - 1 of each span, one span after the other: [sum] int64.

    ``starts`` and ``ends`` are [n] int64.
    """
    lengths = ends - starts
    begins = np.cumsum(lengths) - lengths
    places: np.ndarray = np.arange(lengths.sum()) + np.repeat(starts - begins, lengths)
    return places


@dataclass(frozen=True)
class Targets:
    """Positions in ``Sequences.items`` of the items to predict, ordered by user.

    Target ``i`` is ``items[positions[i]]``; its history is ``items[starts[i]:ends[i]]``, all of it
    before the target. A user may have several targets.
    """

    users: np.ndarray  # [n] int64
    starts: np.ndarray  # [n] int64
    ends: np.ndarray  # [n] int64
    positions: np.ndarray  # [n] int64

    @classmethod
    def next_items(cls, users: np.ndarray, starts: np.ndarray, positions: np.ndarray) -> Self:
        """Targets whose history is everything from ``starts`` up to them; all [n] int64."""
        return cls(users, starts, positions, positions)

    @property
    def n_users(self) -> int:
        """The number of users with a target."""
        return int(np.count_nonzero(np.diff(self.users, prepend=-1)))

    @property
    def queries(self) -> np.ndarray:
        """The query of each target, [n] int64, numbered in their order. Targets with one history
        are relevant to one query."""
        keys = np.stack([self.users, self.starts, self.ends])
        return np.cumsum((np.diff(keys, prepend=keys[:, :1]) != 0).any(axis=0))

    @property
    def first_of_queries(self) -> np.ndarray:
        """The first target of each query: [n_queries] int64."""
        return np.flatnonzero(np.diff(self.queries, prepend=-1))

    @property
    def one_for_each_query(self) -> bool:
        """Whether no query has several targets."""
        return len(self.first_of_queries) == len(self.positions)

    def repeated(self, items: np.ndarray) -> np.ndarray:
        """Whether each target is in its own history: [n] bool. ``items`` are the sequences'."""
        found = np.zeros(len(self.positions), dtype=bool)
        for rows in slabs(self.ends - self.starts):
            starts = self.starts[rows]
            ends = self.ends[rows]
            lengths = ends - starts
            begins = np.cumsum(lengths) - lengths  # of each history, if all stood in one row
            same = items[spans(starts, ends)] == np.repeat(items[self.positions[rows]], lengths)
            counts = np.concatenate([[0], np.cumsum(same)])
            found[rows] = counts[begins + lengths] > counts[begins]
        return found

    def chosen(self, rows: np.ndarray) -> Self:
        """Some of the targets; ``rows`` is [n] bool, or int64."""
        return replace(
            self,
            users=self.users[rows],
            starts=self.starts[rows],
            ends=self.ends[rows],
            positions=self.positions[rows],
        )


@dataclass(frozen=True)
class Split:
    """Training, validation and test parts of ``Sequences.items``.

    The training part of user ``u`` is ``items[train_starts[u]:train_ends[u]]``.
    """

    name: str
    """Part of the protocol, which results must share to be compared: the YAML file's word for the
    split, and its points in time if it has any."""
    train_starts: np.ndarray  # [n_users] int64
    train_ends: np.ndarray  # [n_users] int64
    valid: Targets
    test: Targets
    not_evaluated: str
    """Completes "12 users ...": why users have no test target, and how their items are used."""

    @property
    def users_not_evaluated(self) -> int:
        return len(self.train_starts) - self.test.n_users

    def trained(self, sequences: Sequences) -> np.ndarray:
        """The number of training interactions with each item, [n_items] int64."""
        counts = np.zeros(sequences.n_items, np.int64)
        for users in slabs(self.train_ends - self.train_starts):
            items = sequences.items[spans(self.train_starts[users], self.train_ends[users])]
            counts += np.bincount(items, minlength=sequences.n_items)
        return counts

    def cold(self, sequences: Sequences) -> dict[str, int | float]:
        """``cold_test_targets``: the share of test targets with items that have no training
        interaction. ``cold_users``: the number of users with a test target, and without training.
        """
        wanted = sequences.items[self.test.positions]
        users = np.unique(self.test.users)
        return {
            "cold_test_targets": float((self.trained(sequences)[wanted] == 0).mean()),
            "cold_users": int((self.train_starts[users] == self.train_ends[users]).sum()),
        }

    def repeats_in_training(self, sequences: Sequences) -> float:
        """The share of training interactions with an item that their user had before."""
        if sequences.statistics["pairs"] == sequences.n_interactions:
            return 0.0
        n_trained = 0
        n_pairs = 0
        for users in slabs(self.train_ends - self.train_starts):
            starts = self.train_starts[users]
            ends = self.train_ends[users]
            owners = np.repeat(np.arange(len(starts)), ends - starts)
            n_trained += len(owners)
            items = sequences.items[spans(starts, ends)]
            n_pairs += _distinct(owners * sequences.n_items + items)
        return (n_trained - n_pairs) / max(n_trained, 1)

    def tied_targets(self, sequences: Sequences) -> float | None:
        """Share of the test targets with a neighbouring interaction of their user at the same time:
        the order of equal times decides what the target is. None without timestamps."""
        if sequences.timestamps is None:
            return None
        at = self.test.positions
        times = sequences.timestamps[at]
        first = sequences.offsets[self.test.users]
        last = sequences.offsets[self.test.users + 1] - 1
        before = (at > first) & (sequences.timestamps[np.maximum(at - 1, first)] == times)
        after = (at < last) & (sequences.timestamps[np.minimum(at + 1, last)] == times)
        return float((before | after).mean())
