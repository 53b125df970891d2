"""How interactions are laid out in a file: layouts of published data sets, and generic ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from datasets.errors import quoted
from datasets.reading import times
from datasets.reading.streams import LONGEST_LINE, LONGEST_LIST
from datasets.reading.times import TICKS

FIELDS = ("user", "item", "rating", "timestamp")
IDS = ("user", "item")
NUMBERS = ("rating", "timestamp")
HISTORY = "history"
"""Further column of a split's files: the items before a row's item, separated by spaces."""
# numpy stores an array of ids with the width of its longest id, four bytes a character.
LONGEST_ID = 256
WHERE = "where."
"""Beginning of the names of columns that ``filters: where:`` asks for; the file's name follows."""
TEXT, PARQUET, JSON_LINES = FORMATS = ("text", "parquet", "JSON lines")
ENCODINGS = (
    "utf-8", "latin-1", "cp1250", "cp1251", "cp1252", "iso8859-2", "iso8859-15", "koi8-r",
    "utf-16", "utf-32", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The layout of one kind of file, by ``columns`` or by a ``header`` line."""

    separator: str = ","
    columns: tuple[str, ...] = ()
    """Field names, in order, of a file without a header line; fields called ``_`` are skipped."""
    header: dict[str, str] = field(default_factory=dict)
    """Our field names, each with its name in the header line (or in the Parquet schema). Other
    columns of the file are skipped."""
    positions: dict[str, int] = field(default_factory=dict)
    """In place of ``columns``: our field names, each with the number of its field, from 1."""
    optional: tuple[str, ...] = ()
    """Fields of ``header`` or ``positions`` that the file may lack."""
    unit: str | None = "s"
    """Unit of the timestamps, one of ``times.UNITS``. None: that of the first row, see
    ``readers.with_unit``; until then it counts as seconds."""
    recognised: bool = False
    """True: ``unit`` is that of the first row. All other rows have to have it, too."""
    quotes: bool = False
    """True: a field may be in double quotes and then contain the separator (RFC 4180)."""
    format: str = TEXT
    """One of FORMATS: which module reads the file."""
    encoding: str = "utf-8"
    """Of a text file: one of ENCODINGS."""
    sequences: bool = False
    """True: the last field of ``columns``, the item, comes again and again: a line is a user with
    all of its items, oldest first. Without a column user, the number of the line is the user."""

    of_split: bool = False
    """True: the file is a part of a split; its rows may not be left out."""
    selected: bool = False
    """True: some rows may be left out by the values of a column, whatever their ids are."""

    @property
    def ticks_per_second(self) -> int:
        """1 for seconds, 1,000 for milliseconds."""
        return TICKS.get(self.unit or "s", 1)

    @property
    def longest_line(self) -> int:
        """Of a text file, in bytes."""
        return LONGEST_LIST if self.sequences or self.format == JSON_LINES else LONGEST_LINE

    def also(self, columns: Iterable[str | int], key: str = "where") -> "Layout":
        """The same layout with these columns of the file, too: by name, or by number in a file
        without a header. Raises ValueError, with the ``key`` of the filters that names them, for
        columns that this kind of file cannot name."""
        named = self.positions or self.header
        columns = list(columns)
        added: dict[str, Any] = {}
        for column in columns:
            ours = self.ours(column)
            if ours in NUMBERS:
                raise ValueError(
                    f"{key}: {quoted(column)} is the {ours}: use filters: {ours}: {{min: , max: }}"
                )
            if not named or isinstance(column, int) != bool(self.positions):
                wanted = "the number of a field" if self.positions else "the name of a column"
                wanted = wanted if named else "for files whose columns have names or numbers"
                raise ValueError(f"{key} should be {wanted}, not {quoted(column)}")
            if ours not in named:
                added[ours] = column
        same = replace(self, selected=self.selected or bool(columns))
        if self.positions:
            return replace(same, positions=self.positions | added)
        return replace(same, header=self.header | added)

    def ours(self, column: str | int) -> str:
        """Our name of a column that ``filters: where:`` names as the file does."""
        named = {**self.header, **self.positions}
        return next(
            (ours for ours, theirs in named.items() if theirs == column), f"{WHERE}{column}"
        )

    def without_rows(self, name: str) -> str:
        """How to leave out rows without an id, behind a reason; empty if the file has no name or
        number for it."""
        theirs = {**self.header, **self.positions}.get(name)
        if theirs is None or name not in IDS or self.of_split:
            return ""
        filters = yaml.safe_dump({"where_not": {theirs: ""}}, default_flow_style=True, width=1000)
        return f" (to leave out such rows: filters: {filters.strip()})"

    def without(self, name: str) -> "Layout":
        """The same layout; that field is not read."""
        return replace(
            self,
            columns=tuple("_" if column == name else column for column in self.columns),
            header={ours: theirs for ours, theirs in self.header.items() if ours != name},
            positions={ours: number for ours, number in self.positions.items() if ours != name},
        )


@dataclass(frozen=True)
class Fields:
    """What ``columns:`` of a generic reader names."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    example: str

    def named_by(self, columns: object, kind: type) -> bool:
        """True for a mapping of these fields to names in the file, or to numbers of its fields."""
        if not isinstance(columns, dict):
            return False
        named = all(type(theirs) is kind and theirs for theirs in columns.values())
        positive = kind is str or all(theirs > 0 for theirs in columns.values() if named)
        known = {*self.needed, *self.optional}
        return named and positive and set(self.needed) <= set(columns) <= known


INTERACTIONS = Fields(
    IDS, (*NUMBERS, HISTORY), example="{user: customer, item: product, timestamp: bought_at}"
)
TITLES = Fields(("item", "title"), (), example="{item: product, title: name}")


# The keys are the values of ``reader:`` in a data set's YAML file.
LAYOUTS = {
    # RecBole's atomic files: a header of name:type, tab-separated.
    "recbole": Layout(
        "\t",
        header=dict(zip(FIELDS, ("user_id", "item_id", "rating", "timestamp"), strict=True))
        | {HISTORY: "item_id_list"},
        optional=("rating", HISTORY),
    ),
    "amazon-2014": Layout(columns=("user", "item", "rating", "timestamp")),
    "amazon-2018": Layout(columns=("item", "user", "rating", "timestamp")),
    "amazon-2023": Layout(
        header=dict(zip(FIELDS, ("user_id", "parent_asin", "rating", "timestamp"), strict=True))
        | {HISTORY: "history"},
        optional=(HISTORY,),
        unit="ms",
    ),
    # ml-1m and ml-10m: user::item::rating::timestamp. A parser with a one-character separator sees
    # seven fields, every second one empty; parsers of longer separators are ten times slower.
    "movielens-dat": Layout(":", columns=("user", "_", "item", "_", "rating", "_", "timestamp")),
    "movielens-100k": Layout("\t", columns=("user", "item", "rating", "timestamp")),
    "movielens-csv": Layout(
        header=dict(zip(FIELDS, ("userId", "movieId", "rating", "timestamp"), strict=True))
    ),
    # BERT4Rec's and SASRec's own files: one "user item" per line, oldest first.
    "user-item-text": Layout(" ", columns=("user", "item")),
    # Files of S3-Rec and of its successors: one "user item item ..." per user, oldest first.
    "user-items-text": Layout(" ", columns=("user", "item"), sequences=True),
}
NO_HEADER = (
    "if the file has no header line, give the numbers of the fields, such as "
    "columns: {user: 1, item: 2, timestamp: 4}"
)
GENERIC_READERS = ("csv", "parquet", "jsonl")
"""Readers of any CSV, Parquet or JSON lines file; the YAML file names the columns."""
SEQUENCES = "sequences"
"""Reader of text files with one sequence a line; ``columns`` says where the items begin."""
READERS = (*LAYOUTS, *GENERIC_READERS, SEQUENCES)
SEQUENCE_COLUMNS = ({"item": 1}, {"user": 1, "item": 2})
SEPARATED = ("csv", SEQUENCES)


def layout_of(
    reader: str,
    columns: dict[str, Any] | None = None,
    separator: str | None = None,
    timestamp_unit: str | None = None,
    fields: Fields = INTERACTIONS,
) -> Layout:
    """The layout that a reader expects.

    ``reader`` is one of READERS. The other arguments describe the file of a generic reader:
    ``columns`` maps our field names to the file's, or to the numbers of the fields (from 1) of a
    CSV file without a header line; ``separator`` is one character (CSV, default a comma; sequences,
    default a space), ``timestamp_unit`` is one of ``times.UNITS`` (None: that of the first row). A
    file of other ``fields`` than interactions has a generic reader.

    Raises ValueError for an unknown reader, and for arguments that do not fit the reader.
    """
    if reader in LAYOUTS and fields is INTERACTIONS:
        if columns or separator or timestamp_unit:
            raise ValueError(
                f"columns, separator and timestamp_unit are for the readers "
                f"{', '.join(GENERIC_READERS)}: the layout of {reader} is fixed"
            )
        return LAYOUTS[reader]
    known = READERS if fields is INTERACTIONS else GENERIC_READERS
    if reader not in known:
        raise ValueError(f"reader should be one of {', '.join(known)}, not {quoted(reader)}")
    if separator is not None and (
        reader not in SEPARATED or len(separator) != 1 or separator in '"\r\n'
    ):
        raise ValueError(
            f"separator should be one character, for the readers csv and sequences only, not "
            f"{quoted(separator)}"
        )
    if reader == SEQUENCES:
        return _sequences(columns, separator, timestamp_unit)
    numbered = reader == "csv" and fields.named_by(columns, int)
    if not numbered and not fields.named_by(columns, str):
        known = (*fields.needed, *fields.optional)
        other = [key for key in columns if key not in known] if isinstance(columns, dict) else []
        none = f"; {quoted(other[0])} is none of {', '.join(known)}" if other else ""
        raise ValueError(
            f"the reader {reader} needs columns, such as {fields.example}, not {quoted(columns)}"
            f"{none}"
        )
    columns = columns or {}
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"columns uses one column of the file twice: {quoted(columns)}")
    if timestamp_unit is not None and timestamp_unit not in times.UNITS:
        raise ValueError(
            f"timestamp_unit should be one of {', '.join(times.UNITS)}, not "
            f"{quoted(timestamp_unit)}"
        )
    return Layout(
        separator=separator or ",",
        header={} if numbered else columns,
        positions=columns if numbered else {},
        unit=timestamp_unit,
        quotes=reader == "csv",
        format={"parquet": PARQUET, "jsonl": JSON_LINES}.get(reader, TEXT),
    )


def _sequences(columns: object, separator: str | None, timestamp_unit: str | None) -> Layout:
    """The layout of a text file with one sequence a line."""
    if columns not in SEQUENCE_COLUMNS or timestamp_unit:
        raise ValueError(
            "the reader sequences needs columns: {user: 1, item: 2}, or columns: {item: 1} for "
            f"lines without a user, and no timestamp_unit, not {quoted(columns)}"
        )
    named = ("user", "item") if columns == SEQUENCE_COLUMNS[1] else ("item",)
    return Layout(separator or " ", columns=named, sequences=True)
