"""Descriptions of data sets, as their YAML files give them."""

import os
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from datasets import filters
from datasets.checking import plain_yaml
from datasets.checking.checked import UNPRINTABLE, build, list_at, mapping
from datasets.errors import DataError, quoted
from datasets.filters import Filters
from datasets.reading import layouts
from datasets.sequences import Sequences
from datasets.specs import source_spec
from datasets.specs.source_spec import Source, SplitFiles
from datasets.splitting import temporal
from datasets.splitting.splits import GIVEN, SPLITS, TEMPORAL, SplitRule, rule_of
from datasets.splitting.targets import Split
from datasets.splitting.temporal import Temporal
from datasets.synthetic import Walks

SPECS_FOLDER = Path(__file__).parents[1]


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
    temporal: Temporal = field(default_factory=Temporal)
    """How a temporal split is made."""
    ties: str = "file"
    """Order of a user's interactions at the same time, one of TIES."""
    targets: str = "last"
    """Which items are to be predicted, one of TARGETS."""
    card: str | None = None
    """Page to which the Dataset line of reports links."""
    links: tuple[str, ...] = ()
    """Further pages about the data."""
    folder: Path | None = field(default=None, compare=False)
    """Folder of the YAML file, in which its files are searched for, too; None for a data set of
    this folder."""

    @property
    def rule(self) -> SplitRule:
        """The way to split."""
        return rule_of(self.split, self.temporal)

    def split_of(self, sequences: Sequences) -> Split:
        """Training, validation and test parts of the sequences.

        Raises DataError if these sequences cannot be split this way, or nobody would be evaluated.
        """
        rule = self.rule
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
        content["filters"] = self.filters.as_dict()
        if self.temporal != Temporal():
            content["split"] = {TEMPORAL: self.temporal.as_dict()}
        del content["name"]
        del content["temporal"]
        content.pop("folder", None)
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


def _meant(name: str) -> str:
    """A question after an unknown name: the YAML file of that name here, or the nearest name."""
    here = [file for end in ("yaml", "yml") if os.path.isfile(file := f"{name}.{end}")]
    if os.path.isfile(name):
        return f"; for a data file, python -m datasets.prepare --from {name} writes one"
    found = here or get_close_matches(name.lower(), names(), 1)
    return f" (did you mean {quoted(found[0])}?)" if found else ""


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
                f"or give the path of a YAML file{_meant(name_or_path)}"
            )
    content = plain_yaml.read(path)
    try:
        found = _spec(path.stem, content)
        return found if path.parent == SPECS_FOLDER else replace(found, folder=path.parent)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _spec(name: str, content: object) -> Spec:
    """Build the spec. Raises ValueError for whatever would be ignored or fail later."""
    parts = dict(mapping(content, "the file"))
    for key in ("name", "folder", "temporal"):
        if key in parts:
            raise ValueError(f"unknown key '{key}' in the file")
    parts["name"] = name
    files = _split_files(parts)
    sources = list_at(parts, "sources")
    parts["sources"] = tuple(source_spec.read(source, "sources", files) for source in sources)
    if parts.get("titles"):
        parts["titles"] = source_spec.read(parts["titles"], "titles", None)
    if parts.get("synthetic"):
        parts["synthetic"] = build(Walks, parts["synthetic"], "synthetic")
    if isinstance(parts.get("split"), dict) and TEMPORAL in parts["split"]:
        parts |= _temporal(parts["split"])
    parts["filters"] = filters.read(parts.get("filters") or {})
    parts["links"] = tuple(list_at(parts, "links"))
    for link in parts["links"]:
        if not isinstance(link, str) or UNPRINTABLE.search(link):
            raise ValueError(f"links should be lines of text, not {quoted(link)}")
    spec = build(Spec, parts, "the file")
    if bool(spec.sources) == bool(spec.synthetic):
        raise ValueError("give either sources or synthetic")
    for source in spec.sources:
        source_spec.check(source, "sources", layouts.INTERACTIONS)
        spec.filters.with_columns(source.layout())
    if spec.synthetic and (spec.filters.where or spec.filters.where_not):
        raise ValueError("filters by value need a file with further columns: synthetic has none")
    if spec.titles:
        source_spec.check(spec.titles, "titles", layouts.TITLES)
    if spec.split not in SPLITS and not files:
        known = f"{', '.join(SPLITS)}, or {{train: FILE, valid: FILE, test: FILE}}"
        raise ValueError(f"split should be one of {known}, not {quoted(spec.split)}")
    if spec.ties not in TIES:
        raise ValueError(f"ties should be one of {', '.join(TIES)}, not {quoted(spec.ties)}")
    if spec.targets not in TARGETS:
        known = ", ".join(TARGETS)
        raise ValueError(f"targets should be one of {known}, not {quoted(spec.targets)}")
    if spec.filters.duplicates == "consecutive" and spec.ties == "random":
        raise ValueError(
            "duplicates: consecutive needs an order of equal times, and ties: random has none: "
            "remove one of the two"
        )
    return spec


def _temporal(split: dict[str, Any]) -> dict[str, Any]:
    """The fields of a spec whose ``split:`` is a mapping with the key ``temporal:``."""
    if len(split) > 1:
        raise ValueError(f"split should have the key {TEMPORAL} alone, not {quoted(split)}")
    return {"split": TEMPORAL, "temporal": temporal.read(split[TEMPORAL])}


def _split_files(parts: dict[str, Any]) -> SplitFiles | None:
    """The files that ``split:`` names, if any; the split of ``parts`` is then GIVEN."""
    if not isinstance(parts.get("split"), dict) or TEMPORAL in parts["split"]:
        return None
    files = build(SplitFiles, parts["split"], "split")
    if len({files.train, files.valid, files.test}) < 3:
        raise ValueError("split should name three different files")
    if not parts.get("sources"):
        raise ValueError("split: {train: FILE, ...} needs sources, with a reader")
    parts["split"] = GIVEN
    return files
