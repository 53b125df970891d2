"""Files of interactions as Arrow record batches, whatever their layout."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets.errors import DataError, quoted
from datasets.ids import bytes_of
from datasets.reading import json_lines, lists, parquet, text, times
from datasets.reading.layouts import (
    IDS,
    JSON_LINES,
    LONGEST_ID,
    NO_HEADER,
    NUMBERS,
    PARQUET,
    TEXT,
    Layout,
)
from datasets.reading.times import ISO, LATEST

FIRST_PRINTED = 32
DELETE = 127
CONTROL_CHARACTERS = r"[\x00-\x1f\x7f]"
MISSING, EMPTY = "is missing", "is empty"

Chosen = Callable[[pa.RecordBatch], np.ndarray | None]
"""Which rows of a batch are wanted, [n_rows] bool; None: all."""


class Parser(Protocol):
    """What the modules ``text``, ``parquet`` and ``json_lines`` provide. Arguments as for
    ``read``."""

    def batches(
        self, path: Path, layout: Layout, member: str | None, progress: str | None
    ) -> Iterator[pa.RecordBatch]:
        """Rows in file order, with the columns and types that ``read`` documents, or lists of
        these types."""

    def row_error(
        self, path: Path, layout: Layout, member: str | None, row: int, reason: str
    ) -> DataError:
        """The error for row number ``row`` (from 0), with its position in the file."""

    def first_time(self, path: Path, layout: Layout, member: str | None) -> str | float | None:
        """The first row's timestamp as it stands in the file. None if there is none, or if its
        column has a type that says the unit."""


def with_unit(path: Path, layout: Layout, member: str | None = None) -> Layout:
    """The layout with the unit of its timestamps. A unit that the layout does not know is that of
    the first row: text that looks like ISO 8601, or a number that is too large for a longer unit.

    Raises DataError if the file cannot be read.
    """
    if layout.unit is not None:
        return layout
    first = _parser(layout).first_time(path, layout, member)
    unit = None if first is None else times.unit_of(first)
    if unit is None:  # there are no times, they say their unit, or reading says what is wrong
        return replace(layout, unit="s")
    return replace(layout, unit=unit, recognised=True)


def _parser(layout: Layout) -> Parser:
    parsers: dict[str, Parser] = {TEXT: text, PARQUET: parquet, JSON_LINES: json_lines}
    return parsers[layout.format]


def read(
    path: Path,
    layout: Layout,
    member: str | None = None,
    progress: str | None = None,
    chosen: Chosen = lambda batch: None,
) -> Iterator[pa.RecordBatch]:
    """Yield batches of rows in file order.

    Columns are user and item (string) and, where the file has them, rating (double) and timestamp
    (double, seconds since 1970, negative before). No value is null, empty or infinite. A file of
    titles has item and title (string); a file of a split may have a history (string). Columns of
    ``filters: where:`` are strings. Titles, histories and these may be null or empty.

    A row whose item is a list is several rows: see ``lists``.

    ``member`` is the pattern of the one file to read in a zip archive; ``progress`` labels the
    progress bar, None shows no bar. ``chosen`` says which rows are yielded; ids and numbers of the
    others are not checked.

    Raises DataError, with file and line, for a row that does not fit the layout.
    """
    parser = _parser(layout)
    before = 0
    for batch in parser.batches(path, layout, member, progress):
        try:
            found, rows = lists.interactions(batch)
        except lists.Invalid as error:
            raise parser.row_error(path, layout, member, before + error.row, str(error)) from None
        if (mask := chosen(found)) is not None:
            found = found.filter(pa.array(mask))
            rows = np.flatnonzero(mask) if rows is None else rows[mask]
        if invalid := _first_invalid(found, layout):
            row, reason = invalid
            row = row if rows is None else int(rows[row])
            raise parser.row_error(path, layout, member, before + row, reason)
        before += batch.num_rows
        yield found


def _first_invalid(batch: pa.RecordBatch, layout: Layout) -> tuple[int, str] | None:
    """(row, reason) of the first value that ``read`` does not promise."""
    found = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name not in (*IDS, *NUMBERS):
            continue  # a title is for people alone, split_files.py checks histories
        if name in NUMBERS:
            checks = _check_numbers(name, column, layout)
        else:
            checks = _check_ids(column, layout)
        if name == "user" and layout.quotes and not set(NUMBERS) & set(batch.schema.names):
            checks = chain(checks, _check_header(column, layout))
        for valid, reason in checks:
            if not pc.all(valid, min_count=0).as_py():
                advice = layout.without_rows(name) if reason in (MISSING, EMPTY) else ""
                found.append((pc.index(valid, False).as_py(), f"{name} {reason}{advice}"))
    return min(found, key=lambda invalid: invalid[0], default=None)


def _check_numbers(name: str, column: pa.Array, layout: Layout) -> Iterator[tuple[pa.Array, str]]:
    """Yield ([n_rows] bool, reason where False)."""
    iso = name == "timestamp" and layout.unit == ISO
    yield pc.is_valid(column), f"{MISSING}, or {times.NOT_ISO}" if iso else MISSING
    yield pc.is_finite(column), "is not a number"
    latest = pc.max(column).as_py() if name == "timestamp" else None
    if latest is not None and latest > LATEST:
        unit = times.likely_unit(latest)
        advice = f": does the source need timestamp_unit: {unit}?" if unit else ""
        yield pc.less_equal(column, LATEST), f"is later than the year 5000{advice}"
    if name == "timestamp" and layout.recognised:
        yield pc.greater(column, times.too_early(layout.unit or "s")), times.mixed(layout.unit)


def _check_header(users: pa.Array, layout: Layout) -> Iterator[tuple[pa.Array, str]]:
    """Yield ([n_rows] bool, reason where False): a header that is a row would be lost, and one that
    comes again, in files that were joined, would be a row. Columns of numbers show both."""
    if layout.header:
        reason = f"is {quoted(layout.header['user'])} as in line 1, the header: {NO_HEADER}"
        yield pc.not_equal(users, layout.header["user"]), reason


def _check_ids(column: pa.Array, layout: Layout) -> Iterator[tuple[pa.Array, str]]:
    """Yield ([n_rows] bool, reason where False)."""
    yield pc.is_valid(column), MISSING
    sizes = pc.binary_length(column)
    yield pc.greater(sizes, 0), EMPTY
    longest = pc.max(sizes).as_py()  # None if all are missing
    if longest and longest > LONGEST_ID:  # counting characters is 70 times slower
        short = pc.less_equal(pc.utf8_length(column), LONGEST_ID)
        yield short, f"has more than {LONGEST_ID} characters"
    if layout.format != TEXT and _has_control_bytes(column):  # streams.py has checked text
        found = pc.match_substring_regex(column, CONTROL_CHARACTERS)
        yield pc.invert(found), "contains a control character"


def _has_control_bytes(column: pa.Array) -> bool:
    """Whether a byte is a control character: 20 times faster than to search each id. Bytes of
    longer characters are larger than all of them."""
    _, text = bytes_of(column)
    return bool((text < FIRST_PRINTED).any() or (text == DELETE).any())
