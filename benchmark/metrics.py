"""Ranking metrics with one relevant item for each user, as pure functions of its rank.

A rank is 1 for the best item of the catalogue. With the relevant item at rank r, the metrics at
cut-off k are (Järvelin and Kekäläinen 2002 for ndcg): hit = recall = [r <= k],
mrr = [r <= k] / r, ndcg = [r <= k] / log2(r + 1), precision = [r <= k] / k.

A metric is one function and its line in ``METRICS``.
"""

from collections.abc import Callable

import numpy as np

K = 10  # the protocol's cut-off
SELECTION_METRIC = "ndcg@10"  # on validation: the best epoch has the highest


def hit(ranks: np.ndarray, k: int) -> np.ndarray:
    return (ranks <= k).astype(np.float64)


def mrr(ranks: np.ndarray, k: int) -> np.ndarray:
    return hit(ranks, k) / ranks


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    return hit(ranks, k) / np.log2(ranks + 1.0)


def precision(ranks: np.ndarray, k: int) -> np.ndarray:
    return hit(ranks, k) / k


METRICS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "recall": hit,
    "mrr": mrr,
    "ndcg": ndcg,
    "hit": hit,
    "precision": precision,
}
"""By name: (ranks int >= 1 of any shape, cut-off) -> float64 of the same shape."""

NAMES = tuple(f"{name}@{K}" for name in METRICS)


def means(ranks: np.ndarray, k: int = K) -> dict[str, float]:
    """Ranks [n_users] int >= 1 -> the mean of each metric over users, e.g. {"ndcg@10": 0.1286}."""
    return {f"{name}@{k}": float(metric(ranks, k).mean()) for name, metric in METRICS.items()}


def per_user(ranks: np.ndarray, name: str) -> np.ndarray:
    """A metric such as "ndcg@20" of each of ``ranks`` int >= 1: float64 of their shape."""
    metric, k = name.split("@")
    return METRICS[metric](ranks, int(k))
