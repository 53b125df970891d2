"""A data set as its YAML file describes it."""

import math
import re
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

from datasets import formats, plain_yaml
from datasets.errors import DataError, quoted
from datasets.formats import Format
from datasets.sequences import Split, leave_one_out, temporal
from datasets.synthetic import Walks

FOLDER = Path(__file__).parent
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SPLITS = {"leave-one-out": leave_one_out, "temporal": temporal}


@dataclass(frozen=True)
class Source:
    """One file that holds the interactions, and where to get it."""

    file: str
    """Path below the data folder."""
    reader: str
    """One of ``formats.READERS``."""
    url: str | None = None
    """Where to download it; without one the file must be placed by hand."""
    member: str | None = None
    """Pattern of the one member to read when the file is a zip archive, e.g. ``*.inter``."""
    size: int | None = None
    """Bytes, checked where given."""
    sha256: str | None = None
    """Checked where given."""
    columns: dict | None = None
    """Of a file of one's own: what user, item, rating and timestamp are called in it."""
    separator: str | None = None
    timestamp_unit: str | None = None

    def layout(self) -> Format:
        """Raises ValueError if there is none that fits."""
        return formats.layout(self.reader, self.columns, self.separator, self.timestamp_unit)


@dataclass(frozen=True)
class Filters:
    """Which interactions are kept: first the value intervals (ends included), then the k-core."""

    rating: tuple[float, float] | None = None
    timestamp: tuple[float, float] | None = None
    """Seconds since 1970."""
    k_core: int = 1
    """Users and items with fewer interactions go, again and again until none is left to go."""


@dataclass(frozen=True)
class Spec:
    """A data set: what it is called, where it comes from, what is kept, how it is split."""

    name: str
    """The name of the YAML file, and of the MLflow experiment."""
    title: str
    sources: tuple[Source, ...] = ()
    """In order of preference."""
    synthetic: Walks | None = None
    """Generated on the spot instead of read: not real data."""
    filters: Filters = field(default_factory=Filters)
    split: str = "leave-one-out"
    card: str | None = None
    """The page that the report's Dataset line links to."""
    links: tuple[str, ...] = ()

    def split_of(self, sequences) -> Split:
        """Raises DataError if these data cannot be split so, or nobody would be evaluated."""
        return SPLITS[self.split](sequences)

    def as_dict(self) -> dict:
        """What a YAML file would say for ``read`` to give this, but for its name."""
        content = asdict(self, dict_factory=_that_say_something)
        for column in ("rating", "timestamp"):
            if interval := content.get("filters", {}).get(column):
                ends = zip(("min", "max"), interval, strict=True)
                content["filters"][column] = {k: v for k, v in ends if math.isfinite(v)}
        del content["name"]
        return content


def _that_say_something(pairs: list[tuple]) -> dict:
    lists = ((key, list(v) if isinstance(v, tuple) else v) for key, v in pairs)
    return {key: value for key, value in lists if value not in (None, [], {})}


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name_or_path: str) -> Spec:
    """The data set of that name in this folder, or described by the YAML file at that path."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
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
    """Build the spec, and refuse what would otherwise be ignored or fail later."""
    parts = {**_mapping(content, "the file"), "name": name}
    parts["sources"] = tuple(_build(Source, s, "sources") for s in _list(parts, "sources"))
    if parts.get("synthetic"):
        parts["synthetic"] = _build(Walks, parts["synthetic"], "synthetic")
    filters = dict(_mapping(parts.get("filters") or {}, "filters"))
    for column in ("rating", "timestamp"):
        if column in filters:
            filters[column] = _interval(filters[column], f"filters.{column}")
    parts["filters"] = _build(Filters, filters, "filters")
    parts["links"] = tuple(_list(parts, "links"))
    for link in parts["links"]:
        if not isinstance(link, str) or CONTROL.search(link):
            raise ValueError(f"links should be lines of text, not {quoted(link)}")
    spec = _build(Spec, parts, "the file")
    if bool(spec.sources) == bool(spec.synthetic):
        raise ValueError("give either sources or synthetic")
    for source in spec.sources:
        source.layout()  # raises ValueError
        file = Path(source.file)
        if not file.name or file.is_absolute() or ".." in file.parts:  # a download would go there
            raise ValueError(f"file {quoted(source.file)} is no path below the data folder")
    if spec.split not in SPLITS:
        raise ValueError(f"split {quoted(spec.split)} is none of {', '.join(SPLITS)}")
    return spec


def _list(parts: dict, key: str) -> list:
    content = parts.get(key) or []
    if not isinstance(content, list):
        raise ValueError(f"{key} should be a list, not {quoted(content)}")
    return content


def _mapping(content: object, where: str) -> dict:
    if not isinstance(content, dict):
        raise ValueError(f"{where} should be a mapping, not {quoted(content)}")
    return content


def _build(kind: type, content: object, where: str):
    """An instance of the dataclass; unknown, missing and wrongly typed keys are named."""
    values = _mapping(content, where)
    types = {f.name: f.type for f in fields(kind)}
    for key, value in values.items():
        if key not in types:
            raise ValueError(f"unknown key {quoted(key)} in {where} (known: {', '.join(types)})")
        wanted = int | float if types[key] is float else types[key]
        if wanted in (int, str, int | float, int | None, str | None) and (
            not isinstance(value, wanted) or isinstance(value, bool)
        ):
            raise ValueError(f"{key} in {where} cannot be {quoted(value)}")
        # It is printed; a separator may be a tab.
        if isinstance(value, str) and CONTROL.search(value) and value != "\t":
            raise ValueError(f"{key} in {where} should be one line of text, not {quoted(value)}")
    missing = [
        f.name
        for f in fields(kind)
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"{where} should have {missing[0]!r}")
    return kind(**values)


def _interval(content: object, where: str) -> tuple[float, float]:
    ends = _mapping(content, where)
    if not ends or set(ends) - {"min", "max"}:
        raise ValueError(f"{where} should have min, max or both, not {quoted(content)}")
    try:
        low, high = float(ends.get("min", "-inf")), float(ends.get("max", "inf"))
    except (TypeError, ValueError):
        low = high = math.nan
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"{where} should have numbers, not {quoted(content)}")
    return low, high
