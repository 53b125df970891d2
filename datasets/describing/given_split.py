"""Files that are a split which somebody made, by their names: train, valid and test."""

import os
import re
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from datasets.errors import DataError, quoted

PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
"""The part that a word in a name stands for."""
NOT_LETTERS = re.compile("[^a-z]+")


@dataclass(frozen=True)
class GivenSplit:
    """A split by files."""

    places: dict[str, str]
    """By part: the name of its file or folder, or a pattern, below the folder of all."""
    first: Path
    """The first file for training."""


def given_split(place: str, found: list[Path]) -> GivenSplit | None:
    """The split that the files ``found`` at ``place`` are; None if their names do not say so.

    Raises DataError if they say that they are parts, but not which file is which part: joined, the
    targets of a paper could come before its training rows.
    """
    folder = Path(place) if os.path.isdir(place) else Path(place).parent
    parts = [_part(file, folder) for file in found]
    if len(set(parts) - {None}) < 2:
        return None
    files = {
        part: [file for file, found_part in zip(found, parts, strict=True) if found_part == part]
        for part in dict.fromkeys(PARTS.values())
    }
    places = {part: _place(of_part, folder, found) for part, of_part in files.items()}
    if None in parts or not all(places.values()):
        raise DataError(
            f"{place}: by their names, some of the files are parts of a split, such as "
            f"{quoted(found[parts.index(next(filter(None, parts)))].name)}: --from takes a split "
            "of train, valid and test and nothing beside them; describe others in a YAML file, "
            "with split: {train: FILE, valid: FILE, test: FILE}, or give one file"
        )
    return GivenSplit(
        {part: str(found_place) for part, found_place in places.items()}, files["train"][0]
    )


def _part(file: Path, folder: Path) -> str | None:
    """The part that the name of a file stands for or, below ``folder``, that of its folder."""
    names = [file.name, *([file.parent.name] if file.parent != folder else [])]
    for name in names:
        words = {PARTS[word] for word in NOT_LETTERS.split(name.lower()) if word in PARTS}
        if len(words) == 1:
            return words.pop()
    return None


def _place(files: list[Path], folder: Path, every: list[Path]) -> str | None:
    """A name, a folder or a pattern that has these files and no others; None if there is none."""
    if len(files) < 2:
        return str(files[0].relative_to(folder)) if files else None
    (own, *others) = {file.parent for file in files}
    if others:
        return None
    below = str(own.relative_to(folder))
    if own != folder:
        return below if all(file in files for file in every if file.parent == own) else None
    beginning = os.path.commonprefix([file.name for file in files])  # noqa: RUF071 (of names)
    fits = [file for file in every if file.parent == own and file.name.startswith(beginning)]
    return f"{escape(beginning)}*" if len(fits) == len(files) else None
