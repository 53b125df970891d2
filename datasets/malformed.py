"""Find the line of a text file that does not fit its layout, and say why."""

import csv
import math
from pathlib import Path

from datasets.errors import LONGEST_QUOTE, DataError, quoted
from datasets.layouts import LATEST, LAYOUTS, LONGEST_ID, NUMBERS, TICKS, Layout
from datasets.streams import opened

UNCLOSED = (
    "a quote is not closed in this line: remove the quote or, if the text in quotes has several "
    "lines, write the data to a Parquet file"
)


def malformed(
    path: Path,
    member: str | None,
    layout: Layout,
    names: list[str],
    used: list[str],
    first: int,
    otherwise: str,
) -> DataError:
    """The error for the first line that does not fit; the file is read again, slowly.

    ``names`` are the names of all fields, ``used`` those of the fields that are read. The search
    begins at line number ``first``. If every line fits, the message is ``otherwise``.
    """
    expected = layout.separator.join(n.strip("_0123456789") for n in names)
    with opened(path, member) as stream:
        for number, raw in enumerate(stream, start=1):
            if number < first:
                continue
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            reason = _reason(layout, names, used, line) if _is_utf8(raw) else "not UTF-8 text"
            if reason:
                return DataError(
                    f"{path}:{number}: {reason}: expected {quoted(expected)}, found {quoted(line)}"
                )
    return DataError(f"{path}:{first}: {' '.join(otherwise.split())[:LONGEST_QUOTE]}")


def fields_of(line: str, layout: Layout) -> list[str] | None:
    """The fields of a line, without its line end; None if a quote is not closed in it."""
    if not layout.quotes:
        return line.split(layout.separator)
    reader = csv.reader([line, ""], delimiter=layout.separator)
    fields = next(reader) or [""]
    return fields if reader.line_num == 1 else None


def _reason(layout: Layout, names: list[str], used: list[str], line: str) -> str | None:
    """Why a line does not fit; None if it does."""
    cells = fields_of(line, layout)
    if cells is None:
        return UNCLOSED
    if len(cells) != len(names):
        return f"{len(cells)} fields instead of {len(names)}"
    row = {name: cell for name, cell in zip(names, cells, strict=True) if name in used}
    for name, cell in row.items():
        if not cell:
            return f"{name} is empty"
        if name not in NUMBERS and len(cell) > LONGEST_ID:
            return f"{name} has {len(cell)} characters, more than {LONGEST_ID}"
        if name in NUMBERS and not is_number(cell):
            return f"{name} is not a number"
    if float(row.get("timestamp", 0)) / layout.ticks_per_second > LATEST:
        return _too_late(layout)
    return None


def _too_late(layout: Layout) -> str:
    ticks = layout.ticks_per_second
    if ticks > 1:
        unit = next(name for name, per_second in TICKS.items() if per_second == ticks)
        return f"timestamp is too large to be {unit} since 1970: convert it in the file"
    if layout.quotes:
        return "timestamp looks like milliseconds: add timestamp_unit: ms to the source"
    theirs = ", ".join(n for n, other in LAYOUTS.items() if other.ticks_per_second == TICKS["ms"])
    return (
        "timestamp looks like milliseconds, this reader expects seconds: divide by 1,000 in the "
        f"file, or use a reader for milliseconds ({theirs}, or csv with timestamp_unit: ms)"
    )


def is_number(text: str) -> bool:
    """True for numbers as Arrow parses them; Arrow refuses 1_000 and +1."""
    try:
        plain = text.isascii() and "_" not in text and not text.strip().startswith("+")
        return plain and math.isfinite(float(text))
    except ValueError:
        return False


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
