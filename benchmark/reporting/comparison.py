"""The leading rows of a ranking compared with each other, user by user."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from benchmark.measures import metrics
from benchmark.reporting import statistics
from benchmark.reporting.difference import Difference, Part, TestedPair
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.slices import Slice, slices

MOST = 10  # rows
EQUAL = 1e-12  # values, and means, that differ by less are equal: sums differ in their last digits


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
    """For each row, [seeds, targets] int64."""
    until: list[int | None]
    """For each row, the last rank that is known of every query; None: all ranks are."""
    targets: pd.DataFrame
    """One row for each target: the columns of ``training.ranks`` other than the rank."""
    apart: list[int]
    """The places of rows that are left out, because their ranks are of other users or targets."""
    exact: frozenset[int] = frozenset()
    """The places of rows without training noise: another seed gives the same result."""

    def by(self, metric: str) -> "Comparison":
        """The same comparison by another metric. What is computed for this one is kept."""
        return self if metric == self.metric else replace(self, metric=metric)

    @cached_property
    def several(self) -> bool:
        """Whether a query has several targets."""
        return len(metrics.begins(self.targets["query"].to_numpy())) < len(self.targets)

    @cached_property
    def _users(self) -> np.ndarray:
        """The user of each target by number, [targets] int64: numbers compare faster than ids."""
        return pd.factorize(self.targets["user"])[0]

    def values(self, metric: str, inside: np.ndarray | None = None) -> np.ndarray:
        """The metric of each user, mean over seeds: [rows, users] float64.

        ``inside`` [targets] bool restricts the targets, and the users to those who have any left.
        A user with several queries has their sum, scaled so that the mean over users is the mean
        over queries. A row is NaN if its ranks are not known up to the metric's cut-off.
        """
        return np.stack([found.mean(axis=0) for found in self._by_seed(metric, inside)])

    def _by_seed(self, metric: str, inside: np.ndarray | None = None) -> list[np.ndarray]:
        """``values`` of each row before the mean: [seeds, users] float64 each."""
        chosen = slice(None) if inside is None else inside
        queries = self.targets["query"].to_numpy()[chosen]
        first_targets = metrics.begins(queries)
        first_queries = metrics.begins(self._users[chosen][first_targets])
        scale = len(first_queries) / len(first_targets)
        cut_off = int(metric.partition("@")[2])
        rows = []
        for of_row, until in zip(self.ranks, self.until, strict=True):
            found = metrics.per_query(of_row[:, chosen], queries, metric)  # [seeds, queries]
            if until is not None and until < cut_off:
                found = np.full_like(found, np.nan)
            rows.append(np.add.reduceat(found, first_queries, axis=1) * scale)
        return rows

    @cached_property
    def _weights(self) -> np.ndarray:
        """The number of queries of each user, in units of its mean: [users] float64."""
        first_targets = metrics.begins(self.targets["query"].to_numpy())
        counts = np.unique(self._users[first_targets], return_counts=True)[1]
        weights: np.ndarray = counts / counts.mean()
        return weights

    @cached_property
    def _resampled(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows' means in resamples of the users, and of users and seeds together.

        Both are [resamples, rows]. The second is NaN for a row whose training noise is not known:
        a learned model with one seed.
        """
        by_seed = self._by_seed(self.metric)
        ends = np.cumsum([len(of_row) for of_row in by_seed])
        # [resamples, seeds of all rows]
        every = statistics.resampled(np.concatenate(by_seed), self._weights)
        means = np.split(every, ends[:-1], axis=1)
        of_seeds = statistics.seeds_resampled(means)
        for i, place in enumerate(self.places):
            if len(by_seed[i]) < 2 and place not in self.exact:
                of_seeds[:, i] = np.nan
        return np.stack([of_row.mean(axis=1) for of_row in means], axis=1), of_seeds

    @cached_property
    def noise_known(self) -> bool:
        """Whether a row has several seeds: intervals over users and seeds are then shown."""
        return any(len(of_row) > 1 for of_row in self.ranks)

    @cached_property
    def intervals(self) -> dict[int, tuple[float, float]]:
        """The 95% interval of the mean over users, by place."""
        return self._intervals(self._resampled[0])

    @cached_property
    def intervals_with_seeds(self) -> dict[int, tuple[float, float]]:
        """The 95% interval of the mean over users and seeds, by place; NaN if training noise is
        not known."""
        return self._intervals(self._resampled[1])

    def _intervals(self, means: np.ndarray) -> dict[int, tuple[float, float]]:
        low, high = statistics.percentiles(means)
        return dict(zip(self.places, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    @cached_property
    def pairs(self) -> list[TestedPair]:
        """All pairs of rows."""
        values = self.values(self.metric)
        pairs = list(combinations(range(len(values)), 2))
        if not pairs:
            return []
        # The mean of equal seeds differs from each in its last digits: that is no difference.
        differences = np.stack([values[a] - values[b] for a, b in pairs]).round(statistics.DIGITS)
        p = statistics.holm(statistics.TESTS[self.test](differences))
        turned = differences.mean(axis=1) < 0
        return [
            TestedPair(self.places[b if turn else a], self.places[a if turn else b], float(p))
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
        effect = statistics.effect_size(difference)
        users, with_seeds = (
            statistics.percentiles(means[:, :1] - means[:, 1:]) for means in self._resampled
        )
        p = {frozenset((pair.better, pair.worse)): pair.p for pair in self.pairs}
        return [
            Difference(
                place=place,
                difference=float(of_users.mean()),
                low=float(users[0][i]),
                high=float(users[1][i]),
                low_with_seeds=float(with_seeds[0][i]),
                high_with_seeds=float(with_seeds[1][i]),
                effect=float(effect[i]),
                p=p[frozenset((self.places[0], place))],
                win=float((of_users > EQUAL).mean()),
                tie=float((np.abs(of_users) <= EQUAL).mean()),
                loss=float((of_users < -EQUAL).mean()),
            )
            for i, (place, of_users) in enumerate(zip(self.places[1:], difference, strict=True))
        ]

    @cached_property
    def slices(self) -> list[Slice]:
        """Groups of the targets."""
        return slices(self.targets)

    @cached_property
    def sliced(self) -> list[Part]:
        """The metric of each row in each of the groups."""
        found = []
        for by, name, inside in self.slices:
            values = self.values(self.metric, inside)  # [rows, users]
            means = values.mean(axis=1)
            found.append(Part(by, name, values.shape[1], int(inside.sum()), means))
        return found


def leading(ranking: Ranking) -> list[int]:
    """The places of the rows to compare: the best row of each model, then the best of the others.

    There are ``MOST`` rows, or as many as there are models. Published rows are left out.
    """
    first: dict[str, int] = {}
    for place, row in enumerate(ranking.rows, start=1):
        if not row.published:
            first.setdefault(row.entry, place)
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
    until = [ranking.rows[place - 1].until for place in largest]
    every = [table for row in largest.values() for table in row]
    targets = max(every, key=lambda table: table.shape[1]).drop(columns="rank")
    rows = {place: ranking.rows[place - 1] for place in largest}
    exact = frozenset(at for at, row in rows.items() if not row.learned and not row.scored)
    return Comparison(metric, test, list(largest), ranks, until, targets, sorted(apart), exact)


def _same_targets(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    return len(table) == len(other) and all(
        (table[name].array == other[name].array).all() for name in ("user", "item", "query")
    )
