"""Times of interactions: numbers in some unit, or ISO 8601 text, as seconds since 1970 in UTC."""

import re

import pyarrow as pa
import pyarrow.compute as pc

LATEST = 1e11  # seconds since 1970: the year 5138; read as milliseconds: 1973
TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # per second
ISO = "iso"
UNITS = (*TICKS, ISO)
"""Values of ``timestamp_unit:`` in a data set's YAML file."""
NAMES = {
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    ISO: "ISO 8601 dates or times",
}
A_DATE = 1e8  # seconds since 1970: the year 1973; smaller times count something else
NOT_ISO = "is not an ISO 8601 date or time, such as 2023-01-31 or 2023-01-31T09:15:00+01:00"
SUFFIX = r" ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)"  # the zone
PATTERN = (
    rf"^\d{{4}}-\d{{2}}-\d{{2}}(?:[ T]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,9}})?)?{SUFFIX}?)?$"
)
ZONED = rf":\d{{2}}(?:\.\d{{1,9}})?{SUFFIX}$"  # after a time: the end of a date looks like a zone
LOOKS_ISO = re.compile(PATTERN)
# What Arrow does not read: seven and more decimals, and a space or the name UTC before the zone.
DECIMALS = r"(\.\d{6})\d+"
SPACED_ZONE = r" ?(Z|[+-]\d{2}(?::?\d{2})?)$"
SECOND = 1e6  # microseconds


def likely_unit(time: float) -> str | None:
    """The unit, a key of TICKS, of a time that is too large for seconds; None if there is none."""
    return next((unit for unit, ticks in TICKS.items() if time / ticks <= LATEST), None)


def unit_of(time: str | float) -> str | None:
    """The unit of the first row's time: a key of TICKS for a number, ISO for text that looks like
    it; None for other text and for numbers that no unit makes a time before the year 5138."""
    if isinstance(time, str):
        if LOOKS_ISO.match(time):
            return ISO
        try:
            time = float(time)
        except ValueError:
            return None
    return likely_unit(time)


def too_early(unit: str) -> float:
    """The earliest time, in seconds since 1970, at which a number shows by itself that its unit is
    not a longer one than ``unit``: the year 1973 for units below seconds."""
    return LATEST / 1_000 if unit in ("ms", "us", "ns") else -float("inf")


def mixed(unit: str | None) -> str:
    """Says that a number does not show the unit that the first row's has."""
    return (
        f"is before 1973 in {unit}, the unit of the first row: give timestamp_unit, or write all "
        "times in one unit"
    )


def iso_seconds(texts: pa.Array) -> pa.Array:
    """Seconds since 1970 [n] double of ISO 8601 dates and times; null for any other text.

    A date is its first moment. Times without a zone are in UTC. Digits after the microseconds are
    dropped.
    """
    texts = pc.if_else(pc.match_substring_regex(texts, PATTERN), texts, None)
    zoned = pc.match_substring_regex(texts, ZONED)
    if pc.any(zoned).as_py():
        texts = pc.replace_substring_regex(texts, " ?UTC$", "Z")
        spaceless = pc.replace_substring_regex(texts, SPACED_ZONE, r"\1")
        texts = pc.if_else(zoned, spaceless, texts)
    if pc.any(pc.match_substring_regex(texts, DECIMALS)).as_py():
        texts = pc.replace_substring_regex(texts, DECIMALS, r"\1")
    local = _microseconds(pc.if_else(zoned, None, texts), pa.timestamp("us"))
    aware = _microseconds(pc.if_else(zoned, texts, None), pa.timestamp("us", "UTC"))
    return pc.divide(pc.coalesce(local, aware).cast(pa.float64(), safe=False), SECOND)


def _microseconds(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """[n] int64; null for days and hours that do not exist."""
    try:
        return texts.cast(kind).cast(pa.int64())
    except pa.ArrowInvalid:
        return pa.array([_one(text, kind) for text in texts], pa.int64())


def _one(text: pa.StringScalar, kind: pa.DataType) -> int | None:
    try:
        return pa.array([text]).cast(kind).cast(pa.int64())[0].as_py()
    except pa.ArrowInvalid:
        return None
