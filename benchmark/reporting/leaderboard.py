"""The leaderboard: the best row of each model on validation, with what the test figures decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row

SHOWN = ("ndcg@10", "recall@10", "mrr@10")


@dataclass(frozen=True)
class Figure:
    """A test metric of one row, and how it stands among the rows of the leaderboard.

    Published figures have no standing: nothing says on which users they were computed.
    """

    mean: float
    """Over seeds."""
    deviation: float | None
    """Standard deviation (n - 1) among the seeds; None for one seed."""
    best: bool = False
    """Whether no other row has a higher mean."""
    level: bool = False
    """Whether the best row is not significantly better. True of the best row itself."""
    second: bool = False
    """Whether one row alone has a higher mean."""


@dataclass(frozen=True)
class Standing:
    """The best row of one model on validation."""

    place: int
    """The row's place in the ranking, from 1."""
    row: Row
    test: dict[str, Figure]
    """By metric: the keys are those of ``Leaderboard.metrics`` that the row has."""
    interval: tuple[float, float] | None
    """The 95% interval of the ranking's metric on test: over users and seeds if the noise of
    training is known, else over users. None if the row is not compared."""
    better_than: list[int]
    """The places of the leaderboard's rows whose test metric is significantly lower."""


@dataclass(frozen=True)
class Leaderboard:
    metrics: list[str]
    """The ranking's metric first."""
    standings: list[Standing]
    """By the ranking: the best on validation first."""

    @property
    def places(self) -> list[int]:
        return [standing.place for standing in self.standings]


def leaderboard(
    ranking: Ranking, comparison: Comparison | None, *, variants: bool = True
) -> Leaderboard:
    """One row for each model. Its published or scored results are a model of their own, and so are
    those with "+ SLIST" if there are to be ``variants``."""
    metrics = list(dict.fromkeys((ranking.metric, *SHOWN)))
    places = first_places(ranking, variants=variants)
    rows = {place: ranking.rows[place - 1] for place in places}
    figures = {name: _figures(rows, comparison, name) for name in metrics}
    return Leaderboard(
        metrics,
        [
            Standing(
                place,
                row,
                {name: figures[name][place] for name in metrics if place in figures[name]},
                interval_of(comparison, place),
                [p for p in comparison.beaten_by(place) if p in rows] if comparison else [],
            )
            for place, row in rows.items()
        ],
    )


def first_places(ranking: Ranking, *, variants: bool = True) -> list[int]:
    """The place of the best row of each model, ascending; ``variants`` as in ``leaderboard``."""
    first: dict[str, int] = {}
    for place, row in enumerate(ranking.rows, start=1):
        first.setdefault(row.entry if variants else row.unblended, place)
    return list(first.values())


def interval_of(comparison: Comparison | None, place: int) -> tuple[float, float] | None:
    if comparison is None or place not in comparison.places:
        return None
    low, high = comparison.intervals_with_seeds[place]
    found = comparison.intervals[place] if low != low else (low, high)  # NaN: noise not known
    return found if found[0] == found[0] else None


def _figures(rows: dict[int, Row], comparison: Comparison | None, metric: str) -> dict[int, Figure]:
    """The rows' figures of one metric by place."""
    found = {
        place: Figure(row.test[metric], row.deviation("test", metric))
        for place, row in rows.items()
        if metric in row.test
    }
    by_mean = sorted(
        (place for place in found if not rows[place].published),
        key=lambda place: -found[place].mean,
    )
    if not by_mean:
        return found
    best = by_mean[0]
    beaten = []
    if comparison and best in comparison.places:
        beaten = comparison.by(metric).beaten_by(best)
    for place in by_mean:
        compared = comparison is not None and {best, place} <= {*comparison.places}
        leads = found[place].mean == found[best].mean
        found[place] = replace(
            found[place],
            best=leads,
            level=leads or (compared and place not in beaten),
            second=sum(found[other].mean > found[place].mean for other in by_mean) == 1,
        )
    return found
