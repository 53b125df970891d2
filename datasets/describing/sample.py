"""The first rows of a data file whose layout nobody has described yet."""

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import ParquetFile

from datasets.errors import DataError, one_line, quoted
from datasets.reading.bombs import check_unpacked
from datasets.reading.column_names import called, is_usual
from datasets.reading.lists import is_list
from datasets.reading.malformed import is_number
from datasets.reading.streams import LONGEST_LIST, opened
from datasets.reading.times import LOOKS_ISO

MOST_LINES = 1_000
MOST_BYTES = 1 << 23  # of these lines
MOST_ROWS = 100  # of a Parquet file, one of whose values may have megabytes
MOST_OF_LIST = 10  # values of a list
SEPARATORS = "\t,;| "
A_TABLE = 0.5  # share of lines with as many fields that rows of a table have
TYPED = re.compile(r"[^:\t]+:(token|token_seq|float|float_seq)")
OPENS_QUOTE = re.compile(r'(?:^|[\t,;|])"')  # at the beginning of a field
DOUBLE_COLONS = re.compile(r"[^:]+::[^:]+::[^:]+::[^:]+")


@dataclass(frozen=True)
class Column:
    """A column of a table and its values in the first rows, as text; absent ones are left out."""

    name: str | int
    """Its name, or its number from 1 in a file without a header line."""
    values: list[str]
    is_time: bool = False
    """Whether its type says that it holds times."""
    is_list: bool = False
    """Whether a row holds a list of values."""


@dataclass(frozen=True)
class Sample:
    """What the first rows show."""

    reader: str
    """One of ``layouts.READERS``."""
    columns: list[Column] = field(default_factory=list)
    """Of a table that the YAML file has to describe."""
    separator: str | None = None
    lines: list[list[str]] = field(default_factory=list)
    """Of sequences: the fields of each line."""

    @property
    def numbered(self) -> bool:
        """Whether the columns have numbers in place of names."""
        return bool(self.columns) and isinstance(self.columns[0].name, int)


def read(path: Path, has_header: bool | None = None, sequences: bool = False) -> Sample:
    """The first rows of the file. ``has_header`` says whether its first line has names; None: the
    rows have to show it. ``sequences``: each line is a sequence, also where all are as long.

    Raises DataError if the file cannot be read, and if its rows do not show what they are.
    """
    if path.suffix in (".parquet", ".pq") or _starts_with(path, b"PAR1"):
        return Sample("parquet", _of_parquet(path))
    lines = _lines(path)
    if lines[0].startswith("{"):
        return Sample("jsonl", _of_objects(path, lines))
    if lines[0].startswith("["):
        raise DataError(f"{path}: a JSON array: write one object a line, which is JSON lines")
    if all(TYPED.fullmatch(name) for name in lines[0].split("\t")):
        return Sample("recbole")
    if all(map(DOUBLE_COLONS.fullmatch, lines)):
        return Sample("movielens-dat")
    if sequences:
        separator = _by_fields(lines)[0]
        return Sample("sequences", [], separator, [line.split(separator) for line in lines])
    for separator in _by_fields(lines):
        rows = [_fields(line, separator) for line in lines]
        if len({len(row) for row in rows}) == 1:
            return Sample("csv", _of_rows(path, rows, has_header), separator)
    return _of_sequences(path, lines)


def _of_sequences(path: Path, lines: list[str]) -> Sample:
    """Lines with different numbers of fields. Raises DataError if they may be rows of a table, or
    have several separators."""
    for number, line in enumerate(lines, start=1):
        if line.count('"') % 2 and OPENS_QUOTE.search(line):
            raise DataError(
                f"{path}:{number}: a quote is not closed in its line, found {quoted(line)}: each "
                "line is one row; a file with text of several lines can be read as Parquet"
            )
    separator = _by_fields(lines)[0]
    rows = [_fields(line, separator) for line in lines]
    usual, often = Counter(map(len, rows)).most_common(1)[0]
    if A_TABLE * len(lines) < often < len(lines) and usual > 1:
        number = next(n for n, row in enumerate(rows, start=1) if len(row) != usual)
        raise DataError(
            f"{path}:{number}: {len(rows[number - 1])} fields with the separator {separator!r}, "
            f"in most lines {usual}: found {quoted(lines[number - 1])}; correct it, or, if each "
            "line is a sequence, describe the file in a YAML file with reader: sequences"
        )
    several = [other for other in SEPARATORS if any(other in line for line in lines)]
    if len(several) != 1:
        raise DataError(
            f"{path}: the lines have different numbers of fields and the separators "
            f"{', '.join(map(repr, several)) or 'none'}: a sequence a line should have one; found "
            f"{quoted(lines[0])}"
        )
    return Sample("sequences", [], separator, [line.split(separator) for line in lines])


def _starts_with(path: Path, start: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(len(start)) == start
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _lines(path: Path) -> list[str]:
    with opened(path, longest=LONGEST_LIST) as stream:
        raw: list[bytes] = []
        left = MOST_BYTES
        for line in islice(stream, MOST_LINES):
            raw.append(line)
            left -= len(line)
            if left < 0:
                break
    try:
        lines = [line.decode().rstrip("\r\n") for line in raw]
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: not UTF-8 text: describe it in a YAML file, with its encoding, such as "
            "encoding: latin-1"
        ) from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not lines[0]:
        raise DataError(f"{path}: the file is empty or starts with an empty line")
    return lines


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [""])


def _by_fields(lines: list[str]) -> list[str]:
    """The separators, those that give the first lines most fields first. A space, which stands in
    times and titles, is the last one of those that give the lines more than one field."""
    found = [s for s in SEPARATORS if any(s in line for line in lines)]
    fewest = {s: min(len(_fields(line, s)) for line in lines) for s in found}
    return sorted(found, key=lambda s: (fewest[s] == 1, s == " ", -fewest[s])) or [","]


def _of_rows(path: Path, rows: list[list[str]], has_header: bool | None) -> list[Column]:
    first, *rest = rows
    if has_header is None:
        has_header = _is_header(path, first, rest)
    if not has_header and is_usual(first):
        raise DataError(
            f"{path}:1: the first line names the columns: {quoted(first)}; give their names, such "
            f"as --columns user={called('user', first)[0]},item={called('item', first)[0]}"
        )
    if has_header and not rest:
        raise DataError(f"{path}: the file has a header line and no rows")
    names: list[str | int] = [*first] if has_header else [*range(1, len(first) + 1)]
    values = zip(*(rest if has_header else rows), strict=True) if rest or not has_header else ()
    columns = [[cell for cell in column if cell] for column in values] or [[] for _ in names]
    return [Column(name, column) for name, column in zip(names, columns, strict=True)]


def _is_header(path: Path, first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first line has names. Raises DataError if the rows do not show it."""
    columns = list(zip(first, *rest, strict=True))
    valued = [c for c in columns if c[1:] and all(is_value(cell) for cell in c[1:] if cell)]
    named = first if first[0] else first[1:]  # behind an index
    of_pandas = named == [str(n) for n in range(len(named))]  # names of columns without names
    if any(is_value(head) for head, *_ in valued) and not of_pandas:
        return False
    if (valued and not of_pandas) or is_usual(first):
        return True
    if any(head in others for head, *others in columns) and not of_pandas:
        return False
    raise DataError(
        f"{path}: is {quoted(first)} a row, or are these names? Say so with --columns "
        f"user=1,item=2 for a row, or --columns 'user={first[0]},item={first[-1]}' for names"
    )


def is_value(cell: str) -> bool:
    """Whether a cell is a number or a time: no name of a column."""
    return is_number(cell) or bool(LOOKS_ISO.match(cell))


def _of_objects(path: Path, lines: list[str]) -> list[Column]:
    values: dict[str, list[str]] = {}
    lists: dict[str, list[str]] = {}
    balance: Counter[str] = Counter()  # lists less single values
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: not one JSON object: found {quoted(line)}")
        for name, value in row.items():
            values.setdefault(name, [])
            if isinstance(value, list):
                balance[name] += 1
                lists.setdefault(name, []).extend(_texts(value[:MOST_OF_LIST]))
            elif value is not None:
                balance[name] -= 1
                values[name] += _texts([value])
    return [
        Column(name, lists[name], is_list=True) if balance[name] > 0 else Column(name, cells)
        for name, cells in values.items()
    ]


def _texts(cells: list[Any]) -> list[str]:
    """Text and numbers of JSON, as text."""
    found = (cell for cell in cells if isinstance(cell, str | int | float))
    return [cell if isinstance(cell, str) else json.dumps(cell) for cell in found]


def _of_parquet(path: Path) -> list[Column]:
    try:
        with ParquetFile(path) as file:
            metadata = file.metadata
            groups = [metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)]
            check_unpacked(path, sum(groups), path.stat().st_size)
            schema = file.schema_arrow
            plain = [field.name for field in schema if not pa.types.is_nested(field.type)]
            rows = next(file.iter_batches(MOST_ROWS, columns=plain), None)
            if rows is None:
                raise DataError(f"{path}: the file contains no interactions")
            found = [
                Column(
                    name,
                    [str(value) for value in rows[name].to_pylist() if value is not None],
                    pa.types.is_temporal(rows[name].type),
                )
                for name in rows.schema.names
            ]
            of_lists = [field.name for field in schema if is_list(field.type)]
            return [*found, *filter(None, (_of_lists(file, name) for name in of_lists))]
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = one_line(error)
        raise DataError(f"{path}: cannot be read as a Parquet file: {reason}") from None


def _of_lists(file: ParquetFile, name: str) -> Column | None:
    """A column of lists; None if its values cannot be read, or are no plain values.

    Nobody may need it, so that this is no error.
    """
    try:
        for group in range(file.num_row_groups):  # lists of several groups may not fit together
            for rows in file.iter_batches(MOST_ROWS, row_groups=[group], columns=[name]):
                kind = rows[name].type.value_type
                if pa.types.is_nested(kind):
                    return None
                lists = pc.list_slice(rows[name], 0, MOST_OF_LIST)
                values = [str(value) for value in lists.flatten().to_pylist() if value is not None]
                return Column(name, values, pa.types.is_temporal(kind), is_list=True)
    except (pa.ArrowException, OverflowError):
        pass
    return None
