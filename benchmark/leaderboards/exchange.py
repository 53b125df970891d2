"""Boards as JSON files, which teams exchange: docs/leaderboard.md has the schema.

A reader ignores keys that it does not know. A change that other readers would misunderstand gets
another number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from benchmark.errors import UserError
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Kind, Outcome
from benchmark.measures.metrics import NAMES
from benchmark.recbole.links import is_web
from benchmark.tracking.reading.record import LARGEST
from datasets import files
from datasets.checking.checked import mapping
from datasets.errors import quoted, twice, visible

SCHEMA = "seqrec.leaderboard"
VERSION = 1
LONGEST = 20_000  # characters of a text
MOST_BYTES = 500 * 2**20

Made = TypeVar("Made", Board, Column, Cell, Entry, Outcome)


def dump(board: Board) -> str:
    """The board as JSON."""
    columns = []
    for column in board.columns:
        cells = [asdict(entry) | asdict(cell) for entry, cell in column.cells.items()]
        columns.append(asdict(replace(column, cells={})) | {"cells": cells})
    content = {"schema": SCHEMA, "schema_version": VERSION, **asdict(replace(board, columns=()))}
    text = json.dumps(content | {"columns": columns}, indent=1, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def load(path: Path) -> Board:
    """The board in a file; its origin is the file's name if it names none.

    Raises UserError for a file that cannot be read or is no board.
    """
    try:
        content = files.read(path, MOST_BYTES)
        board = _board(json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once))
        return replace(board, origin=board.origin or visible(path.stem))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{path}: no leaderboard: nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path}: no leaderboard: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of JSON. Raises ValueError for a key that is there twice."""
    if (key := twice(key for key, _ in pairs)) is not None:
        raise ValueError(f"a mapping has the key {quoted(key)} twice")
    return dict(pairs)


def _board(content: object) -> Board:
    found = mapping(content, "the file")
    if found.get("schema") != SCHEMA:
        raise ValueError(f"schema should be {SCHEMA!r}, not {quoted(found.get('schema'))}")
    if found.get("schema_version") != VERSION:
        raise ValueError(
            f"schema_version is {quoted(found.get('schema_version'))}; this version of seqrec "
            f"reads {VERSION}"
        )
    columns = [_column(part, where) for part, where in _list(found, "columns", "the file")]
    if len({column.title for column in columns}) < len(columns):
        raise ValueError("two columns have one title")
    bases = [column.basis for column in columns if column.basis]
    if len(set(bases)) < len(bases):
        raise ValueError("two columns have one digest and one protocol")
    board = _built(Board, found, "the file", columns=tuple(columns))
    if board.metric not in NAMES:
        raise ValueError(f"metric {board.metric!r} is unknown; there are: {', '.join(NAMES)}")
    return board


def _column(content: object, where: str) -> Column:
    found = mapping(content, where)
    cells: dict[Entry, Cell] = {}
    for part, place in _list(found, "cells", where):
        entry = _built(Entry, mapping(part, place), place)
        if not entry.model.strip():
            raise ValueError(f"{place}: model should be the name of a model")
        if entry in cells:
            raise ValueError(f"{place}: {entry.name} has a cell already")
        outcomes = [
            _outcome(outcome, at) for outcome, at in _list(mapping(part, place), "outcomes", place)
        ]
        runs = [(outcome.run, outcome.seed) for outcome in outcomes if outcome.run]
        if len(set(runs)) < len(runs):
            raise ValueError(f"{place}: an outcome is there twice")
        cells[entry] = _built(Cell, mapping(part, place), place, outcomes=tuple(outcomes))
    column = _built(Column, found, where, cells=cells)
    return column if Path(column.report).name == column.report else replace(column, report="")


def _outcome(content: object, where: str) -> Outcome:
    outcome = _built(Outcome, mapping(content, where), where)
    if not outcome.test:
        raise ValueError(f"{where}.test should have metrics")
    for name, value in outcome.test.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{where}.test: {name} is {value:g}, which is no value from 0 to 1")
    safe = outcome.link.startswith(("http://", "https://")) and is_web(outcome.link)
    return outcome if safe else replace(outcome, link="")


def _built(kind: type[Made], content: dict[str, Any], where: str, **made: object) -> Made:
    """An instance of the dataclass from the keys that it has, and from parts ``made`` before.

    Raises ValueError for a missing key, and for a value of another type.
    """
    types = get_type_hints(kind)
    values: dict[str, Any] = dict(made)
    for item in fields(kind):
        if item.name in made:
            continue
        if item.name in content:
            values[item.name] = _value(
                content[item.name], types[item.name], f"{where}: {item.name}"
            )
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{where} should have {item.name!r}")
    return kind(**values)


def _value(value: object, kind: Any, where: str) -> Any:
    """The value as the dataclass has it. Raises ValueError if it is of another type."""
    accepts, wanted = KINDS[kind]
    if not accepts(value):
        raise ValueError(f"{where} should be {wanted}, not {quoted(value)}")
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return tuple(value)
    return {visible(k): v for k, v in value.items()} if isinstance(value, dict) else value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST  # type: ignore[arg-type]


def _is_whole(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_cost(value: object) -> bool:
    return value is None or (_is_number(value) and value >= 0)  # type: ignore[operator]


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_interval(value: object) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_is_number, value))
        and value[0] <= value[1]
    )


KINDS: dict[Any, tuple[Callable[[object], bool], str]] = {
    str: (_is_text, f"a text of at most {LONGEST:,} characters"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int | None: (lambda value: value is None or _is_whole(value), "a whole number from 0 on"),
    float | None: (_is_cost, "a number from 0 on"),
    dict[str, float]: (_are_numbers, "numbers by name"),
    dict[str, int | float]: (_are_numbers, "numbers by name"),
    tuple[float, float] | None: (_is_interval, "two numbers, the smaller first"),
    Kind: (lambda value: value in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
}
"""For each type of a field: what accepts a value, and its name in messages."""


def _list(content: dict[str, Any], key: str, where: str) -> Iterable[tuple[object, str]]:
    """Each part of the list at the key, with its place for messages."""
    parts = content.get(key, [])
    if not isinstance(parts, list):
        raise ValueError(f"{where}: {key} should be a list, not {quoted(parts)}")
    inside = "" if where == "the file" else f"{where}."
    return [(part, f"{inside}{key}[{at}]") for at, part in enumerate(parts)]
