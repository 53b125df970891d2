"""Interactions in Parquet files: one a row, in columns of any names."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import FileMetaData, ParquetFile
from tqdm import tqdm

from datasets.errors import DataError, one_line, quoted
from datasets.reading import lists
from datasets.reading.bombs import check_unpacked
from datasets.reading.layouts import HISTORY, IDS, LONGEST_ID, NUMBERS, WHERE, Layout
from datasets.reading.times import ISO, iso_seconds

ROWS_PER_BATCH = 1 << 16
BYTES_OF_ROW = 10  # fewer than any interaction takes when unpacked
TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)
BYTES_OF_CHARACTER = 4  # at most, in UTF-8
EXACT = 1 << 53  # below it, floats hold all whole numbers


def batches(
    path: Path, layout: Layout, member: str | None, progress: str | None
) -> Iterator[pa.RecordBatch]:
    """See ``readers.Parser``."""
    try:
        with ParquetFile(path) as file:
            schema = file.schema_arrow
            lacking = [n for n in layout.optional if layout.header.get(n) not in schema.names]
            for name in lacking:
                layout = layout.without(name)
            _check_schema(path, layout, schema)
            _check_sizes(path, layout, file.metadata)
            ours = layout.header
            with tqdm(
                desc=progress,
                total=file.metadata.num_rows,
                unit="row",
                unit_scale=True,
                leave=False,
                disable=None if progress else True,
            ) as bar:
                for batch in _rows(file, list(ours.values()), ours["item"]):
                    columns = [_converted(name, batch[ours[name]], layout) for name in ours]
                    bar.update(batch.num_rows)
                    yield pa.RecordBatch.from_arrays(columns, list(ours))
    except (pa.ArrowException, OSError) as error:
        reason = one_line(error)
        raise DataError(f"{path}: cannot be read as a Parquet file: {reason}") from None


def _rows(file: ParquetFile, columns: list[str], items: str) -> Iterator[pa.RecordBatch]:
    """The columns, ROWS_PER_BATCH interactions at a time; ``items`` is the column that has a value,
    or a list of them, for each.

    Batches of lists never have rows of two row groups, which Arrow cannot put together where the
    values have dictionaries.
    """
    if not lists.is_list(file.schema_arrow.field(items).type):
        yield from file.iter_batches(ROWS_PER_BATCH, columns=columns)
        return
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        parts = [group.column(i) for i in range(group.num_columns)]
        n_values = sum(p.num_values for p in parts if _is_of(p.path_in_schema, items))
        at_once = ROWS_PER_BATCH * group.num_rows // max(n_values, 1)
        yield from file.iter_batches(max(at_once, 1), row_groups=[number], columns=columns)


def _is_of(path: str, column: str) -> bool:
    """Whether a column in the file has the values of a column of the schema, or of its lists, which
    are a column such as "NAME.list.element"."""
    return f"{path}.".startswith(f"{column}.")


def row_error(path: Path, layout: Layout, member: str | None, row: int, reason: str) -> DataError:
    """See ``readers.Parser``."""
    return DataError(f"{path}: row {row + 1:,}: {reason}")


def first_time(path: Path, layout: Layout, member: str | None) -> str | float | None:
    """See ``readers.Parser``."""
    theirs = layout.header.get("timestamp", "")
    try:
        with ParquetFile(path) as file:
            schema = file.schema_arrow
            if schema.names.count(theirs) != 1:
                return None
            if pa.types.is_temporal(_of_values(schema.field(theirs).type)):
                return None
            _check_sizes(path, layout, file.metadata)
            listed = lists.is_list(schema.field(theirs).type)
            first = file.iter_batches(1, columns=[theirs])
            for batch in _rows(file, [theirs], theirs) if listed else first:
                values = batch[0].flatten() if listed else batch[0]
                if not len(values):
                    continue
                value = values[0].as_py()
                if isinstance(value, bytes):
                    return value.decode("utf-8", "replace")
                return value if value is None or isinstance(value, str) else float(value)
    except (pa.ArrowException, OSError, TypeError, ValueError):
        pass  # reading says what is wrong
    return None


def _check_schema(path: Path, layout: Layout, schema: pa.Schema) -> None:
    """Raise DataError unless each column of the layout is there once, with a suitable type."""
    for name, theirs in layout.header.items():
        if schema.names.count(theirs) != 1:
            raise DataError(
                f"{path}: the file should have one column {theirs!r}, has {quoted(schema.names)}"
            )
        kind = schema.field(theirs).type
        if not _is_suitable(name, kind, layout):
            wanted = "numbers" if name in NUMBERS else "text or whole numbers"
            wanted += ", or ISO 8601 text" if name == "timestamp" else ""
            wanted += ", or a list of them" if name == HISTORY else ""
            raise DataError(f"{path}: column {theirs!r} has type {kind}: {name} should be {wanted}")


def _check_sizes(path: Path, layout: Layout, metadata: FileMetaData) -> None:
    """Raise DataError for a decompression bomb, before rows are read.

    A dictionary holds an id once, whatever the number of its rows. So a long one is searched for
    in the dictionaries.
    """
    size = path.stat().st_size
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    check_unpacked(path, sum(group.total_byte_size for group in groups), size)
    check_unpacked(path, metadata.num_rows * BYTES_OF_ROW, size)
    texts = (*IDS, "timestamp") if layout.unit == ISO else IDS
    ids = [
        theirs for name, theirs in layout.header.items() if name in texts or name.startswith(WHERE)
    ]
    columns = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    paths = [column for column in columns if any(_is_of(column, name) for name in ids)]
    with ParquetFile(path, read_dictionary=paths) as file:
        for number in range(metadata.num_row_groups):
            for rows in file.iter_batches(1, row_groups=[number], columns=ids):
                values = [c.flatten() if lists.is_list(c.type) else c for c in rows.columns]
                _check_dictionaries(path, rows.schema.names, values)
                if all(map(len, values)):  # an empty list comes without its dictionary
                    break


def _check_dictionaries(path: Path, names: list[str], columns: list[pa.Array]) -> None:
    for name, column in zip(names, columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind) and not pa.types.is_integer(kind.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            if longest > LONGEST_ID * BYTES_OF_CHARACTER:
                raise DataError(
                    f"{path}: column {name!r} has a value of more than {LONGEST_ID} characters"
                )


def _is_suitable(name: str, kind: pa.DataType, layout: Layout) -> bool:
    if lists.is_list(kind) and name != "user":
        kind = kind.value_type
        if pa.types.is_null(kind):  # of a file whose lists are all empty
            return True
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if name == "timestamp" and pa.types.is_temporal(kind):
        return pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if name == "timestamp" and layout.unit == ISO:
        return any(is_kind(kind) for is_kind in TEXT)
    if name.startswith(WHERE) and pa.types.is_boolean(kind):
        return True
    if pa.types.is_integer(kind):
        return True
    if name in NUMBERS:
        return pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if pa.types.is_floating(kind):
        return name in IDS
    if pa.types.is_decimal(kind):
        return kind.scale == 0
    return any(is_kind(kind) for is_kind in TEXT)


def _of_values(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, or of those in its lists."""
    return kind.value_type if lists.is_list(kind) else kind


def _converted(name: str, values: pa.Array, layout: Layout) -> pa.Array:
    """The column with the type that ``readers.read`` documents. Columns of a time type carry
    their own unit; ``layout.ticks_per_second`` applies to plain numbers."""
    if lists.is_list(values.type):
        found = lists.converted(values, lambda each: _converted(name, each, layout))
        return pc.binary_join(found, " ") if name == HISTORY else found
    if name not in NUMBERS:
        return _text(_whole(name, values))
    if pa.types.is_temporal(values.type):
        microseconds = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pc.divide(microseconds.cast(pa.float64(), safe=False), 1e6)
    if name == "timestamp" and layout.unit == ISO:
        return iso_seconds(_text(values))
    numbers = values.cast(pa.float64(), safe=False)
    ticks = layout.ticks_per_second if name == "timestamp" else 1
    return numbers if ticks == 1 else pc.divide(numbers, float(ticks))


def _whole(name: str, values: pa.Array) -> pa.Array:
    """Ids that are floats as whole numbers: pandas writes floats where one of them is missing.
    Raises ArrowInvalid for other floats."""
    if not pa.types.is_floating(values.type):
        return values
    values = values.cast(pa.float64())
    values = pc.if_else(pc.is_nan(values), None, values)
    whole = values.cast(pa.int64(), safe=False)
    equal = pc.equal(whole.cast(values.type, safe=False), values)
    if not pc.all(pc.and_(equal, pc.less(pc.abs(values), EXACT)), min_count=0).as_py():
        raise pa.ArrowInvalid(f"{name} should be text or whole numbers, below 2^53 in a float")
    return whole


def _text(values: pa.Array) -> pa.Array:
    """The values as text. Raises ArrowInvalid for bytes that are not UTF-8."""
    if pa.types.is_binary_view(values.type):
        values = values.cast(pa.binary())
    return values.cast(pa.string())
