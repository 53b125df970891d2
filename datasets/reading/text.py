"""Interactions in text files: one a line, fields between separators."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from datasets.errors import DataError, quoted
from datasets.reading.column_names import called, is_usual
from datasets.reading.layouts import NO_HEADER, NUMBERS, Layout
from datasets.reading.malformed import UNCLOSED, fields_of, is_number, malformed
from datasets.reading.streams import LONGEST_LINE, LONGEST_LIST, count_lines, opened
from datasets.reading.times import ISO, iso_seconds

BLOCK_BYTES = 1 << 23  # given to the parser at once
MOST_EMPTY = 2 * LONGEST_LIST  # bytes of empty lines at the end of a file
FIELDS_OF_SEQUENCES = ("user", "item")
PIECE_BYTES = 1 << 20  # parsed by one thread; longer than LONGEST_LINE


def batches(
    path: Path, layout: Layout, member: str | None, progress: str | None
) -> Iterator[pa.RecordBatch]:
    """See ``readers.Parser``.

    Each line is a row. Arrow refuses rows with too many or too few fields, invalid numbers, and
    text other than UTF-8. It says nothing about a row whose quotes are not closed: it joins that
    row with the next lines, drops it where one of its pieces of the block ends, and closes the
    quotes where the block ends. So lines are counted against rows.
    """
    names, used = _fields(path, layout, member)
    parsed = list(FIELDS_OF_SEQUENCES) if layout.sequences else names
    wanted = parsed if layout.sequences else used
    types = {name: pa.float64() if name in NUMBERS else pa.string() for name in wanted}
    if layout.unit == ISO and "timestamp" in types:
        types["timestamp"] = pa.string()
    reading = ReadOptions(column_names=parsed, block_size=PIECE_BYTES)
    parsing = ParseOptions(
        delimiter=layout.separator,
        quote_char='"' if layout.quotes else False,
        ignore_empty_lines=False,
    )
    converting = ConvertOptions(
        include_columns=wanted,
        column_types=types,
        null_values=[""],  # of numbers alone; NA is a valid id, and an invalid number
        strings_can_be_null=False,
    )
    first = 2 if layout.header else 1  # number of the block's first line
    # Fields of rows that are left out may be empty.
    refused = partial(malformed, path, member, layout, names, used, filled=not layout.selected)
    with opened(path, member, progress, layout.encoding, layout.longest_line) as stream:
        if layout.header:
            stream.readline()
        for block in blocks(stream):
            begins = first
            first += count_lines(block)
            if layout.sequences:
                block = _row_for_each_item(block, layout, begins)
            lines = count_lines(block)
            try:
                rows = read_csv(pa.BufferReader(block), reading, parsing, converting)
            except pa.ArrowInvalid as error:
                raise refused(begins, str(error)) from None
            if rows.num_rows != lines or _is_open_at_end(block, layout):
                reason = f"{rows.num_rows:,} rows in {lines:,} lines"
                raise refused(begins, reason)
            yield from _in_seconds(rows.to_batches(), layout)


def row_error(path: Path, layout: Layout, member: str | None, row: int, reason: str) -> DataError:
    """See ``readers.Parser``."""
    names, used = _fields(path, layout, member)
    line = row + (2 if layout.header else 1)
    if layout.sequences:  # a line is several rows
        line = 1
    return malformed(path, member, layout, names, used, line, reason)


def first_time(path: Path, layout: Layout, member: str | None) -> str | None:
    """See ``readers.Parser``."""
    names, used = _fields(path, layout, member)
    if "timestamp" not in used:
        return None
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        if layout.header:
            stream.readline()
        line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
    cells = dict(zip(names, fields_of(line, layout) or [], strict=False))
    return cells.get("timestamp")


def blocks(stream: IO[bytes]) -> Iterator[pa.Buffer]:
    """Blocks of whole lines, some megabytes each, in Arrow's memory. Empty lines at the end of the
    file are left out.

    Arrow could read the stream itself, but it reads ahead in a thread: if the process ends
    meanwhile, for example after a malformed line, it is aborted.
    """
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        block = rest + block
        end = _end_of_lines(block)
        if end:
            yield _buffer(memoryview(block)[:end])
        rest = block[end:]
        if len(rest) > MOST_EMPTY:  # far more than the longest line: it begins with empty lines
            yield _buffer(rest)
            rest = b""
    last = rest.rstrip(b"\r\n")
    if last:
        yield _buffer(last)


def _end_of_lines(block: bytes) -> int:
    """Where the last line ends that is whole and not followed by empty lines only."""
    end = block.rfind(b"\n") + 1
    if block.endswith((b"\n\n", b"\n\r\n"), 0, end) or block.startswith((b"\n", b"\r\n")):
        filled = len(block[:end].rstrip(b"\r\n"))
        end = block.find(b"\n", filled) + 1 if filled else 0
    return end


def _buffer(content: bytes | memoryview) -> pa.Buffer:
    copy = pa.BufferOutputStream()
    copy.write(content)
    return copy.getvalue()


def _row_for_each_item(block: pa.Buffer, layout: Layout, first: int) -> pa.Buffer:
    """The block with a line for each item. A line without items stays: Arrow refuses it.

    Lines without a user are users: their ids are the lines' numbers, from ``first``.
    """
    separator = layout.separator.encode()
    lines: list[bytes] = []
    for number, line in enumerate(block.to_pybytes().splitlines(), start=first):
        user, *items = line.split(separator)
        if "user" not in layout.columns:
            items = [user, *items]
            user = str(number).encode()
        lines += [user + separator + item for item in items] or [line]
    return _buffer(b"\n".join(lines))


def _is_open_at_end(block: pa.Buffer, layout: Layout) -> bool:
    """True if a quote is not closed in the last line of the block."""
    if not layout.quotes:
        return False
    end = block.slice(max(0, block.size - LONGEST_LINE - 2)).to_pybytes()
    last_line = end.removesuffix(b"\n").removesuffix(b"\r").rpartition(b"\n")[2]
    return fields_of(last_line.decode("utf-8", "replace"), layout) is None


def _in_seconds(rows: Iterable[pa.RecordBatch], layout: Layout) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        position = batch.schema.get_field_index("timestamp")
        if layout.unit == ISO and position >= 0:
            batch = batch.set_column(position, "timestamp", iso_seconds(batch[position]))
        elif layout.ticks_per_second > 1 and position >= 0:
            seconds = pc.divide(batch[position], float(layout.ticks_per_second))
            batch = batch.set_column(position, "timestamp", seconds)
        yield batch


def _fields(path: Path, layout: Layout, member: str | None) -> tuple[list[str], list[str]]:
    """(names of all fields, names of those to read), from the layout and the header line."""
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        first_line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
    if not first_line:
        raise DataError(f"{path}: the file is empty or starts with an empty line")
    if layout.positions:
        return _numbered(path, layout, first_line)
    if not layout.header:
        # Arrow needs unique names, for skipped fields, too.
        names = [f"_{i}" if n == "_" else n for i, n in enumerate(layout.columns)]
        return names, [n for n in names if not n.startswith("_")]
    fields = fields_of(first_line, layout)
    if fields is None:
        raise DataError(f"{path}:1: {UNCLOSED}, found {quoted(first_line)}")
    if not layout.quotes:
        fields = [field.split(":")[0] for field in fields]
    ours = {theirs: name for name, theirs in layout.header.items()}
    names = [ours.get(field, f"_{i}") for i, field in enumerate(fields)]
    for theirs, name in ours.items():
        if names.count(name) != 1 and (name in names or name not in layout.optional):
            other = layout.quotes and layout.separator not in first_line
            hint = f" (separator {layout.separator!r} is not in it)" if other else ""
            found = f"{quoted(first_line)}{hint}"
            raise DataError(f"{path}:1: the header should name {theirs!r} once, found {found}")
    if layout.quotes:
        _check_is_header(path, layout, fields)
    return names, [name for name in names if not name.startswith("_")]


def _numbered(path: Path, layout: Layout, first_line: str) -> tuple[list[str], list[str]]:
    """See ``_fields``, for a file without a header line."""
    fields = fields_of(first_line, layout) or []
    if is_usual(fields):
        raise DataError(
            f"{path}:1: the first line names the columns, and would be an interaction, found "
            f"{quoted(first_line)}: name them in place of their numbers, such as columns: "
            f"{{user: {called('user', fields)[0]}, item: {called('item', fields)[0]}}}"
        )
    names = [f"_{i}" for i in range(len(fields))]
    for name, number in layout.positions.items():
        if number > len(fields) and name in layout.optional:
            continue
        if number > len(fields):
            raise DataError(
                f"{path}:1: {name} should be field number {number}, found {quoted(first_line)}"
            )
        names[number - 1] = name
    return names, [name for name in names if not name.startswith("_")]


def _check_is_header(path: Path, layout: Layout, fields: list[str]) -> None:
    """Raise DataError if the first line is a row: it would be lost.

    pandas writes a header of numbers, 0, 1, 2, ..., for columns without names.
    """
    numbers = [name for name in NUMBERS if is_number(layout.header.get(name, ""))]
    if numbers and fields != [str(i) for i in range(len(fields))]:
        name = numbers[0]
        raise DataError(
            f"{path}:1: the {name} {layout.header[name]!r} is a number, not the name of a column: "
            f"{NO_HEADER}"
        )
