"""Content of a YAML file, checked against the dataclass that it describes."""

import re
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from datasets.errors import quoted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Described = TypeVar("Described", bound="DataclassInstance")

LARGEST_K = 10**9
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# Types of fields that a YAML value must have; fields of other types are built beforehand.
CHECKED_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str | None: ((str, type(None)), "text"),
    int | None: ((int, type(None)), "a whole number"),
}

LIMITS = {
    "size": (1, 10**15),
    "seed": (0, 2**63 - 1),
}
"""(lowest, highest value) of a key; synthetic.Walks checks numbers that limit each other."""


def list_at(parts: dict[str, Any], key: str) -> list[Any]:
    """The list at that key, empty if there is none. Raises ValueError for anything else."""
    content = parts.get(key) or []
    if not isinstance(content, list):
        raise ValueError(f"{key} should be a list, not {quoted(content)}")
    return content


def mapping(content: object, where: str) -> dict[str, Any]:
    """The content. Raises ValueError if it is no mapping."""
    if not isinstance(content, dict):
        raise ValueError(f"{where} should be a mapping, not {quoted(content)}")
    return content


def build(kind: type[Described], content: object, where: str) -> Described:
    """An instance of the dataclass. Raises ValueError for unknown and missing keys, and for values
    of the wrong type."""
    values = mapping(content, where)
    types = {f.name: f.type for f in fields(kind)}
    for key, value in values.items():
        if key not in types:
            raise ValueError(f"unknown key {quoted(key)} in {where} (known: {', '.join(types)})")
        if types[key] in CHECKED_TYPES:
            accepted, wanted = CHECKED_TYPES[types[key]]
            if not isinstance(value, accepted) or isinstance(value, bool):
                raise ValueError(f"{key} in {where} should be {wanted}, not {quoted(value)}")
        if key in LIMITS and value is not None:
            low, high = LIMITS[key]
            if not low <= value <= high:
                raise ValueError(f"{key} in {where} should be from {low} to {high:,}, not {value}")
        # Values are printed. A separator may be a tab.
        if isinstance(value, str) and UNPRINTABLE.search(value) and value != "\t":
            raise ValueError(f"{key} in {where} should be one line of text, not {quoted(value)}")
    missing = [
        f.name
        for f in fields(kind)
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"{where} should have {missing[0]!r}")
    return kind(**values)
