"""Say which line of a file does not fit its format, and why."""

import math
from pathlib import Path

from datasets.errors import DataError, quoted
from datasets.formats import FORMATS, LATEST, LONGEST_ID, NUMBERS, Format
from datasets.streams import opened


def malformed(
    path: Path,
    member: str | None,
    layout: Format,
    names: list[str],
    used: list[str],
    error: ValueError,
) -> DataError:
    """Read again, slowly, to name the first line that does not fit.

    ``names`` are those of all fields, ``used`` of those that are read; ``error`` is said if every
    line fits.
    """
    expected = layout.separator.join(n.strip("_0123456789") for n in names)
    with opened(path, member) as stream:
        for number, raw in enumerate(stream, start=1):
            if number == 1 and layout.header:
                continue
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            reason = _reason(layout, names, used, line) if _is_utf8(raw) else "not UTF-8 text"
            if reason:
                return DataError(
                    f"{path}:{number}: {reason}: expected {quoted(expected)}, found {quoted(line)}"
                )
    return DataError(f"{path}: {' '.join(str(error).split())}")


def _reason(layout: Format, names: list[str], used: list[str], line: str) -> str | None:
    """Why a line does not fit, None if it does; a separator may end it."""
    cells = line.split(layout.separator)
    if len(cells) != len(names) and cells[len(names) :] != [""]:
        return f"{len(cells)} fields instead of {len(names)}"
    row = {name: cell for name, cell in zip(names, cells, strict=False) if name in used}
    for name, cell in row.items():
        if not cell:
            return f"{name} is empty"
        if name not in NUMBERS and len(cell) > LONGEST_ID:
            return f"{name} has {len(cell)} characters, more than {LONGEST_ID}"
        if name in NUMBERS and not _is_number(cell):
            return f"{name} is not a number"
    ticks = layout.ticks_per_second
    if float(row.get("timestamp", 0)) / ticks > LATEST:
        if ticks > 1:
            return "timestamp is no time in milliseconds since 1970: convert it in the file"
        return (
            "timestamp looks like milliseconds, this reader takes seconds: divide by 1,000 in the "
            f"file, or take a reader of milliseconds ({', '.join(_with_milliseconds())})"
        )
    return None


def _with_milliseconds() -> list[str]:
    return [name for name, layout in FORMATS.items() if layout.ticks_per_second == 1000]


def _is_number(text: str) -> bool:
    """As pandas has it, to which 1_000 is none."""
    try:
        return math.isfinite(float(text)) and text.isascii() and "_" not in text
    except ValueError:
        return False


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
