"""The histories of many users, batch after batch: from a parquet file, or of a whole data set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmark.errors import UserError, printable
from datasets import titles
from datasets.errors import one_line
from datasets.prepare import load
from datasets.reading.lists import is_text

USERS_PER_BATCH = 16_384
IDS_PER_BATCH = 1 << 22  # on average; a batch of long histories has fewer users
IDS_PER_ROW_GROUP = 200_000_000  # one row of a hostile file may have them all
BYTES_PER_COLUMN = 1 << 30  # of text in a batch: a few bytes of parquet can repeat a long value
READ = ("history", "times")


@dataclass(frozen=True)
class Batch:
    """Some users."""

    others: list[pa.Array]
    """What else is known of them: a column for each of ``GivenHistories.fields``, [users] each."""
    ids: pa.DictionaryArray
    """The raw item ids of all users, user after user, oldest first; of text."""
    lengths: np.ndarray
    """The number of ids of each user: [users] int64."""
    times: np.ndarray | None = None
    """The time of each id, [ids] float64, as ``Recommender.best`` takes them: a user's equal ones
    are one basket. None, or NaN: every interaction has a time of its own."""


@dataclass(frozen=True)
class GivenHistories:
    users: int
    fields: list[pa.Field]
    """The columns beside the history."""
    batches: Iterator[Batch]
    digest: str | None = None
    """Of the data set that they are from; None for a file."""
    titles: dict[str, str] | None = None
    """Titles of items by raw id, if the data set has any."""


def from_file(path: Path) -> GivenHistories:
    """The column ``history`` of a parquet file, lists of text or of whole numbers, its column
    ``times``, if it has one, lists of numbers or of points in time, and its other columns.

    Raises UserError, here or from a batch, if the file cannot be read, if it has no column
    ``history``, and if ``times`` do not belong to the histories.
    """
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file")
        if not path.is_file():
            raise UserError(f"{path}: is not a file")  # reading a pipe might never end
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        _check(path, schema)
        names = [name for name in schema.names if name not in READ]
        rows = _rows_per_batch(path, file)
        file = pq.ParquetFile(path, read_dictionary=_texts(file))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a parquet file: {one_line(error)}") from None
    fields = [schema.field(name) for name in names]
    return GivenHistories(file.metadata.num_rows, fields, _batches(path, file, fields, rows))


def _check(path: Path, schema: pa.Schema) -> None:
    """Raises UserError unless there is one column history, of a suitable type, and at most one
    column times, too."""
    names = ", ".join(printable(name) for name in schema.names)
    if "history" not in schema.names:
        raise UserError(f"{path}: no column history; there are: {names}")
    if len(set(schema.names)) < len(schema.names):
        raise UserError(f"{path}: columns of the same name: {names}")
    for column in READ:
        if any(name.startswith(f"{column}.") for name in schema.names):
            raise UserError(
                f"{path}: parts of {column} are columns of their own: rename one: {names}"
            )
    kind = schema.field("history").type
    if not _is_list(kind, _is_id):
        raise UserError(
            f"{path}: history is {kind}: it has to be list<string>, raw item ids, or lists of "
            "whole numbers"
        )
    if "times" in schema.names and not _is_list(schema.field("times").type, _is_time):
        raise UserError(
            f"{path}: times is {schema.field('times').type}: it has to be lists of numbers or of "
            "timestamps, one for each id of history; rename it if it is something else"
        )


def _is_list(kind: pa.DataType, of: Callable[[pa.DataType], bool]) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_it(kind) for is_it in lists) and of(kind.value_type)


def _is_id(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or is_text(kind) or pa.types.is_null(kind))


def _is_time(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    date = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    return bool(number or date or pa.types.is_null(kind))


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
            or (leaf.path in schema.names and is_text(schema.field(leaf.path).type))
        )
    ]


def _rows_per_batch(path: Path, file: pq.ParquetFile) -> int:
    """Fewer than USERS_PER_BATCH if histories are long. Raises UserError for absurd lengths."""
    found = USERS_PER_BATCH
    columns = [file.schema.column(n).path.partition(".")[0] for n in range(len(file.schema))]
    read = [n for n, column in enumerate(columns) if column in READ]
    for number in range(file.metadata.num_row_groups):
        # Arrow ends the process when it is asked about a damaged column; reading raises an error.
        next(file.iter_batches(1, row_groups=[number], columns=[columns[n] for n in read]), None)
        group = file.metadata.row_group(number)
        for n in read:
            values = group.column(n).num_values
            if values > IDS_PER_ROW_GROUP:
                raise UserError(
                    f"{path}: {columns[n]} has {values:,} values in a row group, more than "
                    f"{IDS_PER_ROW_GROUP:,}: write smaller row groups"
                )
            found = min(found, max(1, IDS_PER_BATCH * group.num_rows // max(values, 1)))
    return found


def _batches(
    path: Path, file: pq.ParquetFile, fields: list[pa.Field], rows: int
) -> Iterator[Batch]:
    names = [field.name for field in fields]
    names += [name for name in READ if name in file.schema_arrow.names]
    first = 0
    try:
        for batch in file.iter_batches(rows, columns=names):
            others = [_decoded(path, batch.column(field.name), field) for field in fields]
            ids, lengths = _ids(batch.column("history"))
            times = None
            if "times" in names:
                times = _times(path, batch.column("times"), lengths, first)
            yield Batch(others, ids, lengths, times)
            first += len(lengths)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged: {one_line(error)}") from None


def _flat(lists: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The values of all lists, and the length of each, [n] int64: 0 for a null."""
    if pa.types.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.list_(lists.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return pc.list_flatten(lists), lengths


def _ids(history: pa.Array) -> tuple[pa.DictionaryArray, np.ndarray]:
    """``Batch.ids`` and ``Batch.lengths``; a history that is null counts as empty."""
    ids, lengths = _flat(history)
    if not pa.types.is_dictionary(ids.type):
        ids = ids.cast(pa.string()).dictionary_encode()
    texts = ids.dictionary.cast(pa.string())
    texts.validate(full=True)  # UTF-8
    return pa.DictionaryArray.from_arrays(ids.indices, texts), lengths


def _times(path: Path, column: pa.Array, lengths: np.ndarray, first: int) -> np.ndarray:
    """``Batch.times``; a value that is null counts as no times. ``first`` is the number of the
    first row in the file."""
    values, given = _flat(column)
    known = column.is_valid().to_numpy(zero_copy_only=False)
    other = known & (given != lengths)
    if other.any():
        row = int(other.argmax())
        raise UserError(
            f"{path}: times of row {first + row:,} has {given[row]:,} values, and its history "
            f"{lengths[row]:,} ids: each id has a time"
        )
    rows = np.repeat(np.arange(len(given)), given)
    times = values.to_numpy(zero_copy_only=False).astype(np.float64)
    missing = values.is_null().to_numpy(zero_copy_only=False) | ~np.isfinite(times)
    if missing.any():
        raise UserError(
            f"{path}: times of row {first + rows[missing.argmax()]:,} has a null or another value "
            "that is no number"
        )
    back = (rows[1:] == rows[:-1]) & (times[1:] < times[:-1])
    if back.any():
        raise UserError(
            f"{path}: times of row {first + rows[back.argmax()]:,} has a time after a later one: a "
            "history is ordered by time, oldest first"
        )
    found = np.full(lengths.sum(), np.nan)
    found[np.repeat(known, lengths)] = times
    return found


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


def from_dataset(name: str, data_dir: str | None, recbole_config: str = "") -> GivenHistories:
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
            times = sequences.baskets[offsets[0] : offsets[-1]].astype(np.float64)
            yield Batch(others, pa.DictionaryArray.from_arrays(items, ids), lengths, times)

    fields = [pa.field("user", pa.string())]
    found = titles.read(spec, data_dir)
    return GivenHistories(sequences.n_users, fields, batches(), sequences.digest, found)
