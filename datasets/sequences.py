"""Interactions in time order as one flat integer array, and the positions to predict in it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from datasets import parts, ties
from datasets.errors import DataError


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
    user_ids: np.ndarray  # [n_users] str
    item_ids: np.ndarray  # [n_items] str
    timestamps: np.ndarray | None = None
    """[n_interactions] float64, seconds since 1970, in the order of ``items``; None if the file has
    no timestamps. They are not part of the digest: models learn from the order alone."""
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
    def digest(self) -> str:
        """16 hexadecimal digits, computed from items, offsets and ids, and for a split by files
        from its parts and histories."""
        sha = hashlib.sha256()
        for array in (self.items.astype("<i4"), self.offsets.astype("<i8")):
            sha.update(array.tobytes())
        for ids in (self.user_ids, self.item_ids):
            sha.update("\n".join(ids.tolist()).encode())
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
        lengths = np.diff(self.offsets)
        items = self.items[: self.n_interactions]
        pairs = np.sort(ties.users_of(self.offsets) * self.n_items + items)
        n_pairs = 1 + int(np.count_nonzero(pairs[1:] != pairs[:-1]))
        return {
            "users": self.n_users,
            "items": self.n_items,
            "interactions": len(items),
            "interactions_per_user": float(lengths.mean()),
            "interactions_per_item": len(items) / self.n_items,
            "pairs": n_pairs,
            "sparsity": 1 - n_pairs / (self.n_users * self.n_items),
            **self._ties(items),
            **self._parts(),
        }

    def _parts(self) -> dict[str, int]:
        """The statistics of a split by files."""
        if self.parts is None:
            return {}
        return parts.checks(
            self.items, self.n_items, self.offsets, self.parts, self.timestamps, self.histories
        )

    def _ties(self, items: np.ndarray) -> dict[str, int | float]:
        """The statistics that need timestamps; ``items`` are those of the interactions."""
        if self.timestamps is None:
            return {}
        tied = ties.tied_with_next(self.timestamps, self.offsets)
        if not tied.any():
            return {"copies": 0, "tied_neighbours": 0.0}
        return {
            "copies": ties.copies(items, self.offsets, self.timestamps),
            "tied_neighbours": float(tied.sum() / (len(items) - self.n_users)),
            "tied_ascending": ties.ascending(items, tied),
            **ties.successor_hits(items, self.offsets, self.timestamps),
        }


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
    keys: tuple[np.ndarray, ...] = (user_codes,) if of_files is None else (of_files, user_codes)
    times = None
    if "timestamp" in interactions:
        times = interactions["timestamp"].to_numpy(np.float64)
        keys = (times, *keys)
        if order_of_ties == "random":
            key = ties.random_keys(user_codes, user_ids, item_codes, item_ids, times)
            keys = (key, *keys)
    elif order_of_ties == "random":
        raise DataError(
            "ties: random needs timestamps, and these data have none: their only order is that of "
            "the file; remove ties: random"
        )
    order = np.lexsort(keys)
    lengths = np.bincount(user_codes, minlength=len(user_ids))
    sequences = Sequences(
        items=item_codes[order].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        user_ids=np.asarray(user_ids, dtype=str),
        item_ids=np.asarray(item_ids, dtype=str),
        timestamps=None if times is None else times[order],
        parts=None if of_files is None else of_files[order],
    )
    return sequences, order


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

    def repeated(self, items: np.ndarray) -> np.ndarray:
        """Whether each target is in its own history: [n] bool. ``items`` are the sequences'."""
        lengths = self.ends - self.starts
        begins = np.cumsum(lengths) - lengths  # of each history, if all stood in one row
        places = np.arange(lengths.sum())
        places += np.repeat(self.starts - begins, lengths)
        same = items[places] == np.repeat(items[self.positions], lengths)  # [sum of lengths]
        counts = np.concatenate([[0], np.cumsum(same)])
        return counts[begins + lengths] > counts[begins]

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

    def tied_targets(self, sequences: Sequences) -> float | None:
        """Share of the test targets with a neighbouring interaction of their user at the same time:
        the order of equal times decides what the target is. None without timestamps."""
        if sequences.timestamps is None:
            return None
        tied = ties.tied_with_next(sequences.timestamps, sequences.offsets)
        at = self.test.positions
        return float((tied[at] | tied[at - 1]).mean())


def leave_one_out(sequences: Sequences, baskets: bool = False) -> Split:
    """Split off each user's last item for test, and the one before it for validation.

    The validation item is part of the history when the test item is predicted. All items of users
    with fewer than three items are for training; these users are not evaluated.

    With ``baskets``, the same holds for baskets in place of items: all interactions of a user at
    one time. Every distinct item of a basket is a target, and its history ends before the basket.

    Raises DataError if no user has three items (or baskets), and for baskets without timestamps.
    """
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    first = _first_of_basket(sequences) if baskets else None
    test_at = _begin(ends - 1, first)
    valid_at = _begin(np.maximum(test_at - 1, starts), first)
    evaluated = starts < valid_at
    several = "interactions at three times" if baskets else "three interactions"
    if not evaluated.any():
        raise DataError(f"no user has {several} or more: nobody to evaluate")
    fewer = "interactions at fewer than three times" if baskets else "fewer than three interactions"
    users = np.flatnonzero(evaluated)
    return Split(
        name="leave-one-out",
        train_starts=starts,
        train_ends=np.where(evaluated, valid_at, ends),
        valid=_targets(sequences, users, valid_at[users], first),
        test=_targets(sequences, users, test_at[users], first),
        not_evaluated=f"have {fewer}: used for training, not evaluated",
    )


def _first_of_basket(sequences: Sequences) -> np.ndarray:
    """The position at which the basket of each interaction begins: [n_interactions] int64."""
    if sequences.timestamps is None:
        raise DataError(
            "targets: last-tied needs timestamps, and these data have none: use a file and a "
            "reader with timestamps, or targets: last"
        )
    return ties.first_at_time(sequences.timestamps, sequences.offsets)


def _begin(positions: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Where the baskets of interactions begin; each is a basket of its own if ``first`` is None."""
    return positions if first is None else first[positions]


def _targets(
    sequences: Sequences, users: np.ndarray, at: np.ndarray, first: np.ndarray | None
) -> Targets:
    """The items at ``at``, or every distinct item of the baskets that begin there.

    ``users`` and ``at`` are [n] int64; ``first`` is that of ``_begin``.
    """
    if first is None:
        return Targets.next_items(users, sequences.offsets[users], at)
    begins = np.zeros(len(first), dtype=bool)
    begins[at] = True
    positions = np.flatnonzero(begins[first])
    pairs = first[positions] * sequences.n_items + sequences.items[positions]
    positions = positions[np.sort(np.unique(pairs, return_index=True)[1])]
    owners = np.searchsorted(sequences.offsets, positions, side="right") - 1
    return Targets(owners, sequences.offsets[owners], first[positions], positions)


def temporal(sequences: Sequences, baskets: bool = False) -> Split:
    """Split at two points in time, the same for all users.

    Interactions before the first point (80% of all) are for training, those between the points
    (10%) for validation, the rest for test. Interactions at the same time are never separated: with
    ties, training gets fewer than 80%.

    A target is a user's first interaction from its point in time on (for validation: and before
    the second point). With ``baskets``, so is every distinct item at the time of this interaction.
    The history is everything before it. Users without a history or without a target are not
    evaluated. Every training interaction is therefore earlier than every target.

    Raises DataError if there are no timestamps, if they are not in seconds, and if nobody is
    evaluated.
    """
    times = sequences.timestamps
    if times is None:
        raise DataError(
            "split: temporal needs timestamps, and these data have none: use a file and a reader "
            "with timestamps, or split: leave-one-out"
        )
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    positions = [len(times) * 8 // 10, len(times) * 9 // 10]
    first, second = np.partition(times, positions)[positions]
    valid_at = _first_since(first, times, sequences.offsets)
    test_at = _first_since(second, times, sequences.offsets)
    valid = np.flatnonzero((starts < valid_at) & (valid_at < test_at))
    test = np.flatnonzero((starts < test_at) & (test_at < ends))
    basket = _first_of_basket(sequences) if baskets else None
    train_until = _utc(first)
    test_since = _utc(second)
    for users, part, until, since in (
        (valid, "validation", train_until, f"between then and {test_since}"),
        (test, "test", test_since, "from then on"),
    ):
        if not len(users):
            raise DataError(
                f"split: temporal has nobody to evaluate in {part}: no user has interactions both "
                f"before {until} and {since}; use data of a longer period, or split: leave-one-out"
            )
    return Split(
        name=f"temporal (training before {train_until}, test from {test_since})",
        train_starts=starts,
        train_ends=valid_at,
        valid=_targets(sequences, valid, valid_at[valid], basket),
        test=_targets(sequences, test, test_at[test], basket),
        not_evaluated=(
            f"have no interaction before {test_since}, or none from then on: those before "
            f"{train_until} are used for training, not evaluated"
        ),
    )


def _first_since(time: float, times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Position of each user's first interaction at ``time`` or later; the end of the user's
    interactions if there is none: [n_users] int64."""
    starts = offsets[:-1]
    ends = offsets[1:]
    before = np.concatenate([[0], np.cumsum(times < time)])  # [n_interactions + 1]
    return starts + before[ends] - before[starts]


def _utc(seconds: float) -> str:
    try:
        return f"{(datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()}Z"
    except OverflowError:  # milliseconds are past the year 9999
        raise DataError(
            f"split: temporal needs timestamps in seconds since 1970, not {seconds:.15g}: "
            "convert them in the file, or use a reader that does"
        ) from None
