"""What many data sets say together: mean ranks, wins, ratios, and whether models differ."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.leaderboards.board import Column, Entry


@dataclass(frozen=True)
class Place:
    """How one model stands over the data sets that are compared."""

    entry: Entry
    mean_rank: float
    """Over the data sets; 1 is best, equals share a rank."""
    wins: int
    """Data sets on which no other model is better."""
    ratio: float | None
    """Geometric mean over the data sets of its metric divided by the baseline's; None if one of
    them is 0."""
    p: float | None
    """That its mean rank differs from the first place's: Holm's correction; None of the first."""
    level: bool
    """Whether its mean rank is within the critical difference of the first place's."""


@dataclass(frozen=True)
class Overall:
    """The comparison over data sets: of all models and all data sets that have each other's cell.

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
    """

    columns: tuple[Column, ...]
    places: tuple[Place, ...]
    """The best mean rank first."""
    baseline: Entry | None
    friedman: float | None
    """p of Friedman's test that all models rank alike; None for fewer than 3 models or 2 data
    sets."""
    critical_difference: float | None
    """Nemenyi's, of two mean ranks at p = .05; None as ``friedman``."""
    models_left_out: dict[Entry, str]
    """Each with the reason."""
    columns_left_out: dict[str, str]
    """The title of each, with the reason."""
