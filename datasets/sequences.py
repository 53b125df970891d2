"""Interactions in time order as one flat integer array, and the positions to predict in it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd


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
            "users_not_evaluated": int((lengths < 3).sum()),
        }


def from_interactions(interactions: pd.DataFrame) -> Sequences:
    """Code users and items and put each user's items in time order.

    Rows with equal times (or no times at all) keep the order in which they were read.
    """
    user_codes, user_ids = pd.factorize(interactions["user"], sort=True)
    item_codes, item_ids = pd.factorize(interactions["item"], sort=True)
    if "timestamp" in interactions:
        order = np.lexsort((interactions["timestamp"].to_numpy(), user_codes))
    else:
        order = np.argsort(user_codes, kind="stable")
    lengths = np.bincount(user_codes, minlength=len(user_ids))
    return Sequences(
        items=item_codes[order].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        user_ids=np.asarray(user_ids, dtype=str),
        item_ids=np.asarray(item_ids, dtype=str),
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

    train_starts: np.ndarray  # [n_users] int64
    train_ends: np.ndarray  # [n_users] int64
    valid: Targets
    test: Targets


def leave_one_out(sequences: Sequences) -> Split:
    """The last item of each user is for test, the one before it for validation, the rest to train.

    The validation item is part of the history when the test item is predicted. A user with fewer
    than three items is trained on whole and never evaluated (``users_not_evaluated``).
    """
    starts, ends = sequences.offsets[:-1], sequences.offsets[1:]
    users = np.flatnonzero(ends - starts >= 3)
    held_out = np.zeros_like(ends)
    held_out[users] = 2
    return Split(
        train_starts=starts,
        train_ends=ends - held_out,
        valid=Targets(users, starts[users], ends[users] - 2),
        test=Targets(users, starts[users], ends[users] - 1),
    )
