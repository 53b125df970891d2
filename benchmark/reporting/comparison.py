"""Leading trials beside each other, user by user."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from benchmark import metrics
from benchmark.reporting import statistics
from benchmark.reporting.ranking import Ranking, Row

MOST = 10
LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """One row beside another, on the same users."""

    better: int
    """Place of the one with the higher mean, from 1."""
    worse: int
    p: float
    """Corrected for the number of pairs (Holm)."""

    @property
    def significant(self) -> bool:
        return self.p < LEVEL


@dataclass(frozen=True)
class Comparison:
    """Rows of a ranking by the test ranks that were logged. Of seeds, a user's mean counts."""

    metric: str
    """Such as ndcg@10."""
    test: str
    """A key of ``statistics.TESTS``."""
    places: list[int]
    """Of the rows in the ranking, from 1."""
    ranks: list[np.ndarray]
    """Of each row, [seeds, users] int64."""
    users: pd.DataFrame
    """What is known of each: the other columns of a table of ``ranks``."""

    def values(self, metric: str) -> np.ndarray:
        """[rows, users] float64."""
        return np.stack([metrics.per_user(ranks, metric).mean(axis=0) for ranks in self.ranks])

    @cached_property
    def intervals(self) -> dict[int, tuple[float, float]]:
        """95% of the mean over users, by place."""
        low, high = statistics.interval(self.values(self.metric))
        return dict(zip(self.places, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    @cached_property
    def pairs(self) -> list[Pair]:
        """All of them."""
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
        """The places of the rows that this one is significantly better than."""
        return sorted(p.worse for p in self.pairs if p.better == place and p.significant)

    @cached_property
    def beside_the_first(self) -> pd.DataFrame:
        """Of each row but the first: place, difference of means (first minus it), its 95% interval
        (low, high), p (corrected), and the share of users where the first wins, ties, loses."""
        values = self.values(self.metric)
        difference = values[:1] - values[1:]
        low, high = statistics.interval(difference)
        p = {frozenset((pair.better, pair.worse)): pair.p for pair in self.pairs}
        return pd.DataFrame(
            {
                "place": self.places[1:],
                "difference": difference.mean(axis=1),
                "low": low,
                "high": high,
                "p": [p[frozenset((self.places[0], place))] for place in self.places[1:]],
                "win": (difference > 0).mean(axis=1),
                "tie": (difference == 0).mean(axis=1),
                "loss": (difference < 0).mean(axis=1),
            }
        )

    @cached_property
    def slices(self) -> list[tuple[str, str, np.ndarray]]:
        """(by what, which part, [users] bool): quarters by length and popularity; repeated or new.

        Empty if the trials did not log what is needed.
        """
        found = []
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
    """Places of the rows to compare: the best of each model, and the best of all, ``MOST`` rows
    (more only if there are more models)."""
    first: dict[str, int] = {}
    for place, row in enumerate(ranking.rows, start=1):
        if not row.published:
            first.setdefault(row.params.get("model", ""), place)
    rest = [
        place
        for place, row in enumerate(ranking.rows, start=1)
        if place not in first.values() and not row.published
    ]
    return sorted([*first.values(), *rest[: max(0, MOST - len(first))]])


def compare(
    ranking: Ranking, tables: dict[str, pd.DataFrame], metric: str, test: str
) -> Comparison | None:
    """The leading rows whose trials all logged their ``tables`` of test ranks, by run id.

    None if none did. Raises ValueError if two are not of the same users and targets.
    """
    places, ranks, users = [], [], None
    for place in leading(ranking):
        row = ranking.rows[place - 1]
        of_row = [tables.get(record.run_id) for record in row.records]
        if any(table is None for table in of_row):
            continue
        for table, record in zip(of_row, row.records, strict=True):
            if users is None:
                users, of_first = table, record
            same = [len(table) == len(users)] and all(
                np.array_equal(table[c].to_numpy(), users[c].to_numpy()) for c in ("user", "item")
            )
            if not same:
                raise ValueError(
                    f"runs {record.run_id} and {of_first.run_id} say that they have the same data, "
                    "but their ranks are of other users or targets: they cannot be compared"
                )
        users = max([users, *of_row], key=lambda table: table.shape[1])
        places.append(place)
        ranks.append(np.stack([table["rank"].to_numpy() for table in of_row]))
    if not places:
        return None
    return Comparison(metric, test, places, ranks, users.drop(columns="rank"))


def label(row: Row, place: int) -> str:
    """Of a row where there is no room for its parameters."""
    return f"{place} {row.params.get('model', 'unknown')}"
