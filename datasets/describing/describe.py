"""The YAML file that ``datasets.prepare --from`` writes for a data file."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from datasets import files, source
from datasets.describing.given_split import GivenSplit, given_split
from datasets.describing.guess import given_columns, guess
from datasets.errors import DataError, in_project, quoted, visible
from datasets.specs import spec

HEAD = "# Written by python -m datasets.prepare --from. What the first rows show; check it:"
FILTERS = """\
# Filters are optional (docs/datasets.md):
# filters:
#   where: {event: purchase}        # rows whose column event says so
#   where_not: {customer: ''}       # not those without a customer
#   duplicates: first               # of a user with one item; or last, consecutive
#   rating: {min: 4}
#   timestamp: {min: 2023-01-01}
#   k_core: 5                       # or {user: 5, item: 3}
# Where interactions of a user at the same time are a basket, to predict the whole last basket:
# targets: last-tied
"""


def describe(place: str, target: str = "", columns: str = "", unit: str = "") -> Path:
    """Write the YAML file of the file, folder or pattern ``place``, print what it says, and return
    its path.

    ``target`` is that path; "" for one in the working directory, named after the file. ``columns``
    and ``unit`` are what the user knows, "" for nothing: see ``guess.given_columns``.

    Raises DataError if there is no such file, if its first rows leave something open, and if the
    YAML file exists with other content.
    """
    found = source.parts(Path(), place)
    if not found:
        what = "no file in this folder" if os.path.isdir(place) else "no such file"
        raise DataError(f"{place}: {what}{in_project(Path(place))}")
    split = given_split(place, found)
    kinds = Counter("".join(file.suffixes[-2:]) for file in found).most_common()
    if len(kinds) > 1 and os.path.isdir(place) and not split:
        shown = ", ".join(quoted(kind) for kind, _ in kinds)
        raise DataError(
            f"{place}: the folder has files of several kinds ({shown}): give a pattern, such as "
            f"--from '{place}/*{kinds[0][0]}'"
        )
    first = split.first if split else found[0]
    guessed = guess(first, given_columns(columns) if columns else None, unit or None)
    path = Path(target or f"{_name(place)}.yaml")
    notes = [*guessed.notes, *([f"the files are a split: {_named(split.places)}"] if split else [])]
    text = _text(_content(place, path, guessed.source, split), notes)
    _write(path, text)
    parts = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
    print(f"{first}{parts}, from the first rows:")
    print("\n".join(f"- {visible(note)}" for note in notes))
    print(f"written: {path}")
    return path


def check_found(described: spec.Spec, raw: source.RawFile, place: str) -> None:
    """Raise DataError if a file of the same name, in a folder that is searched before that of the
    YAML file, would be read in place of the one at ``place``."""
    expected = {file.resolve() for file in source.parts(Path(), place)}
    if {file.resolve() for file in raw.files} != expected:
        raise DataError(
            f"{described.name}: {raw.path} would be read in place of {place}: its folder is "
            "searched first; write the absolute path in the YAML file"
        )


def _name(place: str) -> str:
    """The file's name, or that of the folder of a pattern, without endings."""
    path = Path(place)
    if any(sign in path.name for sign in "*?["):
        path = path.parent
    name = re.sub(r"[^\w-]+", "-", path.resolve().name.lstrip(".").split(".")[0]).strip("-")
    return name or "data"


def _named(split: dict[str, str]) -> str:
    return ", ".join(f"{part} {name}" for part, name in split.items())


def _content(
    place: str, path: Path, guessed: dict[str, Any], split: GivenSplit | None
) -> dict[str, Any]:
    """Content of the YAML file at ``path``: files below its folder have relative paths."""
    absolute = Path(os.path.abspath(place))
    folder = Path(os.path.abspath(path.parent))
    if absolute.is_relative_to(folder):
        absolute = absolute.relative_to(folder)
    is_pattern = not os.path.exists(place)
    if split:
        folder_of = absolute.parent if is_pattern else absolute
        return {
            "title": path.stem,
            "sources": [{"file": str(folder_of)} | guessed],
            "split": split.places,
        }
    files_of = {"files": [str(absolute)]} if is_pattern else {"file": str(absolute)}
    return {
        "title": path.stem,
        "sources": [files_of | guessed],
        "split": "leave-one-out",
    }


def _text(content: dict[str, Any], notes: list[str]) -> str:
    dumped = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    comments = "\n".join([HEAD, *(f"# - {visible(note)}" for note in notes)])
    return f"{comments}\n{dumped}{FILTERS}"


def _write(path: Path, text: str) -> None:
    """Write the YAML file. One that is there is replaced only by the same text."""
    if path.suffix not in (".yaml", ".yml"):
        raise DataError(
            f"{path}: with --from, DATASET is the YAML file to write, such as mine.yaml; a pattern "
            "of several files needs quotes: --from 'parts/*.csv'"
        )
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise DataError(
                f"{path}: exists already, with other content: remove it, or name another "
                "one before --from, such as python -m datasets.prepare other.yaml --from ..."
            )
        files.write(path, text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DataError(f"{path}: cannot be written: {reason}") from None
