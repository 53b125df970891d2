"""Interactions in text files: one a line, fields between separators."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from datasets.errors import DataError, quoted
from datasets.layouts import NUMBERS, Layout
from datasets.malformed import malformed
from datasets.streams import opened

BLOCK_BYTES = 1 << 23  # given to the parser at once
PIECE_BYTES = 1 << 20  # parsed by one thread; longer than the longest line of streams.py


def batches(
    path: Path, layout: Layout, member: str | None, progress: str | None
) -> Iterator[pa.RecordBatch]:
    """See ``readers.Parser``.

    Arrow refuses rows with too many or too few fields, invalid numbers, and text other than UTF-8.
    """
    names, used = _fields(path, layout, member)
    types = {name: pa.float64() if name in NUMBERS else pa.string() for name in used}
    reading = ReadOptions(column_names=names, block_size=PIECE_BYTES)
    parsing = ParseOptions(
        delimiter=layout.separator,
        quote_char='"' if layout.quotes else False,
        ignore_empty_lines=False,
    )
    converting = ConvertOptions(
        include_columns=used,
        column_types=types,
        null_values=[],  # NA is a valid id, and an invalid number
        strings_can_be_null=False,
    )
    try:
        with opened(path, member, progress) as stream:
            if layout.header:
                stream.readline()
            for lines in _blocks(stream):
                rows = read_csv(pa.BufferReader(lines), reading, parsing, converting)
                yield from _in_seconds(rows.to_batches(), layout)
    except pa.ArrowInvalid as error:
        raise malformed(path, member, layout, names, used, str(error)) from None


def row_error(path: Path, layout: Layout, member: str | None, row: int, reason: str) -> DataError:
    """See ``readers.Parser``. The line is searched for: a quoted field may span several lines."""
    names, used = _fields(path, layout, member)
    return malformed(path, member, layout, names, used, reason)


def _blocks(stream: IO[bytes]) -> Iterator[pa.Buffer]:
    """Blocks of whole lines, some megabytes each, in Arrow's memory.

    Arrow could read the stream itself, but it reads ahead in a thread: if the process ends
    meanwhile, for example after a malformed line, it is aborted.
    """
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield _buffer(rest, memoryview(block)[:end])
            rest = block[end:]
        else:
            rest += block
    if rest:
        yield _buffer(rest)


def _buffer(*parts: bytes | memoryview) -> pa.Buffer:
    whole = pa.BufferOutputStream()
    for part in parts:
        whole.write(part)
    return whole.getvalue()


def _in_seconds(rows: Iterable[pa.RecordBatch], layout: Layout) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        position = batch.schema.get_field_index("timestamp")
        if layout.ticks_per_second > 1 and position >= 0:
            seconds = pc.divide(batch[position], float(layout.ticks_per_second))
            batch = batch.set_column(position, "timestamp", seconds)
        yield batch


def _fields(path: Path, layout: Layout, member: str | None) -> tuple[list[str], list[str]]:
    """(names of all fields, names of those to read), from the layout and the header line."""
    with opened(path, member) as stream:
        first_line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
    if not first_line:
        raise DataError(f"{path}: the file is empty or starts with an empty line")
    if not layout.header:
        # Arrow needs unique names, for skipped fields, too.
        names = [f"_{i}" if n == "_" else n for i, n in enumerate(layout.columns)]
        return names, [n for n in names if not n.startswith("_")]
    if layout.quotes:
        fields = next(csv.reader([first_line], delimiter=layout.separator))
    else:
        fields = [field.split(":")[0] for field in first_line.split(layout.separator)]
    ours = {theirs: name for name, theirs in layout.header.items()}
    names = [ours.get(field, f"_{i}") for i, field in enumerate(fields)]
    for theirs, name in ours.items():
        if name not in layout.optional and names.count(name) != 1:
            raise DataError(
                f"{path}:1: the header should name {theirs!r} once, found {quoted(first_line)}"
            )
    return names, [name for name in names if not name.startswith("_")]
