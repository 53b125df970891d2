"""Interactions in Parquet files: one a row, in columns of any names."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import ParquetFile
from tqdm import tqdm

from datasets.errors import LONGEST_QUOTE, DataError, quoted
from datasets.formats import NUMBERS, Format

ROWS_PER_BATCH = 1 << 16


def batches(
    path: Path, layout: Format, member: str | None, bar: str | None
) -> Iterator[pa.RecordBatch]:
    """See ``readers.read``."""
    try:
        with ParquetFile(path) as file:
            ours = _columns(path, layout, file.schema_arrow)
            with tqdm(
                desc=bar,
                total=file.metadata.num_rows,
                unit="row",
                unit_scale=True,
                leave=False,
                disable=None if bar else True,
            ) as progress:
                for batch in file.iter_batches(ROWS_PER_BATCH, columns=list(ours.values())):
                    columns = [_column(name, batch[ours[name]], layout) for name in ours]
                    progress.update(batch.num_rows)
                    yield pa.RecordBatch.from_arrays(columns, list(ours))
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:LONGEST_QUOTE]
        raise DataError(f"{path}: cannot be read as a Parquet file: {reason}") from None


def refused(path: Path, layout: Format, member: str | None, row: int, why: str) -> DataError:
    return DataError(f"{path}: row {row + 1:,}: {why}")


def _columns(path: Path, layout: Format, schema: pa.Schema) -> dict[str, str]:
    """The columns to read: what we call them, what the file does."""
    for name, theirs in layout.header.items():
        if schema.names.count(theirs) != 1:
            raise DataError(
                f"{path}: should have one column {theirs!r}, has {quoted(schema.names)}"
            )
        kind = schema.field(theirs).type
        if not _is_taken(name, kind):
            wanted = "numbers" if name in NUMBERS else "text or whole numbers"
            raise DataError(f"{path}: {theirs!r} holds {kind}: the {name} should be {wanted}")
    return layout.header


def _is_taken(name: str, kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if name == "timestamp" and pa.types.is_temporal(kind):
        return pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if pa.types.is_integer(kind):
        return True
    if name in NUMBERS:
        return pa.types.is_floating(kind)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _column(name: str, values: pa.Array, layout: Format) -> pa.Array:
    """As ``readers.read`` has it; times that are times say themselves what their unit is."""
    if name not in NUMBERS:
        return values.cast(pa.string())
    if pa.types.is_temporal(values.type):
        microseconds = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pc.divide(microseconds.cast(pa.float64()), 1e6)
    numbers = values.cast(pa.float64(), safe=False)
    ticks = layout.ticks_per_second if name == "timestamp" else 1
    return numbers if ticks == 1 else pc.divide(numbers, float(ticks))
