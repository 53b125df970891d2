"""datasets/readers.py as it would be with pyarrow: a sketch that prepare_engines.py measures.

Formats, archives, checks and messages are those of datasets.readers; new are how the text is parsed
and that chunks are Arrow's record batches, so that only rows that pass the filters become pandas'.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from datasets.errors import DataError
from datasets.formats import FORMATS, NUMBERS, Format
from datasets.malformed import malformed
from datasets.readers import _columns
from datasets.streams import opened

BLOCK_BYTES = 1 << 20  # of text, parsed at once; also the longest line that can be read


def read(path: Path, reader: str, member: str | None = None) -> Iterator[pa.RecordBatch]:
    """Yield chunks of rows in file order, with columns user and item (string, never null) and,
    where the file has them, rating (double) and timestamp (double, seconds), always finite.

    Raises DataError, with file and line, for a row that does not fit the format.
    """
    layout = FORMATS[reader]
    with opened(path, member) as stream:
        first_line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
    if not first_line:
        raise DataError(f"{path}: the file is empty or starts with an empty line")
    names, used = _columns(path, layout, first_line)
    try:
        with opened(path, member) as stream:
            for batch in _parsed(stream, layout, names, used):
                yield _seconds(_checked(batch), layout.ticks_per_second)
    except pa.ArrowInvalid as error:  # a ValueError
        if "UTF8" in str(error):
            raise DataError(f"{path}: not UTF-8 text") from None
        raise malformed(path, member, layout, names, used, error) from None


def _parsed(stream, layout: Format, names: list[str], used: list[str]):
    """Arrow refuses rows with too many fields or too few, numbers that are none, and text that is
    not UTF-8."""
    return csv.open_csv(
        stream,
        csv.ReadOptions(
            column_names=names, skip_rows=1 if layout.header else 0, block_size=BLOCK_BYTES
        ),
        csv.ParseOptions(delimiter=layout.separator, quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(
            include_columns=used,
            column_types={n: pa.float64() if n in NUMBERS else pa.string() for n in used},
            null_values=[],  # NA is an id, and no number
            strings_can_be_null=False,
        ),
    )


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """What Arrow takes and we do not: empty ids, and numbers that are infinite or none."""
    for name in batch.schema.names:
        column = batch[name]
        fits = pc.is_finite(column) if name in NUMBERS else pc.not_equal(column, "")
        if not pc.all(fits, min_count=0).as_py():
            raise pa.ArrowInvalid("a row does not fit")
    return batch


def _seconds(batch: pa.RecordBatch, ticks: int) -> pa.RecordBatch:
    if ticks == 1 or "timestamp" not in batch.schema.names:
        return batch
    seconds = pc.divide(batch["timestamp"], float(ticks))
    return batch.set_column(batch.schema.get_field_index("timestamp"), "timestamp", seconds)
