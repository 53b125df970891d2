"""Interactions in time order as one flat integer array, and the positions to predict in it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from datasets.errors import DataError


@dataclass(frozen=True)
class Sequences:
    """Every user's items, oldest first, user after user.

    User ``u`` owns ``items[offsets[u]:offsets[u + 1]]``. Items are coded 0 .. n_items - 1 and users
    0 .. n_users - 1, both in the order of their raw ids, so that the codes (and the digest) depend
    on the interactions alone and not on the order of the rows of the file they came from.
    """

    items: np.ndarray  # [n_interactions] int32
    offsets: np.ndarray  # [n_users + 1] int64
    user_ids: np.ndarray  # [n_users] str
    item_ids: np.ndarray  # [n_items] str
    timestamps: np.ndarray | None = None
    """[n_interactions] float64, seconds since 1970, in the order of ``items``; None where the file
    has none. Not in the digest: what a model learns from is the order."""

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that name exactly these sequences, codes and ids."""
        sha = hashlib.sha256()
        for array in (self.items.astype("<i4"), self.offsets.astype("<i8")):
            sha.update(array.tobytes())
        for ids in (self.user_ids, self.item_ids):
            sha.update("\n".join(ids.tolist()).encode())
        return sha.hexdigest()[:16]

    @cached_property
    def statistics(self) -> dict[str, int | float]:
        """Counts without a padding id (RecBole's include one for users and one for items)."""
        lengths = np.diff(self.offsets)
        return {
            "users": self.n_users,
            "items": self.n_items,
            "interactions": len(self.items),
            "interactions_per_user": float(lengths.mean()),
            "interactions_per_item": len(self.items) / self.n_items,
            "sparsity": 1 - len(self.items) / (self.n_users * self.n_items),
        }


def from_interactions(interactions: pd.DataFrame) -> Sequences:
    """Code users and items and put each user's items in time order.

    Rows with equal times (or no times at all) keep the order in which they were read.
    """
    user_codes, user_ids = pd.factorize(interactions["user"], sort=True)
    item_codes, item_ids = pd.factorize(interactions["item"], sort=True)
    times = None
    if "timestamp" in interactions:
        times = interactions["timestamp"].to_numpy(np.float64)
        order = np.lexsort((times, user_codes))
    else:
        order = np.argsort(user_codes, kind="stable")
    lengths = np.bincount(user_codes, minlength=len(user_ids))
    return Sequences(
        items=item_codes[order].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        user_ids=np.asarray(user_ids, dtype=str),
        item_ids=np.asarray(item_ids, dtype=str),
        timestamps=None if times is None else times[order],
    )


@dataclass(frozen=True)
class Targets:
    """Positions of ``Sequences.items`` to predict, one per evaluated user.

    Target ``i`` is ``items[positions[i]]``; its history is ``items[starts[i]:positions[i]]``.
    """

    users: np.ndarray  # [n] int64
    starts: np.ndarray  # [n] int64
    positions: np.ndarray  # [n] int64


@dataclass(frozen=True)
class Split:
    """Training user ``u`` owns ``items[train_starts[u]:train_ends[u]]``."""

    name: str
    """What results must share to be compared: the YAML file's word, and points in time if any."""
    train_starts: np.ndarray  # [n_users] int64
    train_ends: np.ndarray  # [n_users] int64
    valid: Targets
    test: Targets
    not_evaluated: str
    """Says of the users without a test target why they have none, and what becomes of them."""

    @property
    def users_not_evaluated(self) -> int:
        return len(self.train_starts) - len(self.test.users)


def leave_one_out(sequences: Sequences) -> Split:
    """The last item of each user is for test, the one before it for validation, the rest to train.

    The validation item is part of the history when the test item is predicted. A user with fewer
    than three items is trained on whole and never evaluated (``users_not_evaluated``).

    Raises DataError if that is so for all users.
    """
    starts, ends = sequences.offsets[:-1], sequences.offsets[1:]
    users = np.flatnonzero(ends - starts >= 3)
    if not len(users):
        raise DataError("no user has three interactions or more: nothing to evaluate")
    held_out = np.zeros_like(ends)
    held_out[users] = 2
    return Split(
        name="leave-one-out",
        train_starts=starts,
        train_ends=ends - held_out,
        valid=Targets(users, starts[users], ends[users] - 2),
        test=Targets(users, starts[users], ends[users] - 1),
        not_evaluated="have fewer than three interactions: trained on, not evaluated",
    )


def temporal(sequences: Sequences) -> Split:
    """Two points in time for all users: 80% of the interactions are before the first of them, and
    train; 10% are between the two, for validation; the rest are for test.

    A target is a user's first interaction from that point in time on (for validation: before the
    second point), and its history is all before it. Users who have no history or no target there
    are not evaluated. So nothing that is trained on is as late as any target. Interactions of one
    time stay on one side, the later one: with ties, fewer than 80% may be trained on.

    Raises DataError without timestamps, if they are not in seconds, and if nobody is evaluated.
    """
    times, starts, ends = sequences.timestamps, sequences.offsets[:-1], sequences.offsets[1:]
    if times is None:
        raise DataError(
            "split: temporal needs timestamps, and these data have none: take a file and a reader "
            "that have them, or split: leave-one-out"
        )
    places = [len(times) * 8 // 10, len(times) * 9 // 10]
    first, second = np.partition(times, places)[places]
    valid_at, test_at = (_first_since(time, sequences) for time in (first, second))
    valid = np.flatnonzero((starts < valid_at) & (valid_at < test_at))
    test = np.flatnonzero((starts < test_at) & (test_at < ends))
    train_until, test_since = _utc(first), _utc(second)
    for users, part, until, since in (
        (valid, "validation", train_until, f"between then and {test_since}"),
        (test, "test", test_since, "since"),
    ):
        if not len(users):
            raise DataError(
                f"split: temporal has nobody to evaluate in {part}: no user has interactions both "
                f"before {until} and {since}; take data over a longer time, or split: leave-one-out"
            )
    return Split(
        name=f"temporal (training before {train_until}, test from {test_since})",
        train_starts=starts,
        train_ends=valid_at,
        valid=Targets(valid, starts[valid], valid_at[valid]),
        test=Targets(test, starts[test], test_at[test]),
        not_evaluated=(
            f"have no interaction before {test_since}, or none since: "
            f"trained on before {train_until}, not evaluated"
        ),
    )


def _first_since(time: float, sequences: Sequences) -> np.ndarray:
    """Position of each user's first interaction at that time or later, the user's end if there is
    none: [n_users] int64."""
    starts, ends = sequences.offsets[:-1], sequences.offsets[1:]
    before = np.concatenate([[0], np.cumsum(sequences.timestamps < time)])
    return starts + before[ends] - before[starts]


def _utc(seconds: float) -> str:
    try:
        return f"{(datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()}Z"
    except OverflowError:  # milliseconds are past the year 9999
        raise DataError(
            f"split: temporal needs timestamps in seconds since 1970, not {seconds:.15g}: "
            "convert them in the file, or take a reader that does"
        ) from None
