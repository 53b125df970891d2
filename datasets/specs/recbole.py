"""RecBole's configuration files: their filters and split. They are read, never evaluated.

Values that would mean other data or another protocol than ours are refused. Keys outside
``DATA_KEYS`` do not concern the data: ``benchmark.recbole`` reads them, or reports them as unused.
"""

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from datasets.checking import plain_yaml
from datasets.checking.checked import LARGEST_K
from datasets.errors import DataError, quoted
from datasets.filters import KEEP, Filters
from datasets.specs import spec
from datasets.specs.source_spec import Source, SplitFiles
from datasets.specs.spec import Spec
from datasets.splitting.splits import GIVEN, TEMPORAL
from datasets.splitting.temporal import Temporal

DATASET_NAME = re.compile(r"\w[\w .+-]{0,99}")  # also the name of files and of an experiment
FILTERED_COLUMNS = ("rating", "timestamp")
INTERVAL = re.compile(r"\s*([\[(])([^,\[\]()]*),([^,\[\]()]*)([\])])\s*")

# Keys with one supported value, RecBole's usual one.
FIXED = {
    "field_separator": ("\t", "columns of RecBole's files are separated by tabs"),
    "USER_ID_FIELD": ("user_id", "no other name of this column is supported"),
    "ITEM_ID_FIELD": ("item_id", "no other name of this column is supported"),
    "RATING_FIELD": ("rating", "no other name of this column is supported"),
    "TIME_FIELD": ("timestamp", "no other name of this column is supported"),
    "repeatable": (
        True,
        "items of the history are candidates, as for RecBole's sequential models",
    ),
}
OLD_SPLIT = "it belongs to old versions of RecBole: use eval_args"
OLD_FILTER = "it belongs to old versions of RecBole: use val_interval"
OLD_CORE = (
    "it belongs to old versions of RecBole: use user_inter_num_interval and item_inter_num_interval"
)
# Keys that are not supported; None, RecBole's default, is accepted.
UNSUPPORTED = {
    "eval_setting": OLD_SPLIT,
    "split_ratio": OLD_SPLIT,
    "leave_one_num": OLD_SPLIT,
    "lowest_val": OLD_FILTER,
    "highest_val": OLD_FILTER,
    "equal_val": OLD_FILTER,
    "not_equal_val": OLD_FILTER,
    "min_user_inter_num": OLD_CORE,
    "min_item_inter_num": OLD_CORE,
}
NOBODY = (None, "none", "None", "-")
"""Values of ``eval_args.group_by`` without groups."""
DUPLICATES_KEY = "rm_dup_inter"
DUPLICATES = {None: KEEP, "first": "first", "last": "last"}
K_CORE_KEYS = ("user_inter_num_interval", "item_inter_num_interval")
DATA_KEYS = {
    *FIXED, *UNSUPPORTED, *K_CORE_KEYS, DUPLICATES_KEY,
    "load_col", "val_interval", "eval_args", "benchmark_filename",
}  # fmt: skip
"""Keys that this module reads."""


def read(path: str | Path) -> dict[str, Any]:
    """The keys and values in the file. Raises DataError if it is not a YAML mapping."""
    content = plain_yaml.read(Path(path))
    if not isinstance(content, dict | None):
        raise DataError(f"{path}: a configuration should be a mapping, not {quoted(content)}")
    return content or {}


def read_spec(name_or_path: str, config_path: str | Path) -> Spec:
    """A data set with the filters and the split of the configuration file.

    ``name_or_path`` is the name of a data set in this folder, the path of a YAML file, or any other
    name: its file is then searched for where RecBole has it, as <name>/<name>.inter or
    <name>.inter in the data folders. With ``benchmark_filename: [train, valid, test]`` it is split
    already: <name>.train.inter, <name>.valid.inter and <name>.test.inter are searched for there.

    Raises DataError for keys and values that are not supported.
    """
    content = read(config_path)
    filters, split = filters_and_split(content, config_path)
    if name_or_path in spec.names() or Path(name_or_path).suffix in (".yaml", ".yml"):
        found = spec.read(name_or_path)
    elif DATASET_NAME.fullmatch(name_or_path):
        files = (f"{name_or_path}/{name_or_path}.inter", f"{name_or_path}.inter")
        sources = tuple(Source(file, reader="recbole") for file in files)
        found = Spec(name_or_path, title=name_or_path, sources=sources)
    else:
        raise DataError(f"no data set can be called {quoted(name_or_path)}")
    if found.synthetic and filters.intervals:
        raise DataError(
            f"{config_path}: val_interval: {found.name} is synthetic, its values cannot be filtered"
        )
    if split == GIVEN:
        named = _benchmark(content, config_path)
        parts = SplitFiles(*(f"{found.name}.{part}.inter" for part in named))
        folders = (found.name, "")
        sources = tuple(Source(f, reader="recbole", split=parts) for f in folders)
        found = replace(found, sources=sources, synthetic=None)
    return replace(found, filters=filters, split=split, temporal=temporal_of(content))


def filters_and_split(content: dict[str, Any], path: str | Path) -> tuple[Filters, str]:
    """The configuration's filters, and its split (a key of ``splits.RULES``).

    ``path`` is for the messages. Raises DataError, with the key, for what is not supported.
    """
    for key, (expected, why) in FIXED.items():
        if content.get(key, expected) != expected:
            raise refused(path, key, content[key], f"{why}: it should be {expected!r}")
    for key, why in UNSUPPORTED.items():
        if content.get(key) is not None:
            raise refused(path, key, content[key], why)
    filters = _filters(content, path)
    _check_columns(content, path, filters)
    return filters, _split(content, path)


def _filters(content: dict[str, Any], path: str | Path) -> Filters:
    intervals: dict[str, tuple[float, float]] = {}
    for column, text in _mapping_at("val_interval", content, path).items():
        if column not in FILTERED_COLUMNS:
            why = f"only {' and '.join(FILTERED_COLUMNS)} are supported"
            raise refused(path, "val_interval", {column: text}, why)
        intervals[column] = _closed_interval(text, path, f"val_interval.{column}")
    of_user, of_item = (_lower_bound(content.get(key), path, key) for key in K_CORE_KEYS)
    duplicates = content.get(DUPLICATES_KEY)
    if not isinstance(duplicates, str | None) or duplicates not in DUPLICATES:
        raise refused(path, DUPLICATES_KEY, duplicates, "it should be first, last or absent")
    return Filters(
        rating=intervals.get("rating"),
        timestamp=intervals.get("timestamp"),
        k_core=of_user if of_user == of_item else (of_user, of_item),
        duplicates=DUPLICATES[duplicates],
    )


def _split(content: dict[str, Any], path: str | Path) -> str:
    """Without ``eval_args``, RecBole's sequential models use leave-one-out. Keys that are missing
    in ``eval_args`` have other defaults."""
    files = _benchmark(content, path)
    if "eval_args" not in content:
        return GIVEN if files else "leave-one-out"
    given = _mapping_at("eval_args", content, path)
    defaults = {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user", "order": "RO", "mode": "full"}
    args = defaults | given

    def unsupported(key: str, why: str) -> DataError:
        note = "" if key in given else " (RecBole's default)"
        return refused(path, f"eval_args.{key}", args[key], why, note)

    mode = args["mode"]
    if not all(m == "full" for m in (mode.values() if isinstance(mode, dict) else [mode])):
        raise unsupported("mode", "all items are ranked: it should be full")
    if files:  # RecBole then uses none of the other keys
        return GIVEN
    if args["order"] != "TO":
        raise unsupported("order", "sequences are in time order: it should be TO")
    if args["split"] == {"LS": "valid_and_test"}:
        return "leave-one-out"
    kind = _ratios_in(args)
    if not kind:
        why = (
            "it should be {'LS': 'valid_and_test'}, or in time order {'RS': [0.8, 0.1, 0.1]} or "
            "{'TS': [0.8, 0.1, 0.1]}, with three ratios above 0"
        )
        raise unsupported("split", why)
    if kind == "RS" and args["group_by"] not in NOBODY:
        why = "a split by ratio uses the same points in time for all users: it should be none"
        raise unsupported("group_by", why)
    if args["group_by"] not in (*NOBODY, "user"):
        raise unsupported("group_by", "RecBole groups TS by user: it should be user or none")
    return TEMPORAL


def temporal_of(content: dict[str, Any]) -> Temporal:
    """How the temporal split is made, of a configuration that ``filters_and_split`` accepts.

    With RecBole's TS, every interaction after the cut point is a target.
    """
    args = content.get("eval_args") or {}
    kind = _ratios_in(args)
    if not kind or content.get("benchmark_filename") is not None:
        return Temporal()
    ratios = [Fraction(str(ratio)) for ratio in args["split"][kind]]
    train, valid, _ = (ratio / sum(ratios) for ratio in ratios)
    target = "successive" if kind == "TS" else "first"
    return Temporal(float(train), float(train + valid), target)


def _ratios_in(args: dict[str, Any]) -> str:
    """The kind of split, RS or TS, if ``eval_args`` splits by three ratios that can be used; else
    nothing."""
    split = args.get("split")
    if not isinstance(split, dict) or len(split) != 1:
        return ""
    ((kind, ratios),) = split.items()
    usable = (
        isinstance(ratios, list)
        and len(ratios) == 3
        and all(type(ratio) in (int, float) and 0 < ratio <= LARGEST_K for ratio in ratios)
    )
    return kind if kind in ("RS", "TS") and usable else ""


def _benchmark(content: dict[str, Any], path: str | Path) -> list[str]:
    """Names of the training, validation and test files; empty if the data are split here."""
    key = "benchmark_filename"
    names = content.get(key)
    if names is None:
        return []
    known = isinstance(names, list) and all(
        isinstance(name, str) and DATASET_NAME.fullmatch(name) for name in names
    )
    if not known or len(names) != 3 or len(set(names)) != 3:
        why = "it should name three files, for training, validation and test"
        raise refused(path, key, names, why)
    return list(names)


def refused(path: str | Path, key: str, value: object, why: str, note: str = "") -> DataError:
    """The error for a value that is not supported; ``note`` follows the value in parentheses."""
    return DataError(f"{path}: {key} cannot be {quoted(value)}{note}: {why}")


def _check_columns(content: dict[str, Any], path: str | Path, filters: Filters) -> None:
    """Raise DataError if ``load_col`` leaves out a column that is needed."""
    loaded = _mapping_at("load_col", content, path).get("inter")
    if loaded is None:  # all columns
        return
    time = [] if content.get("benchmark_filename") else ["timestamp"]
    needed = ["user_id", "item_id", *time, *(["rating"] if filters.rating else [])]
    missing = [name for name in needed if not isinstance(loaded, list) or name not in loaded]
    if missing:
        raise refused(path, "load_col.inter", loaded, f"it should include {', '.join(missing)}")


def _mapping_at(key: str, content: dict[str, Any], path: str | Path) -> dict[Any, Any]:
    value = content.get(key)
    if not isinstance(value, dict | None):
        raise refused(path, key, value, "it should be a mapping")
    return value or {}


def _lower_bound(text: object, path: str | Path, key: str) -> int:
    """The k of a k-core, which RecBole writes as the interval [k,inf)."""
    low, high = (-math.inf, math.inf) if text is None else _closed_interval(text, path, key)
    if high != math.inf or low > LARGEST_K:
        raise refused(path, key, text, "only a minimum is supported: it should be like '[10,inf)'")
    return math.ceil(max(low, 1))


def _closed_interval(text: object, path: str | Path, key: str) -> tuple[float, float]:
    """(lowest, highest float) of RecBole's interval, such as ``(3,5]``. Several intervals, joined
    by ``;``, are one if there is no float between them."""
    example = "it should be an interval such as '[3,inf)' or '(3,5]'"
    if not isinstance(text, str):
        raise refused(path, key, text, example)
    parts = []
    for part in text.split(";"):
        found = INTERVAL.fullmatch(part)
        if found is None:
            raise refused(path, key, text, example)
        try:
            low = float(found[2])
            high = float(found[3])
        except ValueError:
            raise refused(path, key, text, example) from None
        if found[1] == "(" and math.isfinite(low):
            low = float(np.nextafter(low, math.inf))
        if found[4] == ")" and math.isfinite(high):
            high = float(np.nextafter(high, -math.inf))
        if not low <= high or low == math.inf or high == -math.inf:  # true for NaN, too
            raise refused(path, key, text, f"the interval {quoted(part.strip())} is empty")
        parts.append((low, high))
    (low, high), *others = sorted(parts)
    for following in others:
        if following[0] > np.nextafter(high, math.inf):
            raise refused(path, key, text, "intervals with a gap between them are not supported")
        high = max(high, following[1])
    return low, high
