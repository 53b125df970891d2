"""Tables of recommendations, in Parquet or CSV files, batch after batch."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmark.errors import printable
from benchmark.scoring.queries import ScoreError
from datasets.errors import one_line
from datasets.reading.lists import is_list, is_text

ROWS_PER_BATCH = 1 << 16
ALIASES = {"user_id": "user", "item_id": "item"}
"""What RecBole and RecTools call these columns."""
COLUMNS = {
    "user": pa.string(),
    "query": pa.int64(),
    "item": pa.string(),
    "target": pa.string(),
    "rank": pa.int64(),
    "score": pa.float64(),
    "items": pa.list_(pa.string()),
    "scores": pa.list_(pa.float64()),
}
"""The columns that are read, with the type of ``batches``; others are skipped."""
KINDS = {
    pa.string(): "text or whole numbers",
    pa.int64(): "whole numbers",
    pa.float64(): "numbers",
    pa.list_(pa.string()): "lists of text or of whole numbers",
    pa.list_(pa.float64()): "lists of numbers",
}
LAYOUTS = (
    "user, item and rank or score; or user and items (lists, best first); or user and rank (of the "
    "target)"
)


def columns(path: Path) -> list[str]:
    """The names in COLUMNS that the file has. Raises ScoreError if it cannot be read."""
    return list(_names(path, _schema(path)))


def batches(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """The ``wanted`` columns of all rows, with the types of COLUMNS and without gaps.

    Raises ScoreError, with the column, if they have others.
    """
    schema = _schema(path)
    names = {ours: theirs for ours, theirs in _names(path, schema).items() if ours in wanted}
    empty = True
    try:
        for batch in _raw(path, list(names.values())):
            found = {o: _converted(path, o, batch[theirs]) for o, theirs in names.items()}
            empty = empty and not batch.num_rows
            yield pa.RecordBatch.from_pydict(found)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    if empty:
        raise ScoreError(f"{path}: the file has no rows")


def _is_parquet(path: Path) -> bool:
    suffixes = (".parquet", ".csv", ".csv.gz")
    if not path.name.endswith(suffixes):
        raise ScoreError(f"{path}: its name should end in {', '.join(suffixes)} or .npz")
    return path.suffix == ".parquet"


def _schema(path: Path) -> pa.Schema:
    try:
        if not path.exists():
            raise ScoreError(f"{path}: no such file")
        if not path.is_file():
            raise ScoreError(f"{path}: is not a file")
        return pq.read_schema(path) if _is_parquet(path) else _open_csv(path).schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _names(path: Path, schema: pa.Schema) -> dict[str, str]:
    """Our names of columns, each with the file's."""
    found: dict[str, str] = {}
    for theirs in schema.names:
        ours = ALIASES.get(theirs, theirs)
        if ours in COLUMNS:
            if ours in found:
                raise ScoreError(f"{path}: two columns are called {found[ours]} or {theirs}")
            found[ours] = theirs
    if not {"user", "query"} & found.keys():
        known = ", ".join(printable(name) for name in schema.names[:20])
        raise ScoreError(f"{path}: no column user; there are: {known}; needed are {LAYOUTS}")
    return found


def _raw(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    if _is_parquet(path):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS_PER_BATCH, columns=names)
    else:
        yield from _open_csv(path, names)


def _open_csv(path: Path, names: list[str] | None = None) -> pyarrow.csv.CSVStreamingReader:
    """Every known column as text: a number in an id keeps its zeros."""
    known = dict.fromkeys([*COLUMNS, *ALIASES], pa.string())
    options = pyarrow.csv.ConvertOptions(
        column_types=known, strings_can_be_null=False, include_columns=names
    )
    return pyarrow.csv.open_csv(path, convert_options=options)


def _converted(path: Path, name: str, column: pa.Array) -> pa.Array:
    wanted = COLUMNS[name]
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(wanted) and is_text(kind):  # of a CSV file: separated by spaces
        column = pa.array([text.split() for text in column.to_pylist()], pa.list_(pa.string()))
    elif not _suits(wanted, kind):
        raise ScoreError(f"{path}: column {name} has type {kind}: it should be {KINDS[wanted]}")
    try:
        column = column.cast(wanted)
    except pa.ArrowInvalid as error:
        raise ScoreError(
            f"{path}: column {name} should be {KINDS[wanted]}: {one_line(error)}"
        ) from None
    values = column.flatten() if pa.types.is_list(wanted) else column
    if column.null_count or values.null_count:
        raise ScoreError(f"{path}: column {name} has cells that are empty or NaN")
    return column


def _suits(wanted: pa.DataType, kind: pa.DataType) -> bool:
    if pa.types.is_list(wanted):
        return is_list(kind) and _suits(wanted.value_type, kind.value_type)
    if is_text(kind):  # of a CSV file
        return True
    whole = pa.types.is_integer(kind)
    return bool(whole or (pa.types.is_float64(wanted) and pa.types.is_floating(kind)))


def _unreadable(path: Path, error: Exception) -> ScoreError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
    return ScoreError(f"{path}: cannot be read: {reason}")
