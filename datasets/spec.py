"""A data set as its YAML file describes it."""

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from datasets.errors import DataError
from datasets.readers import FORMATS
from datasets.sequences import Split, leave_one_out
from datasets.synthetic import Walks

FOLDER = Path(__file__).parent
SPLITS = {"leave-one-out": leave_one_out}


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
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def _spec(name: str, content: object) -> Spec:
    """Build the spec and refuse what would otherwise be ignored or fail later."""
    spec = _build(Spec, {"name": name, **_mapping(content, "the file")}, "the file")
    sources = tuple(_build(Source, s, "sources") for s in spec.sources or ())
    synthetic = _build(Walks, spec.synthetic, "synthetic") if spec.synthetic else None
    filters = (
        dict(_mapping(spec.filters, "filters")) if not isinstance(spec.filters, Filters) else {}
    )
    for column in ("rating", "timestamp"):
        if column in filters:
            filters[column] = _interval(filters[column], f"filters.{column}")
    if bool(sources) == bool(synthetic):
        raise ValueError("give either sources or synthetic")
    for source in sources:
        if source.reader not in FORMATS:
            raise ValueError(f"reader {source.reader!r} is none of {', '.join(FORMATS)}")
    if spec.split not in SPLITS:
        raise ValueError(f"split {spec.split!r} is none of {', '.join(SPLITS)}")
    return Spec(
        name=name,
        title=str(spec.title),
        sources=sources,
        synthetic=synthetic,
        filters=_build(Filters, filters, "filters"),
        split=spec.split,
        card=spec.card,
        links=tuple(spec.links),
    )


def _mapping(content: object, where: str) -> dict:
    if not isinstance(content, dict):
        raise ValueError(f"{where} should be a mapping, not {content!r}")
    return content


def _build(kind: type, content: object, where: str):
    known = [f.name for f in fields(kind)]
    unknown = [str(key) for key in _mapping(content, where) if key not in known]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} in {where} (known: {', '.join(known)})")
    try:
        return kind(**content)
    except TypeError as error:
        raise ValueError(f"{where}: {str(error).split('() ')[-1]}") from None


def _interval(content: object, where: str) -> tuple[float, float]:
    ends = _mapping(content, where)
    if not ends or set(ends) - {"min", "max"}:
        raise ValueError(f"{where} should have min, max or both, not {content!r}")
    return float(ends.get("min", "-inf")), float(ends.get("max", "inf"))
