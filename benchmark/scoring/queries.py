"""The queries that a file should answer, and how it names them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmark.errors import UserError, quoted
from datasets.sequences import Sequences
from datasets.spans import spans
from datasets.splitting.targets import Targets

QUERIES_PER_BLOCK = 8192


class ScoreError(UserError):
    """A file cannot be scored. The message begins with its path."""


@dataclass(frozen=True)
class Ranked:
    """The ranks of a part's targets, as a file gives them."""

    ranks: np.ndarray
    """[n_targets] int64, from 1. ``models.ranking.MISS``: not known to be a rank up to ``until``,
    or no candidate."""
    until: int | None
    """The last rank that is known of every query; None: all ranks are."""
    remarks: list[str]
    """Sentences without a full stop, such as which queries the file lacks, or which of its rows
    were left out."""
    best: np.ndarray | None = None
    """The K best candidates of each query, [n_queries, K] int64; -1 behind the last one that the
    file has. None: it states the ranks of the targets alone."""


@dataclass(frozen=True)
class Queries:
    """The queries of one part of a split, and the file that answers them."""

    path: Path
    sequences: Sequences
    targets: Targets
    counted: np.ndarray
    """[n_targets] bool: which targets enter the metrics."""
    masked: bool
    """Whether the items of a query's history are no candidates."""

    @cached_property
    def first(self) -> np.ndarray:
        """The first target of each query, [n_queries] int64."""
        return self.targets.first_of_queries

    @property
    def n(self) -> int:
        return len(self.first)

    @property
    def n_items(self) -> int:
        return self.sequences.n_items

    @cached_property
    def target_items(self) -> np.ndarray:
        """The item of each target, [n_targets] int64."""
        return self.sequences.items[self.targets.positions].astype(np.int64)

    @cached_property
    def _item_ids(self) -> pd.Index:
        return pd.Index(self.sequences.item_ids)

    @cached_property
    def _user_ids(self) -> pd.Index:
        return pd.Index(self.sequences.user_ids)

    @cached_property
    def _query_of(self) -> np.ndarray:
        """The query of each user, [n_users] int64; -1: the user is not evaluated.

        Raises ScoreError if a user has several.
        """
        users = self.targets.users[self.first]
        if (np.diff(users) == 0).any():
            raise ScoreError(
                f"{self.path}: users have several queries in this split: a column query should say "
                "which one a row answers, by the number in the files of datasets.export"
            )
        found = np.full(self.sequences.n_users, -1)
        found[users] = np.arange(self.n)
        return found

    def name(self, query: int) -> str:
        """The user of the query, for a message."""
        return f"user {quoted(str(self.sequences.user_ids[self.targets.users[self.first[query]]]))}"

    def of_users(self, column: pa.Array) -> np.ndarray:
        """The query of each raw user id, [n] int64; -1 for users who are not evaluated."""
        found: np.ndarray = self._query_of[self._codes(column, "user", self._user_ids)]
        return found

    def of_numbers(self, column: pa.Array) -> np.ndarray:
        """The column of query numbers, [n] int64. Raises ScoreError for one that is none."""
        found = column.to_numpy(zero_copy_only=False)
        if len(found) and not 0 <= found.min() <= found.max() < self.n:
            wrong = found[(found < 0) | (found >= self.n)][0]
            raise ScoreError(
                f"{self.path}: there is no query {wrong}: queries are 0 to {self.n - 1:,}"
            )
        return found.astype(np.int64)

    def of_batch(self, rows: pa.RecordBatch) -> np.ndarray:
        """The query of each row of a table, [n] int64; -1: not evaluated."""
        if "query" in rows.schema.names:
            return self.of_numbers(rows["query"])
        return self.of_users(rows["user"])

    def item_codes(self, column: pa.Array) -> np.ndarray:
        """The code of each raw item id, [n] int64."""
        return self._codes(column, "item", self._item_ids)

    def _codes(self, column: pa.Array, what: str, ids: pd.Index) -> np.ndarray:
        coded = column.dictionary_encode()
        codes = ids.get_indexer(coded.dictionary.to_pylist())
        if (codes < 0).any():
            unknown = coded.dictionary[int(np.argmin(codes))].as_py()
            raise ScoreError(
                f"{self.path}: {what} {quoted(unknown)} is not in the data set: "
                f"{what}s should have the raw ids that datasets.export writes, such as "
                f"{quoted(str(ids[0]))}"
            )
        found: np.ndarray = codes[coded.indices.to_numpy()]
        return found.astype(np.int64)

    def in_history(self, queries: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether each item is in the history of its query: [n] bool. ``queries`` ascend."""
        found = np.zeros(len(queries), dtype=bool)
        for first, last, seen in self._seen():
            here = slice(*np.searchsorted(queries, [first, last]))
            found[here] = np.isin(queries[here] * self.n_items + items[here], seen)
        return found

    @cached_property
    def candidates(self) -> np.ndarray:
        """The number of items that can be recommended to each query, [n_queries] int64."""
        found = np.full(self.n, self.n_items)
        if self.masked:
            for first, last, seen in self._seen():
                distinct = np.unique(seen) // self.n_items - first
                found[first:last] -= np.bincount(distinct, minlength=last - first)
        return found

    def _seen(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """The histories of the queries first .. last - 1: query * n_items + item of each
        interaction. Those of some queries at a time are in memory."""
        starts = self.targets.starts[self.first]
        ends = self.targets.ends[self.first]
        for first in range(0, self.n, QUERIES_PER_BLOCK):
            last = min(first + QUERIES_PER_BLOCK, self.n)
            past = self.sequences.items[spans(starts[first:last], ends[first:last])]
            owners = np.repeat(np.arange(first, last), (ends - starts)[first:last])
            yield first, last, owners * self.n_items + past

    def missing(self, answered: np.ndarray) -> list[str]:
        """The remark about queries that the file does not answer; ``answered`` is [n_queries]
        bool."""
        asked = np.unique(self.targets.queries[self.counted])
        lacking = int(np.count_nonzero(~answered[asked]))
        if not lacking:
            return []
        users = "users" if self.n == self.targets.n_users else "queries"
        return [
            f"{lacking:,} of {len(asked):,} {users} have no result in the file: their targets "
            "count as misses"
        ]


def not_evaluated(rows: int) -> list[str]:
    """The remark about rows of users without a target in this part."""
    return [f"{rows:,} rows are of users without a target here: ignored"] if rows else []


def as_text(ids: np.ndarray) -> pa.Array:
    """Raw ids of a numpy array of text or whole numbers. Raises ValueError for others."""
    if ids.ndim != 1 or ids.dtype.kind not in "USiu":
        raise ValueError(f"it has type {ids.dtype} and shape {ids.shape}")
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8")
    words: Sequence[str] = ids.astype(str).tolist()
    return pa.array(words, pa.string())
