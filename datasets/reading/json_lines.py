"""Interactions in JSON lines: one object a line, whose keys are columns of any names."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from datasets.errors import LONGEST_QUOTE, DataError, quoted
from datasets.reading import lists, text
from datasets.reading.layouts import HISTORY, IDS, NUMBERS, WHERE, Layout
from datasets.reading.malformed import NOT_UTF8, is_utf8
from datasets.reading.streams import NEWLINE, opened
from datasets.reading.times import ISO, iso_seconds

SAMPLE_LINES = 1_000  # in which the first value of each column is searched for
KINDS: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
WORDS = {
    pa.string(): "text",
    pa.int64(): "a whole number of at most 18 digits",
    pa.bool_(): "true or false",
    pa.float64(): "a number",
}
DIGITS = 10**18
AN_OBJECT = 'not one JSON object, such as {"user": "u1", "item": "i1"}, from { to }'


def batches(
    path: Path, layout: Layout, member: str | None, progress: str | None
) -> Iterator[pa.RecordBatch]:
    """See ``readers.Parser``.

    Ids are text or whole numbers, as in the first line, or lists of them. A key that a line lacks
    counts as null.
    Keys that the layout does not name are skipped, whatever their values.
    """
    kinds = _kinds(path, layout, member)
    schema = pa.schema([(layout.header[ours], kind) for ours, kind in kinds.items()])
    parsing = ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    first = 1  # number of the block's first line
    with opened(path, member, progress, layout.encoding, layout.longest_line) as stream:
        for block in text.blocks(stream):
            begins = first
            lines = _lengths(block)
            first += len(lines)
            reading = ReadOptions(block_size=max(text.PIECE_BYTES, int(lines.max())))
            try:
                rows = read_json(pa.BufferReader(block), reading, parsing)
                rows.validate(full=True)  # Arrow's parser does not check that text is UTF-8
            except pa.ArrowInvalid as error:
                raise _malformed(path, layout, member, kinds, begins, str(error)) from None
            if rows.num_rows != len(lines) or not _is_object_each(block, lines):
                raise _malformed(path, layout, member, kinds, begins, AN_OBJECT)
            for batch in rows.to_batches():
                columns = [_converted(n, batch[layout.header[n]], layout) for n in kinds]
                yield pa.RecordBatch.from_arrays(columns, list(kinds))


def row_error(path: Path, layout: Layout, member: str | None, row: int, reason: str) -> DataError:
    """See ``readers.Parser``."""
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        (raw,) = islice(stream, row, row + 1)
    return DataError(f"{path}:{row + 1}: {reason}: found {_shown(raw)}")


def first_time(path: Path, layout: Layout, member: str | None) -> str | float | None:
    """See ``readers.Parser``."""
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        rows = (_object(raw) or {} for raw in islice(stream, SAMPLE_LINES))
        values = (row.get(layout.header.get("timestamp", "")) for row in rows)
        value = next((value for value in values if value != []), None)
    if isinstance(value, list):
        value = value[0]
    is_time = isinstance(value, str | int | float) and not isinstance(value, bool)
    return value if is_time else None


def _kinds(path: Path, layout: Layout, member: str | None) -> dict[str, pa.DataType]:
    """The types of the columns that are read, by our names."""
    kinds: dict[str, pa.DataType] = {}
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        rows = [_object(raw) or {} for raw in islice(stream, SAMPLE_LINES)]
    for ours, theirs in layout.header.items():
        if ours in layout.optional and not any(theirs in row for row in rows):
            continue
        values = [row[theirs] for row in rows if row.get(theirs) is not None]
        if values and isinstance(values[0], list) and ours not in ("user", HISTORY):
            inside = chain.from_iterable(value for value in values if isinstance(value, list))
            first = next((value for value in inside if value is not None), "")
            kinds[ours] = pa.list_(_kind(ours, first, layout))
        else:
            kinds[ours] = _kind(ours, next(iter(values), ""), layout)
    return kinds


def _kind(ours: str, first: Any, layout: Layout) -> pa.DataType:
    """The type of a column whose first value is ``first``."""
    if ours in NUMBERS and not (ours == "timestamp" and layout.unit == ISO):
        return pa.float64()
    kind = KINDS.get(type(first), pa.string())
    if ours.startswith(WHERE) or (ours in IDS and kind != pa.bool_()):
        return kind
    return pa.string()


def _object(raw: bytes) -> dict[str, Any] | None:
    """The object in a line; None if it is something else."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _lengths(block: pa.Buffer) -> np.ndarray:
    """The length of each line, with its newline, [n_lines] int64; the last may lack it."""
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == NEWLINE) + 1
    if characters[-1] != NEWLINE:
        ends = np.append(ends, len(characters))
    return np.diff(ends, prepend=0)


def _is_object_each(block: pa.Buffer, lines: np.ndarray) -> bool:
    """Whether each line begins with { and ends with }. With as many rows as lines, each line is
    then one object. ``lines`` are their lengths."""
    characters = np.frombuffer(block, np.uint8)
    ends = np.cumsum(lines)
    begins = ends - lines
    last = ends - 1
    last -= characters[last] == NEWLINE
    last -= characters[last] == ord("\r")
    return bool((characters[begins] == ord("{")).all() and (characters[last] == ord("}")).all())


def _converted(name: str, values: pa.Array, layout: Layout) -> pa.Array:
    """The column with the type that ``readers.read`` documents."""
    if lists.is_list(values.type):
        return lists.converted(values, lambda each: _converted(name, each, layout))
    if name == "timestamp" and layout.unit == ISO:
        return iso_seconds(values)
    if name == "timestamp":
        return pc.divide(values, float(layout.ticks_per_second))
    return values if name in NUMBERS else values.cast(pa.string())


def _malformed(
    path: Path,
    layout: Layout,
    member: str | None,
    kinds: dict[str, pa.DataType],
    first: int,
    otherwise: str,
) -> DataError:
    """The error for the first line that is no row; see ``malformed.malformed``."""
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        for number, raw in enumerate(stream, start=1):
            reason = _reason(raw, layout, kinds) if number >= first else None
            if reason:
                return DataError(f"{path}:{number}: {reason}: found {_shown(raw)}")
    return DataError(f"{path}:{first}: {' '.join(otherwise.split())[:LONGEST_QUOTE]}")


def _reason(raw: bytes, layout: Layout, kinds: dict[str, pa.DataType]) -> str | None:
    """Why a line is no row; None if it is one."""
    if not is_utf8(raw):
        return NOT_UTF8
    line = raw.decode().rstrip("\r\n")
    row = _object(raw)
    if row is None or not (line.startswith("{") and line.endswith("}")):
        return AN_OBJECT
    for ours, kind in kinds.items():
        value = row.get(layout.header[ours])
        values = [value]
        if lists.is_list(kind) and value is not None:
            if not isinstance(value, list):
                return f"{ours} should be a list, as in the first line"
            values, kind = value, kind.value_type
        reasons = (_value_reason(ours, each, kind) for each in values)
        if reason := next(filter(None, reasons), None):
            return reason
    return None


def _value_reason(ours: str, value: Any, kind: pa.DataType) -> str | None:
    """Why a value does not fit its column; None if it does."""
    if ours in IDS and not isinstance(value, str | int | None):
        return f"{ours} should be text or a whole number"
    if value is not None and not _is_of_kind(value, kind):
        first = "" if kind == pa.float64() else ", as in the first line"
        return f"{ours} should be {WORDS[kind]}{first}"
    return None


def _is_of_kind(value: Any, kind: pa.DataType) -> bool:
    if kind == pa.float64():
        return isinstance(value, int | float) and not isinstance(value, bool)
    return KINDS.get(type(value)) == kind and (type(value) is not int or abs(value) < DIGITS)


def _shown(raw: bytes) -> str:
    return quoted(raw.decode("utf-8", "replace").rstrip("\r\n"))
