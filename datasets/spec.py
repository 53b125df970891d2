"""A data set as its YAML file describes it."""

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import yaml

from datasets.errors import DataError
from datasets.readers import FORMATS
from datasets.sequences import Split, leave_one_out, temporal
from datasets.synthetic import Walks

FOLDER = Path(__file__).parent
SPLITS = {"leave-one-out": leave_one_out, "temporal": temporal}


@dataclass(frozen=True)
class Source:
    """One file that holds the interactions, and where to get it."""

    file: str
    """Path below the data folder."""
    reader: str
    """A key of ``readers.FORMATS``."""
    url: str | None = None
    """Where to download it; without one the file must be placed by hand."""
    member: str | None = None
    """Pattern of the one member to read when the file is a zip archive, e.g. ``*.inter``."""
    size: int | None = None
    """Bytes, checked where given."""
    sha256: str | None = None
    """Checked where given."""


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
                f"no data set is called {name_or_path!r}: choose one of {known}, "
                "or give the path of a YAML file"
            )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    try:
        return _spec(path.stem, content)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _spec(name: str, content: object) -> Spec:
    """Build the spec, and refuse what would otherwise be ignored or fail later."""
    parts = {**_mapping(content, "the file"), "name": name}
    parts["sources"] = tuple(_build(Source, s, "sources") for s in parts.get("sources") or ())
    if parts.get("synthetic"):
        parts["synthetic"] = _build(Walks, parts["synthetic"], "synthetic")
    filters = dict(_mapping(parts.get("filters") or {}, "filters"))
    for column in ("rating", "timestamp"):
        if column in filters:
            filters[column] = _interval(filters[column], f"filters.{column}")
    parts["filters"] = _build(Filters, filters, "filters")
    parts["links"] = tuple(parts.get("links") or ())
    spec = _build(Spec, parts, "the file")
    if bool(spec.sources) == bool(spec.synthetic):
        raise ValueError("give either sources or synthetic")
    for source in spec.sources:
        if source.reader not in FORMATS:
            raise ValueError(f"reader {source.reader!r} is none of {', '.join(FORMATS)}")
    if spec.split not in SPLITS:
        raise ValueError(f"split {spec.split!r} is none of {', '.join(SPLITS)}")
    return spec


def _mapping(content: object, where: str) -> dict:
    if not isinstance(content, dict):
        raise ValueError(f"{where} should be a mapping, not {content!r}")
    return content


def _build(kind: type, content: object, where: str):
    """An instance of the dataclass; unknown, missing and wrongly typed keys are named."""
    values = _mapping(content, where)
    types = {f.name: f.type for f in fields(kind)}
    for key, value in values.items():
        if key not in types:
            raise ValueError(f"unknown key {key!r} in {where} (known: {', '.join(types)})")
        wanted = int | float if types[key] is float else types[key]
        if wanted in (int, str, int | float, int | None, str | None) and (
            not isinstance(value, wanted) or isinstance(value, bool)
        ):
            raise ValueError(f"{key} in {where} cannot be {value!r}")
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
        raise ValueError(f"{where} should have min, max or both, not {content!r}")
    try:
        return float(ends.get("min", "-inf")), float(ends.get("max", "inf"))
    except (TypeError, ValueError):
        raise ValueError(f"{where} should have numbers, not {content!r}") from None
