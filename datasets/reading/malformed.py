"""Find the line of a text file that does not fit its layout, and say why."""

import csv
import math
from pathlib import Path

import pyarrow as pa

from datasets.errors import LONGEST_QUOTE, DataError, quoted
from datasets.reading import times
from datasets.reading.layouts import IDS, LAYOUTS, LONGEST_ID, NUMBERS, TICKS, WHERE, Layout
from datasets.reading.streams import opened
from datasets.reading.times import ISO, LATEST, likely_unit

NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
UNCLOSED = (
    "a quote is not closed in this line: remove the quote or, if the text in quotes has several "
    "lines, write the data to a Parquet file"
)

NOT_UTF8 = "not UTF-8 text: add its encoding to the source, such as encoding: latin-1"


def malformed(
    path: Path,
    member: str | None,
    layout: Layout,
    names: list[str],
    used: list[str],
    first: int,
    otherwise: str,
    filled: bool = True,
) -> DataError:
    """The error for the first line that does not fit; the file is read again, slowly.

    ``names`` are the names of all fields, ``used`` those of the fields that are read. The search
    begins at line number ``first``. Unless all fields have to be ``filled``, empty ones fit. If
    every line fits, the message is ``otherwise``.
    """
    expected = layout.separator.join(_shown(name, layout) for name in names)
    with opened(path, member, None, layout.encoding, layout.longest_line) as stream:
        for number, raw in enumerate(stream, start=1):
            if number < first:
                continue
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            reason = _reason(layout, names, used, line, filled) if is_utf8(raw) else NOT_UTF8
            if reason:
                return DataError(
                    f"{path}:{number}: {reason}: expected {quoted(expected)}, found {quoted(line)}"
                )
    return DataError(f"{path}:{first}: {' '.join(otherwise.split())[:LONGEST_QUOTE]}")


def _shown(name: str, layout: Layout) -> str:
    """The file's name of a field, else ours; nothing for a field that is not read."""
    if name in layout.header:
        return layout.header[name]
    return name.removeprefix(WHERE) if name.startswith(WHERE) else name.strip("_0123456789")


def fields_of(line: str, layout: Layout) -> list[str] | None:
    """The fields of a line, without its line end; None if a quote is not closed in it."""
    if not layout.quotes:
        return line.split(layout.separator)
    reader = csv.reader([line, ""], delimiter=layout.separator)
    fields = next(reader) or [""]
    return fields if reader.line_num == 1 else None


def _reason(
    layout: Layout, names: list[str], used: list[str], line: str, filled: bool
) -> str | None:
    """Why a line does not fit; None if it does."""
    cells = fields_of(line, layout)
    if cells is None:
        return UNCLOSED
    if layout.sequences and "" in cells:
        return f"{names[0] if not cells[0] else names[-1]} is empty"
    if layout.sequences and len(cells) > len(names):
        cells = [*cells[: len(names) - 1], max(cells[len(names) - 1 :], key=len)]
    if len(cells) != len(names):
        return f"{len(cells)} fields instead of {len(names)}"
    row = {name: cell for name, cell in zip(names, cells, strict=True) if name in used}
    for name, cell in row.items():
        if name not in (*IDS, *NUMBERS) or not (cell or filled):
            continue
        if not cell:
            return f"{name} is empty{layout.without_rows(name)}"
        if name not in NUMBERS and len(cell) > LONGEST_ID:
            return f"{name} has {len(cell)} characters, more than {LONGEST_ID}"
        if name == "timestamp" and layout.unit == ISO:
            continue
        if name in NUMBERS and not is_number(cell):
            return f"{name} is not a number"
    return _reason_of_time(layout, row["timestamp"]) if row.get("timestamp") else None


def _reason_of_time(layout: Layout, cell: str) -> str | None:
    """Why a time does not fit, a number unless the layout has ISO 8601 text; None if it does."""
    if layout.unit == ISO:
        fits = times.iso_seconds(pa.array([cell]))[0].is_valid
        return None if fits else f"timestamp {times.NOT_ISO}"
    time = float(cell)
    if time / layout.ticks_per_second > LATEST:
        return _too_late(layout, time)
    if layout.recognised and time / layout.ticks_per_second <= times.too_early(layout.unit or "s"):
        return f"timestamp {times.mixed(layout.unit)}"
    return None


def _too_late(layout: Layout, time: float) -> str:
    found = likely_unit(time)
    if layout.quotes and found:
        return f"timestamp looks like {NAMES[found]}: add timestamp_unit: {found} to the source"
    ticks = layout.ticks_per_second
    if ticks > 1 or found is None:
        unit = next(name for name, per_second in TICKS.items() if per_second == ticks)
        return f"timestamp is too large to be {unit} since 1970: convert it in the file"
    fitting = [name for name, other in LAYOUTS.items() if other.unit == found]
    others = ", ".join([*fitting, f"csv with timestamp_unit: {found}"])
    return (
        f"timestamp looks like {NAMES[found]}, this reader expects seconds: divide by "
        f"{TICKS[found]:,} in the file, or use another reader ({others})"
    )


def is_number(text: str) -> bool:
    """True for numbers as Arrow parses them; Arrow refuses 1_000 and +1."""
    try:
        plain = text.isascii() and "_" not in text and not text.strip().startswith("+")
        return plain and math.isfinite(float(text))
    except ValueError:
        return False


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
