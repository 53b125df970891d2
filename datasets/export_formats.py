"""The files of a split, as other libraries read them.

Each format is a function that writes files to a folder, and its line in ``FORMATS``. All of them
write raw ids, and the rows of each user in the order of the sequences.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from datasets import files
from datasets.errors import DataError, quoted
from datasets.sequences import Sequences
from datasets.spans import slabs, spans
from datasets.splitting.targets import Split, Targets
from datasets.ties import users_of

IDS_PER_CHUNK = 1 << 22
"""Ids of histories that are in memory at a time, as text."""
READ_AS_MISSING = frozenset({
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
"""Ids that RecBole reads as missing: it reads text with the defaults of pandas."""


@dataclass(frozen=True)
class Export:
    """A split to write."""

    sequences: Sequences
    split: Split
    max_length: int
    """Number of items in a list, for RecBole."""

    @property
    def targets(self) -> dict[str, Targets]:
        """By part."""
        return {"valid": self.split.valid, "test": self.split.test}

    @cached_property
    def in_time_order(self) -> bool:
        """Whether every interaction has a time, and no user has one earlier than the one before."""
        times = self.sequences.timestamps
        if times is None or self.sequences.histories is not None:
            return False
        same_user = np.diff(users_of(self.sequences.offsets)) == 0
        return bool((np.diff(times)[same_user] >= 0).all())

    def training(self) -> Iterator[pd.DataFrame]:
        """The training interactions in chunks: columns user, item and, if known, timestamp."""
        starts = self.split.train_starts
        ends = self.split.train_ends
        for some in slabs(ends - starts, IDS_PER_CHUNK):
            at = spans(starts[some], ends[some])
            users = np.repeat(np.arange(some.start, some.stop), (ends - starts)[some])
            yield self._rows(users, at)

    def listed(self, targets: Targets) -> Iterator[pd.DataFrame]:
        """The targets in chunks: ``training``'s columns, query, and history: ids and spaces.

        Raises DataError if an item id has a space.
        """
        items = pa.array(self.sequences.item_ids, pa.string())
        spaced = items.filter(pc.match_substring_regex(items, r"\s"))
        if len(spaced):
            raise DataError(
                f"item id {quoted(spaced[0].as_py())} has a space, which separates the ids of a "
                "history in text files: export to rectools, whose files are Parquet"
            )
        queries = targets.queries
        lengths = targets.ends - targets.starts
        for some in slabs(lengths, IDS_PER_CHUNK):
            codes = self.sequences.items[spans(targets.starts[some], targets.ends[some])]
            offsets = np.concatenate([[0], np.cumsum(lengths[some])])
            lists = pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), items.take(pa.array(codes))
            )
            rows = self._rows(targets.users[some], targets.positions[some])
            rows["query"] = queries[some]
            rows["history"] = pc.binary_join(lists, " ").to_numpy(zero_copy_only=False)
            yield rows

    def histories(self, targets: Targets) -> Iterator[pd.DataFrame]:
        """The interactions of each query's history, in chunks: ``training``'s columns and query."""
        queries = targets.chosen(targets.first_of_queries)
        lengths = queries.ends - queries.starts
        for some in slabs(lengths, IDS_PER_CHUNK):
            at = spans(queries.starts[some], queries.ends[some])
            rows = self._rows(np.repeat(queries.users[some], lengths[some]), at)
            rows["query"] = np.repeat(np.arange(some.start, some.stop), lengths[some])
            yield rows

    def _rows(self, users: np.ndarray, at: np.ndarray) -> pd.DataFrame:
        """``at`` [n] int64 are positions in ``Sequences.items``, ``users`` [n] their users."""
        data = self.sequences
        ids = {"user": data.user_ids[users], "item": data.item_ids[data.items[at]]}
        rows = pd.DataFrame(ids).astype(object)
        if data.timestamps is not None and data.histories is None:
            rows["timestamp"] = data.timestamps[at]
        return rows


def csv(export: Export, folder: Path) -> None:
    """train.csv, valid.csv and test.csv. A target has its history, and the number of its query."""
    _write_text(folder / "train.csv", export.training())
    for part, targets in export.targets.items():
        _write_text(folder / f"{part}.csv", export.listed(targets))


def recbole(export: Export, folder: Path) -> None:
    """Atomic files for ``benchmark_filename``, and a YAML file that names them.

    RecBole makes no training samples of files that are split already: each training interaction
    with one before it is a row, with the items before it as its list. RecBole calls the data set by
    the name of the folder: by another name it may know, and download, data of its own.
    """
    name = folder.name
    ids = {*export.sequences.user_ids.tolist(), *export.sequences.item_ids.tolist()}
    if unread := sorted(ids & READ_AS_MISSING):
        raise DataError(f"RecBole reads the id {unread[0]!r} as missing: give it another name")
    train = _prefixes(export.split)
    if not len(train.users):
        raise DataError("RecBole's training rows need users with two training interactions")
    columns = {"user": "user_id:token", "item": "item_id:token"}
    columns |= {"timestamp": "timestamp:float", "history": "item_id_list:token_seq"}
    for part, targets in ({"train": train} | export.targets).items():
        latest = np.maximum(targets.starts, targets.ends - export.max_length)
        rows = export.listed(replace(targets, starts=latest))
        named = (chunk.drop(columns="query").rename(columns=columns) for chunk in rows)
        _write_text(folder / f"{name}.{part}.inter", named, separator="\t")
    catalogue = pd.DataFrame({"item_id:token": export.sequences.item_ids}).astype(object)
    _write_text(folder / f"{name}.item", iter([catalogue]), separator="\t")
    settings = {
        "data_path": str(folder.parent),
        "dataset": name,
        "benchmark_filename": ["train", "valid", "test"],
        "alias_of_item_id": ["item_id_list"],
        "load_col": {"inter": ["user_id", "item_id", "item_id_list"], "item": ["item_id"]},
        "MAX_ITEM_LIST_LENGTH": export.max_length,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
        "repeatable": True,
        "metrics": ["Recall", "MRR", "NDCG", "Hit", "Precision"],
        "topk": 10,
        "valid_metric": "NDCG@10",
    }
    files.write(folder / f"{name}.yaml", yaml.safe_dump(settings, sort_keys=False))


def _prefixes(split: Split) -> Targets:
    """Each training interaction but the first of its user, after all that the user has before."""
    begins = split.train_starts + 1
    users = np.repeat(np.arange(len(begins)), np.maximum(split.train_ends - begins, 0))
    positions = spans(begins, np.maximum(split.train_ends, begins))
    return Targets.next_items(users, split.train_starts[users], positions)


def rectools(export: Export, folder: Path) -> None:
    """train.parquet, and what each query's user has before its targets: valid-histories.parquet
    and test-histories.parquet.

    The columns are those of RecTools. ``Dataset.construct`` takes each file, and ``recommend`` gets
    a query's history as the interactions of its user. Where users have several queries, user_id is
    the number of the query.
    """
    train = map(partial(_in_columns, export), export.training())
    _write_parquet(folder / "train.parquet", train, IN_COLUMNS)
    for part, targets in export.targets.items():
        several = targets.queries[-1] + 1 > targets.n_users
        user = pa.field("user_id", pa.int64() if several else pa.string())
        schema = IN_COLUMNS.set(0, user).append(pa.field("query", pa.int64()))
        rows = map(partial(_in_columns, export, several=several), export.histories(targets))
        _write_parquet(folder / f"{part}-histories.parquet", rows, schema)


IN_COLUMNS = pa.schema(
    {
        "user_id": pa.string(),
        "item_id": pa.string(),
        "weight": pa.float64(),
        "datetime": pa.timestamp("us"),
    }
)


def _in_columns(export: Export, rows: pd.DataFrame, several: bool = False) -> pd.DataFrame:
    """The rows in RecTools' columns; ``several``: whether users have several queries.

    RecTools sorts by time, stably. Where this would not keep the order, times are positions.
    """
    users = rows["query"] if several else rows["user"]
    seconds = rows["timestamp"].to_numpy() if export.in_time_order else np.arange(len(rows))
    times = pd.to_datetime(np.round(seconds * 1e6).astype("int64"), unit="us")
    columns = {"user_id": users, "item_id": rows["item"], "weight": 1.0, "datetime": times}
    return pd.DataFrame(columns | ({"query": rows["query"]} if "query" in rows else {}))


def _write_text(path: Path, chunks: Iterator[pd.DataFrame], separator: str = ",") -> None:
    """Write a header line and the rows of all chunks. Raises DataError if there are none."""
    first = True
    with files.replacing(path) as part, open(part, "w", encoding="utf-8", newline="") as out:
        for rows in chunks:
            _write_rows(out, rows, separator, header=first)
            first = False
        if first:
            raise DataError(f"{path.name} would have no rows")


def _write_rows(out: IO[str], rows: pd.DataFrame, separator: str, header: bool) -> None:
    for name in rows.columns.intersection(["timestamp", "timestamp:float"]):
        whole = (rows[name] % 1 == 0).all()
        rows = rows.assign(**{name: rows[name].astype("int64")}) if whole else rows
    rows.to_csv(out, sep=separator, index=False, header=header, lineterminator="\n")


def _write_parquet(path: Path, chunks: Iterator[pd.DataFrame], schema: pa.Schema) -> None:
    with files.replacing(path) as part, pq.ParquetWriter(part, schema) as out:
        for rows in chunks:
            out.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


FORMATS: dict[str, Callable[[Export, Path], None]] = {
    "csv": csv,
    "recbole": recbole,
    "rectools": rectools,
}
"""By the name on the command line."""
