"""What a comparison of models may cost: points of each learned model, or time of all of it."""

import re
from dataclasses import dataclass

from benchmark.sweeps.plan import Effort
from benchmark.sweeps.suggest import LISTED

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MOST_POINTS = 100  # of a model, where time decides
LARGEST_SECONDS = 366 * 86_400

_TIME = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


@dataclass(frozen=True)
class Budget:
    """Exactly one of the two is given."""

    points: int | None = None
    """Search points of each learned model."""
    seconds: float | None = None
    """Of the whole comparison, in all processes that worked on it."""

    @classmethod
    def read(cls, text: str) -> "Budget":
        """A number of points such as 8, or a time such as 2h, 90m or 1h30m.

        Raises ValueError for any other text.
        """
        text = text.strip().lower()
        if text.isdecimal() and len(text) < 10 and 1 <= int(text) <= LISTED:
            return cls(points=int(text))
        if _TIME.fullmatch(text):
            seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
            if 0 < seconds <= LARGEST_SECONDS:
                return cls(seconds=seconds)
        raise ValueError(
            f"{text[:40]!r} is neither a number of points, such as 8, nor a time, such as 2h, 90m "
            "or 1h30m (at most a year)"
        )

    def effort(self, seeds: int, models: int, used: float) -> Effort:
        """What each of so many learned models gets, after ``used`` seconds for the counted ones.

        ``seeds`` are those of each model's best point.
        """
        if self.points is not None:
            return Effort(self.points, seeds_of_best=seeds)
        share = max(0.0, (self.seconds or 0.0) - used) / models
        return Effort(MOST_POINTS, seeds_of_best=seeds, seconds=share)


def spoken(seconds: float) -> str:
    """A time for people: 42 s, 12 min or 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
