"""Times as people write them: 90m, 2h, 12 min."""

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 366 * 86_400
EXPECTED = "a time, such as 2h, 90m or 1h30m (at most a year)"

_TIME = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds(text: str) -> float:
    """A time such as 2h, 90m or 1h30m, in seconds. Raises ValueError for any other text."""
    text = text.strip().lower()
    if _TIME.fullmatch(text):
        found = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
        if 0 < found <= LONGEST:
            return found
    raise ValueError(f"{text[:40]!r} is no time: give {EXPECTED}")


def spoken(seconds: float) -> str:
    """A time for people: 42 s, 12 min or 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
