"""Files of interactions as Arrow record batches, whatever their format."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datasets import parquet, text
from datasets.formats import LATEST, LONGEST_ID, NUMBERS, Format

CONTROL = r"[\x00-\x1f\x7f]"


def read(
    path: Path, layout: Format, member: str | None = None, bar: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield batches of rows in file order, with columns user and item (string) and, where the file
    has them, rating (double) and timestamp (double, seconds; negative ones are before 1970).
    Nothing in them is null, empty or infinite. ``bar`` is what a progress bar says.

    Raises DataError, with file and line, for a row that does not fit the format.
    """
    form = parquet if layout.columnar else text
    before = 0
    for batch in form.batches(path, layout, member, bar):
        if unfit := _unfit(batch, layout):
            row, why = unfit
            raise form.refused(path, layout, member, before + row, why)
        before += batch.num_rows
        yield batch


def _unfit(batch: pa.RecordBatch, layout: Format) -> tuple[int, str] | None:
    """(row, why) of a value that the rest of the program does not take."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for fits, why in _numbers(name, column) if name in NUMBERS else _ids(column, layout):
            if not pc.all(fits, min_count=0).as_py():
                return pc.index(fits, False).as_py(), f"{name} {why}"
    return None


def _numbers(name: str, column: pa.Array) -> Iterator[tuple[pa.Array, str]]:
    yield pc.is_valid(column), "is missing"
    yield pc.is_finite(column), "is not a number"
    if name == "timestamp":
        late = "is later than the year 5000: does the file need timestamp_unit: ms (or us)?"
        yield pc.less_equal(column, LATEST), late


def _ids(column: pa.Array, layout: Format) -> Iterator[tuple[pa.Array, str]]:
    yield pc.is_valid(column), "is missing"
    sizes = pc.binary_length(column)
    yield pc.greater(sizes, 0), "is empty"
    if len(sizes) and pc.max(sizes).as_py() > LONGEST_ID:  # counting characters is 70 times slower
        short = pc.less_equal(pc.utf8_length(column), LONGEST_ID)
        yield short, f"has more than {LONGEST_ID} characters"
    if layout.quotes or layout.columnar:  # other text was searched when it was unpacked
        found = pc.match_substring_regex(column, CONTROL)
        yield pc.invert(found), "holds a control character"
