"""The interactions of a data set's files that its filters keep."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from datasets import filters
from datasets.errors import DataError, quoted
from datasets.filters import KEEP, Filters
from datasets.parts import TRAIN
from datasets.reading import readers, times
from datasets.reading.layouts import HISTORY, WHERE, Layout
from datasets.source import RawFile
from datasets.splitting import split_files

MOST_SHOWN = 5  # values in an error


def read(raw: RawFile, wanted: Filters, counts: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Yield the interactions that pass the filters that need one row at a time.

    The columns are user, item and, if any, timestamp; rows of a split by files have those of
    ``split_files.of_part``, too. Filters of duplicates and of the k-core need all rows; with
    ``duplicates``, so do those of intervals, which come after it: a rating by which one filters
    then is a column, too. The numbers of rows read and removed are added to ``counts``.

    Raises DataError for a malformed or empty file, and if a column to filter by is missing.
    """
    layouts = layouts_of(raw, wanted)
    schema: pa.Schema | None = None
    for number, layout in enumerate(layouts):
        for batch in read_file(raw, number, layout, wanted, counts):
            schema = schema or batch.schema
            check_columns(raw, number, batch.schema, schema)
            yield batch
    check_any(raw, layouts[0], wanted, counts)


def layouts_of(raw: RawFile, wanted: Filters) -> list[Layout]:
    """The layout of each file, with the columns that the filters need.

    Raises DataError if the files have times in different units.
    """
    layout = wanted.with_columns(raw.source.layout())
    return _units(raw, layout if "rating" in wanted.intervals else layout.without("rating"))


def read_file(
    raw: RawFile, number: int, layout: Layout, wanted: Filters, counts: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """What ``read`` yields, of the file with this number.

    Raises DataError for a malformed file, and if a column to filter by is missing.
    """
    at_once = wanted if wanted.duplicates == KEEP else replace(wanted, rating=None, timestamp=None)
    path = raw.files[number]

    def chosen(batch: pa.RecordBatch) -> np.ndarray | None:
        counts["rows read"] += len(batch)
        return filters.chosen(batch, wanted, layout, counts)

    progress = f"reading {path.name}"
    for batch in readers.read(path, layout, raw.source.member, progress, chosen):
        for column in wanted.intervals:
            if column not in batch.schema.names:
                raise DataError(f"{path}: filters.{column} needs a column {column}")
        inside = filters.inside_intervals(batch, at_once.intervals, counts)
        inside = _without(inside, () if at_once is not wanted else ("rating",))
        yield split_files.of_part(inside, raw.of_parts[number]) if raw.of_parts else inside


def check_columns(raw: RawFile, number: int, found: pa.Schema, expected: pa.Schema) -> None:
    """Raise DataError unless the file with this number has the columns of the first one."""
    if found != expected:
        raise DataError(f"{raw.files[number]}: a part with other columns than {raw.files[0]}")


def check_any(raw: RawFile, layout: Layout, wanted: Filters, counts: Counter[str]) -> None:
    """Raise DataError if the files had no row, or none with the values of ``where:``.

    ``layout`` is that of the first file.
    """
    if not counts["rows read"]:
        raise DataError(f"{raw.path}: the file contains no interactions")
    for column, values in wanted.where_not.items():
        if not counts[filters.label_of_left_out(column, values)]:
            shown = " or ".join(quoted(value) for value in values)
            print(f"{raw.path}: filters.where_not: no row has {shown} in {column}")
    others = sum(counts[filters.label_of_others(*where)] for where in wanted.where.items())
    if counts["rows read"] == others:
        raise _none_chosen(raw, layout, wanted)


def frame(batches: Iterable[pa.RecordBatch], wanted: Filters, counts: Counter[str]) -> pd.DataFrame:
    """The interactions in memory, with the filters that ``read`` leaves out but the k-core."""
    rows = pa.Table.from_batches(batches).to_pandas(split_blocks=True, self_destruct=True)
    if wanted.duplicates == KEEP:
        return rows
    return filters.after_duplicates(rows, wanted, counts).to_pandas()


def _none_chosen(raw: RawFile, layout: Layout, wanted: Filters) -> DataError:
    """The error for values of ``where:`` that no row has, with those that the first rows have.

    ``layout`` is that of the first file.
    """
    batches = (b for file in raw.files for b in readers.read(file, layout, raw.source.member))
    first = next(batches)  # a part without rows has none; another part has
    for column, values in wanted.where.items():
        there = first[layout.ours(column)].unique().drop_null().to_pylist()
        if not set(values) & set(there):
            shown = ", ".join(map(quoted, sorted(there)[:MOST_SHOWN])) or "none"
            return DataError(
                f"{raw.path}: filters.where: no row has {' or '.join(map(quoted, values))} in "
                f"{column}; the first rows have {shown}"
            )
    return DataError(f"{raw.path}: filters.where: no row has all of {quoted(wanted.where)}")


def _without(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """The batch without these columns, and without those that only ``where:`` needs."""
    names = batch.schema.names
    return batch.select([n for n in names if n not in columns and not n.startswith(WHERE)])


def _units(raw: RawFile, layout: Layout) -> list[Layout]:
    """The layout of each file, with the unit of its times. A unit that the YAML file does not give
    is printed.

    Raises DataError if the files have times in different units.
    """
    if len(raw.files) > 1 and layout.sequences and "user" not in layout.columns:
        raise DataError(
            f"{raw.path}: sequences without users should be in one file, where the numbers of the "
            f"lines are the users; there are {len(raw.files)} files"
        )
    found = []
    for path, part in zip(raw.files, raw.of_parts or (None,) * len(raw.files), strict=True):
        # A history is needed of targets alone.
        optional = (*layout.optional, HISTORY) if part == TRAIN else layout.optional
        own = replace(layout, optional=optional, of_split=part is not None)
        found.append(readers.with_unit(path, own, raw.source.member))
    recognised = [
        (path, own.unit or "") for path, own in zip(raw.files, found, strict=True) if own.recognised
    ]
    for path, unit in recognised:
        first, expected = recognised[0]
        if unit != expected:
            raise DataError(
                f"{path}: the times look like {times.NAMES[unit]}, those of {first} like "
                f"{times.NAMES[expected]}: write all times in one unit, or give timestamp_unit"
            )
    if recognised and recognised[0][1] != "s":
        print(f"{raw.path}: the times are read as {times.NAMES[recognised[0][1]]}")
    return found
