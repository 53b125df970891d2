"""Files of interactions, in the formats in which the field publishes them, as data frames."""

import csv
import gzip
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from datasets.errors import DataError

ROWS_PER_CHUNK = 1_000_000
FIELDS = ("user", "item", "rating", "timestamp")
NUMBERS = ("rating", "timestamp")
BEYOND = "_beyond"  # the field after the last one, which no well-formed row has


@dataclass(frozen=True)
class Format:
    """How the rows of a text file are laid out: by ``columns``, or by a header line."""

    separator: str
    columns: tuple[str, ...] = ()
    """Names of the fields, in order, in a file without a header line; ``_`` is not read."""
    header: tuple[str, ...] = ()
    """What user, item, rating and timestamp are called in the header line."""
    optional: tuple[str, ...] = ()
    """Those of our names that the header line need not have."""
    ticks_per_second: int = 1


FORMATS = {
    # RecBole's atomic files: a header of name:type, tab-separated.
    "recbole": Format(
        "\t", header=("user_id", "item_id", "rating", "timestamp"), optional=("rating",)
    ),
    "amazon-2014": Format(",", columns=("user", "item", "rating", "timestamp")),
    "amazon-2018": Format(",", columns=("item", "user", "rating", "timestamp")),
    "amazon-2023": Format(
        ",", header=("user_id", "parent_asin", "rating", "timestamp"), ticks_per_second=1000
    ),
    # ml-1m and ml-10m: user::item::rating::timestamp, which to a one-character parser is seven
    # fields of which every second one is empty (a parser of long separators is ten times slower).
    "movielens-dat": Format(":", columns=("user", "_", "item", "_", "rating", "_", "timestamp")),
    "movielens-100k": Format("\t", columns=("user", "item", "rating", "timestamp")),
    "movielens-csv": Format(",", header=("userId", "movieId", "rating", "timestamp")),
    # BERT4Rec's and SASRec's own files: one "user item" per line, oldest first.
    "user-item-text": Format(" ", columns=("user", "item")),
}


def read(path: Path, reader: str, member: str | None = None) -> Iterator[pd.DataFrame]:
    """Yield chunks of rows in file order, with columns user and item (str) and, where the file
    has them, rating (float64) and timestamp (float64, seconds).

    Raises DataError, with file and line, for a row that does not fit the format.
    """
    layout = FORMATS[reader]
    with _opened(path, member) as stream:
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
        with _opened(path, member) as stream:
            for chunk in pd.read_csv(stream, dtype=types, **options):
                _check(chunk)
                if "timestamp" in used:
                    chunk["timestamp"] /= layout.ticks_per_second
                yield chunk[used]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text: {error.reason}") from None
    except ValueError as error:  # pandas' ParserError is one
        raise _malformed(path, member, layout, names, used, error) from None


def _check(chunk: pd.DataFrame) -> None:
    """Raises ValueError if some row has too many fields, too few, or a number that is none."""
    beyond, ids = chunk[BEYOND], chunk[["user", "item"]]
    numbers = chunk[[name for name in NUMBERS if name in chunk]]
    if (
        (beyond.notna() & (beyond != "")).any()
        or (ids.isna() | (ids == "")).any(axis=None)
        or not np.isfinite(numbers).all(axis=None)
    ):
        raise ValueError("a row does not fit")


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked as they are read."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                wanted = [n for n in archive.namelist() if fnmatch(n, member or "*")]
                if len(wanted) != 1:
                    found = ", ".join(archive.namelist()[:10]) or "nothing"
                    raise DataError(f"{path}: should hold one {member or 'file'}, holds {found}")
                with archive.open(wanted[0]) as stream:
                    yield stream
        else:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
                yield stream
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged archive: {error}; get the file again") from None
    except (OSError, RuntimeError) as error:  # zipfile's RuntimeError: it needs a password
        raise DataError(f"{path}: cannot be read: {error}") from None


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
                f"{path}:1: the header should name {theirs!r} once, it is {first_line[:200]!r}"
            )
    return names, [name for name in names if not name.startswith("_")]


def _malformed(
    path: Path,
    member: str | None,
    layout: Format,
    names: list[str],
    used: list[str],
    error: ValueError,
) -> DataError:
    """Read again, slowly, to name the first line that does not fit."""
    expected = layout.separator.join(n.strip("_0123456789") for n in names)
    with _opened(path, member) as stream:
        for number, raw in enumerate(stream, start=1):
            if number == 1 and layout.header:
                continue
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            row = dict(zip(names, line.split(layout.separator), strict=False))
            reason = None
            if len(line.split(layout.separator)) != len(names):
                reason = f"{len(line.split(layout.separator))} fields instead of {len(names)}"
            elif empty := [n for n in used if not row[n].strip()]:
                reason = f"{empty[0]} is empty"
            elif wrong := [n for n in used if n in NUMBERS and not _is_number(row[n])]:
                reason = f"{wrong[0]} is not a number"
            if reason:
                return DataError(
                    f"{path}:{number}: {reason}: expected {expected!r}, found {line[:200]!r}"
                )
    return DataError(f"{path}: {error}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
