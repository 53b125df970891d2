"""The histories of many users, batch after batch: from a parquet file, or of a whole data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import UserError
from datasets.prepare import load

USERS_PER_BATCH = 16_384
ANSWERS = ("items", "scores")  # columns that the recommendations fill


@dataclass(frozen=True)
class Batch:
    """Some users."""

    others: list[pa.Array]
    """What else is known of them: a column for each of ``Histories.fields``, [users] each."""
    history: pa.ListArray
    """[users] lists of raw item ids, oldest first; null counts as empty."""


@dataclass(frozen=True)
class Histories:
    users: int
    fields: list[pa.Field]
    """The columns beside the history."""
    batches: Iterator[Batch]


def from_file(path: Path) -> Histories:
    """The column ``history`` (list<string>) of a parquet file, and its other columns.

    Raises UserError, here or from a batch, if the file cannot be read or has no such column.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: cannot be read as a parquet file: {error}") from None
    schema = file.schema_arrow
    if "history" not in schema.names:
        raise UserError(f"{path}: no column history; there are: {', '.join(schema.names)}")
    kind = schema.field("history").type
    if not _is_list_of_text(kind):
        raise UserError(f"{path}: history is {kind}: it has to be list<string>, raw item ids")
    names = [name for name in schema.names if name not in ("history", *ANSWERS)]
    fields = [schema.field(name) for name in names]
    return Histories(file.metadata.num_rows, fields, _batches(path, file, names))


def _batches(path: Path, file: pq.ParquetFile, names: list[str]) -> Iterator[Batch]:
    try:
        for batch in file.iter_batches(USERS_PER_BATCH, columns=[*names, "history"]):
            yield Batch([batch.column(name) for name in names], batch.column("history"))
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: damaged: {error}") from None


def _is_list_of_text(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    value = kind.value_type
    if pa.types.is_dictionary(value):
        value = value.value_type
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def from_dataset(name: str, data_dir: str | None) -> Histories:
    """All users of a data set with all their interactions; the other column is ``user``."""
    _, sequences = load(name, data_dir)

    def batches() -> Iterator[Batch]:
        ids = pa.array(sequences.item_ids.tolist())
        users = pa.array(sequences.user_ids.tolist())
        for first in range(0, sequences.n_users, USERS_PER_BATCH):
            offsets = sequences.offsets[first : first + USERS_PER_BATCH + 1]
            items = ids.take(pa.array(sequences.items[offsets[0] : offsets[-1]]))
            history = pa.ListArray.from_arrays(pa.array(offsets - offsets[0], pa.int32()), items)
            yield Batch([users[first : first + len(history)]], history)

    return Histories(sequences.n_users, [pa.field("user", pa.string())], batches())
