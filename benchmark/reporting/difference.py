"""What a comparison of rows found: pairs, differences to the first row, groups of targets."""

from dataclasses import dataclass

import numpy as np

from benchmark.reporting.section import shown_p

LEVEL = 0.05  # of significance


@dataclass(frozen=True)
class TestedPair:
    """Two rows compared on the same users."""

    better: int
    """The place of the row with the higher mean, from 1."""
    worse: int
    p: float
    """p-value, with Holm's correction for the number of pairs."""

    @property
    def significant(self) -> bool:
        return self.p < LEVEL


@dataclass(frozen=True)
class Difference:
    """The first row of a comparison against another row."""

    place: int
    """Of the other row."""
    difference: float
    """Of the means over users: first minus other."""
    low: float
    """The 95% interval of the difference begins here."""
    high: float
    low_with_seeds: float
    """The same interval over users and seeds together; NaN if training noise is not known."""
    high_with_seeds: float
    effect: float
    """Cohen's d_z: the difference in standard deviations of the users' differences."""
    p: float
    """With Holm's correction."""
    win: float
    """The share of users for whom the first row is better."""
    tie: float
    loss: float

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval over users and seeds; over users if training noise is not known."""
        if np.isnan(self.low_with_seeds):
            return self.low, self.high
        return self.low_with_seeds, self.high_with_seeds

    @property
    def shown_p(self) -> str:
        return shown_p(self.p)


@dataclass(frozen=True)
class Part:
    """The rows of a comparison in a group of targets."""

    by: str
    """What the targets are grouped by."""
    name: str
    users: int
    targets: int
    means: np.ndarray
    """Over users, [rows] float64."""
