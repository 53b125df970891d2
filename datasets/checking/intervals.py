"""Intervals of values in a data set's YAML file: numbers or dates."""

import math
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from datasets.errors import quoted
from datasets.reading.times import LATEST

DAY = 24 * 60 * 60  # seconds


def read(ends: dict[str, Any], where: str, dated: bool) -> tuple[float, float]:
    """(lowest, highest value) of min and max; infinite where there is no limit.

    ``dated``: the values are seconds since 1970, and may be dates. Raises ValueError, with
    ``where``, for anything else than min and max, for values that are not finite, and if min is
    above max.
    """
    if not ends or set(ends) - {"min", "max"}:
        raise ValueError(f"{where} should have min, max or both, not {quoted(ends)}")
    low, high = -math.inf, math.inf
    if "min" in ends:
        low = value_of(ends["min"], dated, end_of_day=False)
    if "max" in ends:
        high = value_of(ends["max"], dated, end_of_day=True)
    if math.isnan(low) or math.isnan(high):
        wanted = "numbers or dates" if dated else "numbers"
        raise ValueError(f"{where} should have {wanted}, not {quoted(ends)}")
    if dated and any(math.isfinite(end) and abs(end) > LATEST for end in (low, high)):
        raise ValueError(f"{where} should be in seconds since 1970, not {quoted(ends)}")
    if low > high:
        raise ValueError(f"{where}: min is above max: {quoted(ends)}")
    return low, high


def value_of(value: object, dated: bool, end_of_day: bool) -> float:
    """A finite number, or the seconds since 1970 of a date; NaN if the value is neither.

    A time without a zone is in UTC. A date without a time is its first moment, or its last one.
    """
    number = math.nan
    if isinstance(value, str):
        with suppress(ValueError):
            number = float(value)  # YAML takes 1e9 for text
        if dated and math.isnan(number):
            with suppress(ValueError):
                value = (date if len(value) == 10 else datetime).fromisoformat(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if dated and isinstance(value, datetime):
        number = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif dated and isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
        number = math.nextafter(midnight + DAY, -math.inf) if end_of_day else midnight
    return number if math.isfinite(number) else math.nan
