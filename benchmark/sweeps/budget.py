"""What a comparison of models may cost: points of each learned model, or time of all of it."""

from dataclasses import dataclass

from benchmark import durations
from benchmark.sweeps.plan import Effort
from benchmark.sweeps.suggest import MOST_LISTED

MOST_POINTS = 100  # of a model, where time decides


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
        if text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_LISTED:
            return cls(points=int(text))
        try:
            return cls(seconds=durations.seconds(text))
        except ValueError:
            raise ValueError(
                f"{text[:40]!r} is neither a number of points, such as 8, nor {durations.EXPECTED}"
            ) from None

    def effort(self, seeds: int, models: int, used: float) -> Effort:
        """What each of so many learned models gets, after ``used`` seconds for the counted ones.

        ``seeds`` are those of each model's best point.
        """
        if self.points is not None:
            return Effort(self.points, seeds_of_best=seeds)
        share = max(0.0, (self.seconds or 0.0) - used) / max(1, models)
        return Effort(MOST_POINTS, seeds_of_best=seeds, seconds=share)
