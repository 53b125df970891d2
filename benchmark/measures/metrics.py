"""Ranking metrics with one or several relevant items for each query, as pure functions of ranks.

A query is a history, after which every item of the catalogue is ranked; the best has rank 1. A user
has one query, unless the files of a split give several. With the targets of a query at ranks
r_1 .. r_n, the metrics at cut-off k are (Järvelin and Kekäläinen 2002 for ndcg)

    hit        1 if any r_i <= k, else 0
    recall     number of r_i <= k, divided by n
    precision  number of r_i <= k, divided by k
    mrr        1 / r of the smallest r_i, if that is <= k, else 0
    ndcg       sum of 1 / log2(r_i + 1) over r_i <= k, divided by its value for the ranks
               1 .. min(n, k)

With one target, hit is recall and precision is recall / k: ``following``. A metric is one function
and its line in ``METRICS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

K = 10  # the protocol's cut-off
CUT_OFFS = [1, 5, 10, 20, 50]  # of reports
SELECTION_METRIC = "ndcg@10"  # on validation: the best epoch has the highest


@dataclass(frozen=True)
class QueryRanks:
    """The ranks of all targets, query after query."""

    ranks: np.ndarray
    """[..., n_targets] int >= 1."""
    begins: np.ndarray
    """[n_queries] int64: the place of each query's first target."""

    @cached_property
    def targets(self) -> np.ndarray:
        """The number of each query's targets, [n_queries] int64."""
        return np.diff(self.begins, append=self.ranks.shape[-1])

    @cached_property
    def best(self) -> np.ndarray:
        """The smallest rank of each query, [..., n_queries]."""
        return np.minimum.reduceat(self.ranks, self.begins, axis=-1)

    def sums(self, values: np.ndarray | float, k: int) -> np.ndarray:
        """The sum of ``values`` [..., n_targets] over each query's targets with ranks of at most k:
        [..., n_queries] float64."""
        within = np.where(self.ranks <= k, values, 0.0)
        return np.add.reduceat(within, self.begins, axis=-1)


def hit(found: QueryRanks, k: int) -> np.ndarray:
    return (found.best <= k).astype(np.float64)


def recall(found: QueryRanks, k: int) -> np.ndarray:
    return found.sums(1.0, k) / found.targets


def precision(found: QueryRanks, k: int) -> np.ndarray:
    return found.sums(1.0, k) / k


def mrr(found: QueryRanks, k: int) -> np.ndarray:
    return hit(found, k) / found.best


def ndcg(found: QueryRanks, k: int) -> np.ndarray:
    longest = min(k, int(found.targets.max()))
    ideal = np.cumsum(1 / np.log2(np.arange(longest) + 2.0))  # of 1 .. longest targets
    gains = found.sums(1 / np.log2(found.ranks + 1.0), k)
    return gains / ideal[np.minimum(found.targets, longest) - 1]


METRICS: dict[str, Callable[[QueryRanks, int], np.ndarray]] = {
    "recall": recall,
    "mrr": mrr,
    "ndcg": ndcg,
    "hit": hit,
    "precision": precision,
}
"""By name: (ranks, cut-off) -> float64 [..., n_queries]."""

NAMES = tuple(f"{name}@{K}" for name in METRICS)


FOLLOWING = (f"hit@{K}", f"precision@{K}")
"""What follows from recall where each query has one target."""


def following(recall: float) -> dict[str, float]:
    """The metrics ``FOLLOWING``, from recall@10."""
    return dict(zip(FOLLOWING, (recall, recall / K), strict=True))


def by_query(ranks: np.ndarray, queries: np.ndarray) -> QueryRanks:
    """Ranks [..., n_targets] with the query of each target, [n_targets] of any type.

    The targets of a query stand together. There is at least one.
    """
    return QueryRanks(ranks, begins(queries))


def begins(keys: np.ndarray) -> np.ndarray:
    """Where each run of equal neighbours in ``keys`` [n] begins: [n_runs] int64, from 0."""
    return np.append(0, 1 + np.flatnonzero(keys[1:] != keys[:-1]))


def means(ranks: np.ndarray, queries: np.ndarray, k: int = K) -> dict[str, float]:
    """The mean of each metric over queries, e.g. {"ndcg@10": 0.1286}.

    ``ranks`` [n_targets] int >= 1 and ``queries`` are those of ``by_query``.
    """
    found = by_query(ranks, queries)
    return {f"{name}@{k}": float(metric(found, k).mean()) for name, metric in METRICS.items()}


def per_query(ranks: np.ndarray, queries: np.ndarray, name: str) -> np.ndarray:
    """A metric such as "ndcg@20" of each query: [..., n_queries] float64.

    ``ranks`` [..., n_targets] int >= 1 and ``queries`` are those of ``by_query``.
    """
    metric, k = name.split("@")
    return METRICS[metric](by_query(ranks, queries), int(k))
