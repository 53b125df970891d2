"""RecBole's configuration files: what they say of data and split. They are read, never evaluated.

A key whose value would mean other data or another protocol than ours is refused; one that is not
here (``KEYS``) is for others to read, or to say that nobody does.
"""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets import plain_yaml, spec
from datasets.errors import DataError, quoted
from datasets.spec import Filters, Source, Spec

NAME = re.compile(r"\w[\w .+-]{0,99}")  # of a data set: of its files, and of an experiment
VALUES = ("rating", "timestamp")
INTERVAL = re.compile(r"\s*([\[(])([^,\[\]()]*),([^,\[\]()]*)([\])])\s*")
MOST = 1e9  # users, or items, that anything has

# The one value that is understood: RecBole's usual one.
EXPECTED = {
    "field_separator": ("\t", "tabs are between the columns of RecBole's files"),
    "USER_ID_FIELD": ("user_id", "no other name of this column is supported"),
    "ITEM_ID_FIELD": ("item_id", "no other name of this column is supported"),
    "RATING_FIELD": ("rating", "no other name of this column is supported"),
    "TIME_FIELD": ("timestamp", "no other name of this column is supported"),
    "repeatable": (True, "what a user had is a candidate here, as for RecBole's sequential models"),
}
OLD_SPLIT = "it is of old versions of RecBole: write eval_args"
OLD_FILTER = "it is of old versions of RecBole: write val_interval"
OLD_CORE = "it is of old versions: write user_inter_num_interval and item_inter_num_interval"
# None is understood, which is RecBole's default.
REFUSED = {
    "rm_dup_inter": "all interactions are kept here: take duplicates out of the file",
    "benchmark_filename": "the data are split here: see eval_args",
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
COUNTS = ("user_inter_num_interval", "item_inter_num_interval")
KEYS = {*EXPECTED, *REFUSED, *COUNTS, "load_col", "val_interval", "eval_args"}
"""Those that are understood here."""


def read(path: str | Path) -> dict:
    """The configuration in the file. Raises DataError if it is none."""
    content = plain_yaml.read(Path(path))
    if not isinstance(content, dict | None):
        raise DataError(f"{path}: a configuration should be a mapping, not {quoted(content)}")
    return content or {}


def described(name_or_path: str, path: str | Path) -> Spec:
    """The data set of that name with the filters and the split of the configuration at ``path``.

    One that is not known here is looked for where RecBole has it: <name>/<name>.inter, or
    <name>.inter. Raises DataError for what is not understood.
    """
    filters, split = protocol(read(path), path)
    if name_or_path in spec.names() or Path(name_or_path).suffix in (".yaml", ".yml"):
        found = spec.read(name_or_path)
    elif NAME.fullmatch(name_or_path):
        files = (f"{name_or_path}/{name_or_path}.inter", f"{name_or_path}.inter")
        sources = tuple(Source(file, reader="recbole") for file in files)
        found = Spec(name_or_path, title=name_or_path, sources=sources)
    else:
        raise DataError(f"no data set can be called {quoted(name_or_path)}")
    if found.synthetic and (filters.rating or filters.timestamp):
        raise DataError(f"{path}: val_interval: {found.name} is generated, and has no values")
    return replace(found, filters=filters, split=split)


def protocol(content: dict, path: str | Path) -> tuple[Filters, str]:
    """What is kept, and how it is split (one of ``spec.SPLITS``).

    Raises DataError, naming the key, for what the suite does not have.
    """
    for key, (expected, why) in EXPECTED.items():
        if content.get(key, expected) != expected:
            raise refused(path, key, content[key], f"{why}: it should be {expected!r}")
    for key, why in REFUSED.items():
        if content.get(key) is not None:
            raise refused(path, key, content[key], why)
    filters = _filters(content, path)
    _check_columns(content, path, filters)
    return filters, _split(content, path)


def _filters(content: dict, path: str | Path) -> Filters:
    kept = {}
    for column, text in _mapping(content, "val_interval", path).items():
        if column not in VALUES:
            raise refused(path, "val_interval", {column: text}, f"only {' and '.join(VALUES)} are")
        kept[column] = _interval(text, path, f"val_interval.{column}")
    ks = [_k(content.get(key), path, key) for key in COUNTS]
    if ks[0] != ks[1]:
        why = f"users and items have one k-core here: it should be that of {COUNTS[0]}"
        raise refused(path, COUNTS[1], content.get(COUNTS[1]), why)
    return Filters(**kept, k_core=ks[0])


def _split(content: dict, path: str | Path) -> str:
    """RecBole leaves one out without ``eval_args``, and has other defaults for what they lack."""
    if "eval_args" not in content:
        return "leave-one-out"
    given = _mapping(content, "eval_args", path)
    defaults = {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user", "order": "RO", "mode": "full"}
    args = defaults | given

    def unfit(key: str, why: str) -> DataError:
        note = "" if key in given else " (RecBole's default)"
        return refused(path, f"eval_args.{key}", args[key], why, note)

    mode = args["mode"]
    if not all(m == "full" for m in (mode.values() if isinstance(mode, dict) else [mode])):
        raise unfit("mode", "every item is ranked here: it should be full")
    if args["order"] != "TO":
        raise unfit("order", "sequences are in the order of time: it should be TO")
    if args["split"] == {"LS": "valid_and_test"}:
        return "leave-one-out"
    if args["split"] != {"RS": [0.8, 0.1, 0.1]}:
        raise unfit(
            "split", "it should be {'LS': 'valid_and_test'}, or {'RS': [0.8, 0.1, 0.1]} in time"
        )
    if args["group_by"] not in (None, "none", "None", "-"):
        raise unfit("group_by", "by ratio, all users are split at the same time: it should be none")
    return "temporal"


def refused(path: str | Path, key: str, value: object, why: str, note: str = "") -> DataError:
    """The error for a value that is not understood: why, or what it should be."""
    return DataError(f"{path}: {key} cannot be {quoted(value)}{note}: {why}")


def _check_columns(content: dict, path: str | Path, filters: Filters) -> None:
    loaded = _mapping(content, "load_col", path).get("inter")
    if loaded is None:  # all of them
        return
    needed = ["user_id", "item_id", "timestamp", *(["rating"] if filters.rating else [])]
    missing = [name for name in needed if not isinstance(loaded, list) or name not in loaded]
    if missing:
        raise refused(path, "load_col.inter", loaded, f"{', '.join(missing)} should be among them")


def _mapping(content: dict, key: str, path: str | Path) -> dict:
    value = content.get(key)
    if not isinstance(value, dict | None):
        raise refused(path, key, value, "it should be a mapping")
    return value or {}


def _k(text: object, path: str | Path, key: str) -> int:
    """The k of the k-core that is given as the interval from k on."""
    low, high = (-math.inf, math.inf) if text is None else _interval(text, path, key)
    if high != math.inf or low > MOST:
        raise refused(path, key, text, "only a k-core is supported: it should be like '[10,inf)'")
    return math.ceil(max(low, 1))


def _interval(text: object, path: str | Path, key: str) -> tuple[float, float]:
    """The closed interval of the floats that fit; several that are joined by ; are one if no float
    is between them."""
    example = "it should be an interval such as '[3,inf)' or '(3,5]'"
    if not isinstance(text, str):
        raise refused(path, key, text, example)
    parts = []
    for part in text.split(";"):
        found = INTERVAL.fullmatch(part)
        try:
            low, high = float(found[2]), float(found[3])
        except (TypeError, ValueError):  # TypeError: nothing was found
            raise refused(path, key, text, example) from None
        if found[1] == "(" and math.isfinite(low):
            low = float(np.nextafter(low, math.inf))
        if found[4] == ")" and math.isfinite(high):
            high = float(np.nextafter(high, -math.inf))
        if not low <= high or low == math.inf or high == -math.inf:  # NaN, too
            raise refused(path, key, text, f"no number is in {quoted(part.strip())}")
        parts.append((low, high))
    (low, high), *others = sorted(parts)
    for following in others:
        if following[0] > np.nextafter(high, math.inf):
            raise refused(path, key, text, "one interval without gaps is supported")
        high = max(high, following[1])
    return low, high
