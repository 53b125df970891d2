"""Files of interactions, in the formats in which the field publishes them, as data frames."""

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from datasets.errors import DataError, quoted
from datasets.formats import FIELDS, FORMATS, LATEST, LONGEST_ID, NUMBERS, Format
from datasets.malformed import malformed
from datasets.streams import opened

ROWS_PER_CHUNK = 1_000_000
BEYOND = "_beyond"  # the field after the last one, which no well-formed row has


def read(path: Path, reader: str, member: str | None = None) -> Iterator[pd.DataFrame]:
    """Yield chunks of rows in file order, with columns user and item (str) and, where the file
    has them, rating (float64) and timestamp (float64, seconds; negative ones are before 1970).

    Raises DataError, with file and line, for a row that does not fit the format.
    """
    layout = FORMATS[reader]
    with opened(path, member) as stream:
        first_line = stream.readline().decode("utf-8", "replace").rstrip("\r\n")
    if not first_line:
        raise DataError(f"{path}: the file is empty or starts with an empty line")
    names, used = _columns(path, layout, first_line)
    options = {
        "sep": layout.separator,
        # One name too many: without it pandas drops the fields of a row that has too many.
        "names": [*names, BEYOND],
        "index_col": False,
        "header": None,
        "skiprows": 1 if layout.header else 0,
        "quoting": csv.QUOTE_NONE,
        "skip_blank_lines": False,
        "keep_default_na": False,
        "chunksize": ROWS_PER_CHUNK,
        "encoding": "utf-8",
    }
    types = {name: "float64" if name in NUMBERS else "str" for name in [*names, BEYOND]}
    try:
        with opened(path, member) as stream:
            for chunk in _strictly(pd.read_csv(stream, dtype=types, **options)):
                if "timestamp" in used:
                    chunk["timestamp"] /= layout.ticks_per_second
                _check(chunk)
                yield chunk[used]
    except (ValueError, pd.errors.ParserWarning) as error:  # UnicodeDecodeError is a ValueError
        raise malformed(path, member, layout, names, used, error) from None


def _strictly(chunks: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Where the first row of a chunk has too many fields, pandas drops them and only warns."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _check(chunk: pd.DataFrame) -> None:
    """Raises ValueError if some row has too many fields, too few, an id that is too long, a number
    that is none, or a time that is none."""
    beyond, ids = chunk[BEYOND], chunk[["user", "item"]]
    numbers = chunk[[name for name in NUMBERS if name in chunk]]
    if (
        (beyond.notna() & (beyond != "")).any()
        or (ids.isna() | (ids == "")).any(axis=None)
        or any((ids[name].str.len() > LONGEST_ID).any() for name in ids)
        or not np.isfinite(numbers).all(axis=None)
        or ("timestamp" in numbers and (numbers["timestamp"] > LATEST).any())
    ):
        raise ValueError("a row does not fit")


def _columns(path: Path, layout: Format, first_line: str) -> tuple[list[str], list[str]]:
    """(names of all fields, names of those to read), from the layout and the header line."""
    if not layout.header:
        # Made-up names for the fields not read keep every name unique.
        names = [f"_{i}" if n == "_" else n for i, n in enumerate(layout.columns)]
        return names, [n for n in names if not n.startswith("_")]
    fields = [field.split(":")[0] for field in first_line.split(layout.separator)]
    ours = dict(zip(layout.header, FIELDS, strict=True))
    names = [ours.get(field, f"_{i}") for i, field in enumerate(fields)]
    for theirs, name in ours.items():
        if name not in layout.optional and names.count(name) != 1:
            raise DataError(
                f"{path}:1: the header should name {theirs!r} once, it is {quoted(first_line)}"
            )
    return names, [name for name in names if not name.startswith("_")]
