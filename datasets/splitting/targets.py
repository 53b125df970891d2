"""What a split trains on, and what it evaluates: positions in sequences."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from datasets.sequences import Sequences
from datasets.spans import distinct, slabs, spans


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

    def tied(self, sequences: Sequences) -> np.ndarray | None:
        """Whether a neighbouring interaction of the user has the time of the target: [n] bool.
        None without timestamps."""
        if sequences.timestamps is None:
            return None
        at = self.positions
        times = sequences.timestamps[at]
        first = sequences.offsets[self.users]
        last = sequences.offsets[self.users + 1] - 1
        before = (at > first) & (sequences.timestamps[np.maximum(at - 1, first)] == times)
        after = (at < last) & (sequences.timestamps[np.minimum(at + 1, last)] == times)
        found: np.ndarray = before | after
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
            n_pairs += distinct(owners * sequences.n_items + items)
        return (n_trained - n_pairs) / max(n_trained, 1)

    def tied_targets(self, sequences: Sequences) -> float | None:
        """Share of the test targets with a neighbouring interaction of their user at the same time:
        the order of equal times decides what the target is. None without timestamps."""
        tied = self.test.tied(sequences)
        return None if tied is None else float(tied.mean())
