"""The histories of many users, batch after batch: from a parquet file, or of a whole data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark.errors import UserError, printable
from datasets import titles
from datasets.prepare import load

USERS_PER_BATCH = 16_384
IDS_PER_BATCH = 1 << 22  # on average; a batch of long histories has fewer users
IDS_PER_ROW_GROUP = 200_000_000  # one row of a hostile file may have them all
BYTES_PER_COLUMN = 1 << 30  # of text in a batch: a few bytes of parquet can repeat a long value
ANSWERS = ("items", "scores")  # columns that the recommendations fill


@dataclass(frozen=True)
class Batch:
    """Some users."""

    others: list[pa.Array]
    """What else is known of them: a column for each of ``Histories.fields``, [users] each."""
    ids: pa.DictionaryArray
    """The raw item ids of all users, user after user, oldest first; of text."""
    lengths: np.ndarray
    """The number of ids of each user: [users] int64."""


@dataclass(frozen=True)
class Histories:
    users: int
    fields: list[pa.Field]
    """The columns beside the history."""
    batches: Iterator[Batch]
    digest: str | None = None
    """Of the data set that they are from; None for a file."""
    titles: dict[str, str] | None = None
    """Titles of items by raw id, if the data set has any."""


def from_file(path: Path) -> Histories:
    """The column ``history`` of a parquet file, lists of text or of whole numbers, and its other
    columns.

    Raises UserError, here or from a batch, if the file cannot be read or has no such column.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a file")  # reading a pipe might never end
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        _check(path, schema)
        names = [name for name in schema.names if name not in ("history", *ANSWERS)]
        rows = _rows_per_batch(path, file)
        file = pq.ParquetFile(path, read_dictionary=_texts(file))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a parquet file: {_line(error)}") from None
    fields = [schema.field(name) for name in names]
    return Histories(file.metadata.num_rows, fields, _batches(path, file, fields, rows))


def _check(path: Path, schema: pa.Schema) -> None:
    """Raises UserError unless there is one column history, of a suitable type."""
    names = ", ".join(printable(name) for name in schema.names)
    if "history" not in schema.names:
        raise UserError(f"{path}: no column history; there are: {names}")
    if len(set(schema.names)) < len(schema.names):
        raise UserError(f"{path}: columns of the same name: {names}")
    if any(name.startswith("history.") for name in schema.names):
        raise UserError(f"{path}: parts of history are columns of their own: rename one: {names}")
    kind = schema.field("history").type
    if not _is_list_of_ids(kind):
        raise UserError(
            f"{path}: history is {kind}: it has to be list<string>, raw item ids, or lists of "
            "whole numbers"
        )


def _is_list_of_ids(kind: pa.DataType) -> bool:
    if not (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        return False
    value = kind.value_type
    if pa.types.is_dictionary(value):
        value = value.value_type
    return bool(pa.types.is_integer(value) or _is_text(value) or pa.types.is_null(value))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _texts(file: pq.ParquetFile) -> list[str]:
    """The columns to keep as a dictionary and indices, as in the file: the text is not repeated."""
    schema = file.schema_arrow
    leaves = [file.schema.column(n) for n in range(len(file.schema))]
    return [
        leaf.path
        for leaf in leaves
        if leaf.physical_type == "BYTE_ARRAY"
        and (
            leaf.path.startswith("history.")
            or (leaf.path in schema.names and _is_text(schema.field(leaf.path).type))
        )
    ]


def _rows_per_batch(path: Path, file: pq.ParquetFile) -> int:
    """Fewer than USERS_PER_BATCH if histories are long. Raises UserError for absurd lengths."""
    found = USERS_PER_BATCH
    leaves = [file.schema.column(n).path for n in range(len(file.schema))]
    (place,) = (n for n, leaf in enumerate(leaves) if leaf.startswith("history."))
    for number in range(file.metadata.num_row_groups):
        # Arrow ends the process when it is asked about a damaged column; reading raises an error.
        next(file.iter_batches(1, row_groups=[number], columns=["history"]), None)
        group = file.metadata.row_group(number)
        ids = group.column(place).num_values
        if ids > IDS_PER_ROW_GROUP:
            raise UserError(
                f"{path}: a row group has {ids:,} ids, more than {IDS_PER_ROW_GROUP:,}: write "
                "smaller row groups"
            )
        found = min(found, max(1, IDS_PER_BATCH * group.num_rows // max(ids, 1)))
    return found


def _batches(
    path: Path, file: pq.ParquetFile, fields: list[pa.Field], rows: int
) -> Iterator[Batch]:
    names = [field.name for field in fields]
    try:
        for batch in file.iter_batches(rows, columns=[*names, "history"]):
            others = [_decoded(path, batch.column(field.name), field) for field in fields]
            yield Batch(others, *_flat(batch.column("history")))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged: {_line(error)}") from None


def _flat(history: pa.Array) -> tuple[pa.DictionaryArray, np.ndarray]:
    """``Batch.ids`` and ``Batch.lengths``; a history that is null counts as empty."""
    if pa.types.is_fixed_size_list(history.type):
        history = history.cast(pa.list_(history.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(history), 0).to_numpy().astype(np.int64)
    ids = pc.list_flatten(history)
    if not pa.types.is_dictionary(ids.type):
        ids = ids.cast(pa.string()).dictionary_encode()
    texts = ids.dictionary.cast(pa.string())
    texts.validate(full=True)  # UTF-8
    return pa.DictionaryArray.from_arrays(ids.indices, texts), lengths


def _decoded(path: Path, values: pa.Array, field: pa.Field) -> pa.Array:
    """The column in its declared type; its text was read as a dictionary."""
    if values.type == field.type:
        return values
    sizes = pc.take(pc.binary_length(values.dictionary), values.indices)
    if (pc.sum(sizes).as_py() or 0) > BYTES_PER_COLUMN:
        raise UserError(
            f"{path}: column {printable(field.name)} has more than {BYTES_PER_COLUMN:,} bytes in "
            f"{len(values):,} rows: leave it out"
        )
    return values.dictionary_decode().cast(field.type)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def from_dataset(name: str, data_dir: str | None, recbole_config: str = "") -> Histories:
    """All users of a data set with all their interactions; the other column is ``user``."""
    spec, sequences = load(name, data_dir, recbole_config)

    def batches() -> Iterator[Batch]:
        ids = pa.array(sequences.item_ids.tolist(), pa.string())
        users = pa.array(sequences.user_ids.tolist(), pa.string())
        for first in range(0, sequences.n_users, USERS_PER_BATCH):
            offsets = sequences.offsets[first : first + USERS_PER_BATCH + 1]
            items = pa.array(sequences.items[offsets[0] : offsets[-1]])
            lengths = np.diff(offsets)
            others = [users[first : first + len(lengths)]]
            yield Batch(others, pa.DictionaryArray.from_arrays(items, ids), lengths)

    fields = [pa.field("user", pa.string())]
    found = titles.read(spec, data_dir)
    return Histories(sequences.n_users, fields, batches(), sequences.digest, found)
