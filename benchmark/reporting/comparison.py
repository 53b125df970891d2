"""The leading rows of a ranking compared with each other, user by user."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from benchmark import metrics
from benchmark.reporting import statistics
from benchmark.reporting.ranking import Ranking, Row

MOST = 10  # rows
LEVEL = 0.05  # of significance


@dataclass(frozen=True)
class Pair:
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
    p: float
    """With Holm's correction."""
    win: float
    """The share of users for whom the first row is better."""
    tie: float
    loss: float


@dataclass(frozen=True)
class Comparison:
    """Rows of a ranking by the test ranks that were logged; a user's value is the mean over
    seeds."""

    metric: str
    """Such as ndcg@10."""
    test: str
    """A key of ``statistics.TESTS``."""
    places: list[int]
    """The places of the rows in the ranking, from 1."""
    ranks: list[np.ndarray]
    """For each row, [seeds, users] int64."""
    users: pd.DataFrame
    """One row for each user: the columns of ``training.ranks`` other than the rank."""
    apart: list[int]
    """The places of rows that are left out, because their ranks are of other users or targets."""

    def values(self, metric: str) -> np.ndarray:
        """The metric of each user, mean over seeds: [rows, users] float64."""
        return np.stack([metrics.per_user(ranks, metric).mean(axis=0) for ranks in self.ranks])

    @cached_property
    def intervals(self) -> dict[int, tuple[float, float]]:
        """The 95% interval of the mean over users, by place."""
        low, high = statistics.interval(self.values(self.metric))
        return dict(zip(self.places, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    @cached_property
    def pairs(self) -> list[Pair]:
        """All pairs of rows."""
        values = self.values(self.metric)
        pairs = list(combinations(range(len(values)), 2))
        if not pairs:
            return []
        differences = np.stack([values[a] - values[b] for a, b in pairs])
        p = statistics.holm(statistics.TESTS[self.test](differences))
        turned = differences.mean(axis=1) < 0
        return [
            Pair(self.places[b if turn else a], self.places[a if turn else b], float(p))
            for (a, b), turn, p in zip(pairs, turned, p, strict=True)
        ]

    def beaten_by(self, place: int) -> list[int]:
        """The places of the rows that the row at ``place`` is significantly better than."""
        return sorted(p.worse for p in self.pairs if p.better == place and p.significant)

    @cached_property
    def beside_the_first(self) -> list[Difference]:
        """The first row against each other row."""
        values = self.values(self.metric)
        difference = values[:1] - values[1:]  # [rows - 1, users]
        low, high = statistics.interval(difference)
        p = {frozenset((pair.better, pair.worse)): pair.p for pair in self.pairs}
        return [
            Difference(
                place=place,
                difference=float(of_users.mean()),
                low=float(low[i]),
                high=float(high[i]),
                p=p[frozenset((self.places[0], place))],
                win=float((of_users > 0).mean()),
                tie=float((of_users == 0).mean()),
                loss=float((of_users < 0).mean()),
            )
            for i, (place, of_users) in enumerate(zip(self.places[1:], difference, strict=True))
        ]

    @cached_property
    def slices(self) -> list[tuple[str, str, np.ndarray]]:
        """Groups of users: (by what, which part, [users] bool).

        Quarters by history length and by the target's popularity; repeated and new targets. Empty
        if the trials did not log these columns.
        """
        found: list[tuple[str, str, np.ndarray]] = []
        for column, name in (("history", "history length"), ("popularity", "target popularity")):
            if column in self.users:
                quarters = pd.qcut(self.users[column], 4, duplicates="drop", labels=False)
                for quarter in sorted(quarters.unique()):
                    inside = (quarters == quarter).to_numpy()
                    part = self.users[column][inside]
                    found.append((name, f"{part.min():,} to {part.max():,}", inside))
        if "repeated" in self.users:
            repeated = self.users["repeated"].to_numpy()
            found += [("target", "repeated", repeated), ("target", "new", ~repeated)]
        return [(name, part, inside) for name, part, inside in found if inside.any()]


def leading(ranking: Ranking) -> list[int]:
    """The places of the rows to compare: the best row of each model, then the best of the others.

    There are ``MOST`` rows, or as many as there are models. Published rows are left out.
    """
    first: dict[str, int] = {}
    for place, row in enumerate(ranking.rows, start=1):
        if not row.published:
            first.setdefault(row.model, place)
    rest = [
        place
        for place, row in enumerate(ranking.rows, start=1)
        if place not in first.values() and not row.published
    ]
    return sorted([*first.values(), *rest[: max(0, MOST - len(first))]])


def compare(
    ranking: Ranking, tables: dict[str, pd.DataFrame], metric: str, test: str
) -> Comparison | None:
    """Compare the leading rows whose trials all logged their ranks.

    ``tables`` are those of ``training.ranks`` by run id; ``test`` is a key of ``statistics.TESTS``.
    Rows are compared on the users and targets that most of them have. None if no row has ranks.
    """
    groups: list[dict[int, list[pd.DataFrame]]] = []
    apart: list[int] = []
    for place in leading(ranking):
        records = ranking.rows[place - 1].records
        if any(record.run_id not in tables for record in records):
            continue
        of_row = [tables[record.run_id] for record in records]
        if not all(_same_targets(table, of_row[0]) for table in of_row):
            apart.append(place)
            continue
        same = (g for g in groups if _same_targets(next(iter(g.values()))[0], of_row[0]))
        group = next(same, None)
        if group is None:
            group = {}
            groups.append(group)
        group[place] = of_row
    if not groups:
        return None
    largest = max(groups, key=len)
    apart += [place for group in groups if group is not largest for place in group]
    ranks = [np.stack([table["rank"].to_numpy() for table in row]) for row in largest.values()]
    every = [table for row in largest.values() for table in row]
    users = max(every, key=lambda table: table.shape[1]).drop(columns="rank")
    return Comparison(metric, test, list(largest), ranks, users, sorted(apart))


def _same_targets(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    return len(table) == len(other) and all(
        np.array_equal(table[name].to_numpy(), other[name].to_numpy()) for name in ("user", "item")
    )


def label(row: Row, place: int) -> str:
    """A short name for a row, where its parameters have no room."""
    return f"{place} {row.params.get('model', 'unknown')}"
