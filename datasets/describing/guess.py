"""A first YAML file for a data file: reader, columns and unit, as its first rows show them.

Where they do not show it, nothing is guessed: the error says what to give.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from datasets.describing import sample
from datasets.describing.sample import Column, Sample
from datasets.errors import DataError, quoted, twice
from datasets.reading import times
from datasets.reading.column_names import called
from datasets.reading.layouts import INTERACTIONS, LAYOUTS, NUMBERS, SEQUENCES
from datasets.reading.malformed import is_number

PURCHASES = ("purchase", "buy", "order", "transaction", "sale")
MOST_KINDS = 20  # values of a column that says what happened
OTHER_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b")
Columns = dict[str, str | int]


@dataclass(frozen=True)
class Guess:
    """What a file seems to be."""

    source: dict[str, Any]
    """Content of one of the YAML file's ``sources``, without the file."""
    notes: list[str] = field(default_factory=list)
    """What was recognised, and what was left out."""


def given_columns(text: str) -> Columns:
    """The columns of ``--columns``, such as ``user=customer,item=3``; those of ``rating=`` and
    ``timestamp=`` are "": they are left out. Raises DataError for anything else."""
    columns: Columns = {}
    for part in text.split(","):
        ours, sign, theirs = (text.strip() for text in part.partition("="))
        if not sign or ours in columns or not (theirs or ours in NUMBERS):
            break
        columns[ours] = int(theirs) if theirs.isdecimal() and len(theirs) < 6 else theirs
    kinds = {type(theirs) for theirs in columns.values() if theirs != ""}
    known = set(columns) <= {*INTERACTIONS.needed, *INTERACTIONS.optional}
    numbered = kinds == {int}
    if (
        len(columns) < max(1, text.count("="))
        or len(kinds) > 1
        or not known
        or (numbered and "item" not in columns)
    ):
        raise DataError(
            f"--columns should be like user=customer,item=product,timestamp=bought_at, or "
            f"user=1,item=2,timestamp=4 for a file without a header line, not {quoted(text)}"
        )
    return columns


def guess(path: Path, given: Columns | None = None, unit: str | None = None) -> Guess:
    """The description of the file at ``path``, one of several parts or the only one.

    ``given`` are its columns and ``unit`` is the unit of its times, as far as the user knows them.

    Raises DataError if the file cannot be read, or its first rows leave something open.
    """
    has_header = None if given is None else all(isinstance(name, str) for name in given.values())
    found = sample.read(path, has_header, sequences=given == {"item": 1})
    if found.reader in LAYOUTS:
        if given or unit:
            raise DataError(f"{path}: the layout of {found.reader} is fixed: leave out the options")
        return Guess({"reader": found.reader}, [f"reader {found.reader}, a published layout"])
    if found.reader == SEQUENCES:
        return _of_sequences(path, found, given, unit)
    columns = _chosen(path, found, given)
    source: dict[str, Any] = {"reader": found.reader, "columns": columns}
    notes = [f"reader {found.reader}"]
    if found.separator not in (None, ","):
        source["separator"] = found.separator
        notes.append(f"separator {found.separator!r}")
    by_name = {column.name: column for column in found.columns}
    notes += [
        f"{ours} = {_shown(theirs)}{', a list' * by_name[theirs].is_list}"
        for ours, theirs in columns.items()
    ]
    listed = by_name[columns["item"]].is_list
    left = [column for column in found.columns if column.name not in columns.values()]
    alike = [column for column in left if listed or not column.is_list]
    several = [item for item in by_name[columns["item"]].values if " " in item or "," in item]
    if several:
        notes.append(f"the whole text is one item, also {quoted(several[0])}")
    if "timestamp" not in columns:
        of = "the rows, and of their lists" if listed else "the rows"
        notes.append(f"no times: each user's order is that of {of}")
        if "timestamp" not in (given or {}):
            _check_other_times(path, alike)
    elif not by_name[columns["timestamp"]].is_time:
        source["timestamp_unit"] = unit or _unit(path, by_name[columns["timestamp"]])
        notes.append(f"the times are {times.NAMES[source['timestamp_unit']]}")
    if unit and "timestamp_unit" not in source:
        raise DataError(f"{path}: --timestamp-unit: there are no times, or they have a unit")
    if left:
        notes.append("not read: " + ", ".join(_shown(column.name) for column in left))
    return Guess(source, notes + _events(alike))


def _chosen(path: Path, found: Sample, given: Columns | None) -> Columns:
    """The columns of the file: those that are given, then those with the usual names."""
    names = [column.name for column in found.columns]
    given = given or {}
    columns = {ours: theirs for ours, theirs in given.items() if theirs != ""}
    for ours, theirs in columns.items():
        if theirs not in names:
            raise DataError(f"{path}: no column {quoted(theirs)} for {ours}: {_list(names)}")
    if len(set(columns.values())) < len(columns):
        raise DataError(f"{path}: --columns names one column twice: {_list(names)}")
    if found.numbered and set(INTERACTIONS.needed) <= set(columns):
        others = [c for c in found.columns if c.name not in columns.values()]
        timed = [column.name for column in others if _looks_like_a_time(column)]
        return columns | (
            {"timestamp": timed[0]} if "timestamp" not in given and len(timed) == 1 else {}
        )
    if found.numbered:
        raise DataError(
            f"{path}: no header line: which field is the user, and which the item? Say so with "
            f"--columns, such as {_suggested(found.columns)} (if each line is a sequence of items: "
            "describe the file in a YAML file with reader: sequences); the first row is "
            f"{quoted([value for column in found.columns for value in column.values[:1]])}"
        )
    for ours in ("user", "item", "rating", "timestamp"):
        if ours in given:
            continue
        there = [name for name in _usual(ours, found, columns) if name not in columns.values()]
        if ours == "rating" and len(there) > 1:  # only a filter would need it
            there = []
        if (same := twice(name for name in names if name in there)) is not None:
            raise DataError(f"{path}: the header names {quoted(same)} twice: rename one of them")
        if len(there) > 1 or (not there and ours in INTERACTIONS.needed):
            problem = f"may be {' or '.join(map(quoted, there))}" if there else "is not clear"
            raise DataError(
                f"{path}: the column of the {ours} {problem}: say so with --columns, such as "
                f"user=NAME,item=NAME,timestamp=NAME; {_list(names)}"
            )
        if there and (ours != "rating" or _are_numbers(found.columns, there[0])):
            columns[ours] = there[0]
    return columns


def _usual(ours: str, found: Sample, chosen: Columns) -> list[str]:
    """The columns that ``ours`` may be, by their names or, for times, by their values.

    Items may be lists. Then, and only then, the other columns but the user's may be lists, too.
    """
    single = [str(column.name) for column in found.columns if not column.is_list]
    lists = [str(column.name) for column in found.columns if column.is_list]
    if ours == "item":
        return called(ours, single, lists)
    beside = lists if chosen.get("item") in lists else []
    there = called(ours, (), beside) or called(ours, single)
    if ours == "timestamp" and not there:
        known = {*single, *beside}
        return [str(c.name) for c in found.columns if c.name in known and _looks_like_a_time(c)]
    return there


def _suggested(columns: list[Column]) -> str:
    """The usual order of fields: a user, an item, and times where they show themselves."""
    timed = [column for column in columns if _looks_like_a_time(column)]
    others = [column for column in columns if column not in timed]
    named = dict(zip(("user", "item"), others, strict=False))
    if len(timed) == 1:
        named["timestamp"] = timed[0]
    return ",".join(f"{ours}={column.name}" for ours, column in named.items())


def _are_numbers(columns: list[Column], name: str) -> bool:
    values = next(column.values for column in columns if column.name == name)
    return all(map(is_number, values))


def _looks_like_a_time(column: Column) -> bool:
    """Whether all values are text or numbers that no id and no count looks like."""
    if column.is_time:
        return True
    units = {times.unit_of(value) for value in column.values}
    if len(units) != 1 or None in units:
        return False
    return units != {"s"} or all(float(value) >= times.A_DATE for value in column.values)


def _unit(path: Path, column: Column) -> str:
    """The unit of the times. Raises DataError if they have none in common, or may be dates."""
    units = {times.unit_of(value) for value in column.values}
    unit = next(iter(units), None)
    if not column.values:
        raise DataError(
            f"{path}: the first rows have no times in {_shown(column.name)}: give "
            "--timestamp-unit, or leave the times out with --columns timestamp="
        )
    shown = ", ".join(map(quoted, column.values[:3]))
    if len(units) != 1 or unit is None:
        unit_helps = ", give --timestamp-unit," * all(map(is_number, column.values))
        raise DataError(
            f"{path}: the times in {_shown(column.name)} are neither ISO 8601 nor numbers of one "
            f"unit, such as {shown}: "
            f"write ISO 8601 (2023-01-31) or numbers{unit_helps} or leave the times out with "
            "--columns timestamp="
        )
    if unit == "s" and column.values and all(map(_is_day, column.values)):
        raise DataError(
            f"{path}: the times in {_shown(column.name)}, such as {shown}, may be days: write "
            "them as 2023-01-31, or give --timestamp-unit s to use them as numbers"
        )
    return unit


def _check_other_times(path: Path, columns: list[Column]) -> None:
    """Raise DataError for a column that may hold the times, in a form that is not read."""
    for column in columns:
        if column.values and all(map(OTHER_DATE.match, column.values)):
            raise DataError(
                f"{path}: {_shown(column.name)} may be the times, such as "
                f"{quoted(column.values[0])}: write them as 2023-01-31, or leave them out with "
                "--columns timestamp="
            )


def _is_day(text: str) -> bool:
    """Whether a number may be a day of the last two centuries, such as 20230131."""
    with suppress(ValueError):
        digits = text.removesuffix(".0")
        return len(digits) == 8 and 1900 <= date.fromisoformat(digits).year < 2100
    return False


def _events(columns: list[Column]) -> list[str]:
    """The values of a column that says what happened: users rarely want all of them."""
    names = called("event", [str(column.name) for column in columns])
    notes = []
    for column in columns:
        kinds = list(dict.fromkeys(column.values))
        if column.name in names and 1 < len(kinds) <= MOST_KINDS:
            notes.append(
                f"all rows are kept, whatever their {_shown(column.name)} "
                f"({', '.join(map(quoted, kinds))}): choose with filters: where: "
                f"{{{column.name}: {next(filter(_is_purchase, kinds), kinds[-1])}}}"
            )
    return notes


def _is_purchase(kind: str) -> bool:
    return any(word in kind.lower() for word in PURCHASES)


def _of_sequences(path: Path, found: Sample, given: Columns | None, unit: str | None) -> Guess:
    """Lines of items, with or without a user before them."""
    if unit or (given and given not in ({"item": 1}, {"user": 1, "item": 2})):
        raise DataError(
            f"{path}: one sequence a line: --columns should be user=1,item=2 or, for lines without "
            "a user, item=1, and there are no times"
        )
    columns = given or _user_before_items(path, found.lines)
    first = "the user" if "user" in columns else "an item, and the line is the user"
    notes = [f"reader sequences, separator {found.separator!r}", f"the first field is {first}"]
    source: dict[str, Any] = {"reader": SEQUENCES, "columns": columns}
    if found.separator != " ":
        source["separator"] = found.separator
    return Guess(source, [*notes, "the items of a line are in their order"])


def _user_before_items(path: Path, lines: list[list[str]]) -> Columns:
    """Whether the first field is a user: it never comes again, and is none of the items, or it
    counts the lines. It is an item if it comes again and is among the others."""
    firsts = [line[0] for line in lines]
    others = {cell for line in lines for cell in line[1:]}
    once = len(set(firsts)) == len(firsts)
    counted = all(first.isdecimal() for first in firsts[:2]) and firsts == [
        str(int(firsts[0]) + n) for n in range(len(firsts))
    ]
    if len(lines) > 2 and once and (counted or not others & set(firsts)):
        return {"user": 1, "item": 2}
    if not once and others & set(firsts):
        return {"item": 1}
    raise DataError(
        f"{path}: one sequence a line, but is the first field, such as {quoted(firsts[0])}, a user "
        "or an item? Say so with --columns user=1,item=2 or --columns item=1"
    )


def _shown(name: str | int) -> str:
    if isinstance(name, int):
        return f"field {name}"
    return name or "a column without a name"


def _list(names: list[str | int]) -> str:
    return f"the columns are {', '.join(map(quoted, names))}"[:400]
