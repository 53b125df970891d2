"""Confidence intervals and paired significance tests over users.

Sakai, "Laboratory Experiments in Information Retrieval", 2018, chapters 4 and 5; Smucker et al.,
"A Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007,
https://doi.org/10.1145/1321440.1321528.
"""

from collections.abc import Callable

import numpy as np

RESAMPLES = 2_000
FLIPS = 10_000
NUMBERS_PER_BATCH = 1 << 22  # 32 MB of float64


def interval(values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap over users of the mean of each row: [rows, users] -> 2 x [rows].

    Equal to scipy's ``bootstrap``, but all rows are computed by one matrix product, with the same
    resamples; these are the same at every call.
    """
    rows, users = values.shape
    if users < 2:
        return np.full(rows, np.nan), np.full(rows, np.nan)
    chance = np.random.default_rng(0)
    means = []
    batch = max(1, NUMBERS_PER_BATCH // users)
    for first in range(0, RESAMPLES, batch):
        n = min(batch, RESAMPLES - first)
        drawn = chance.integers(0, users, (n, users)) + np.arange(n)[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=n * users).reshape(n, users)
        means.append(times @ values.T / users)  # [n, rows]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail], axis=0)
    return low, high


def t_test(differences: np.ndarray) -> np.ndarray:
    """Student's paired t-test: two-sided p that the mean of each row is 0, [pairs, users] ->
    [pairs].
    """
    from scipy import stats  # loads slowly: a report loads it while it waits for its server

    p = np.ones(len(differences))
    differ = np.ptp(differences, axis=1) > 0
    p[differ] = stats.ttest_1samp(differences[differ], 0.0, axis=1).pvalue
    return p


def randomisation(differences: np.ndarray) -> np.ndarray:
    """Fisher's randomisation test: p as in ``t_test``, by random signs of the differences.

    Equal to scipy's ``permutation_test`` with ``permutation_type="samples"``, but all pairs are
    computed by one matrix product, with the same signs.
    """
    users = differences.shape[1]
    observed = np.abs(differences.sum(axis=1)) * (1 - 1e-12)  # sums differ in their last digits
    coins = np.random.default_rng(0)
    as_far = np.zeros(len(differences))  # how often random signs give as large a sum
    batch = max(1, NUMBERS_PER_BATCH // users)
    for first in range(0, FLIPS, batch):
        rows = min(batch, FLIPS - first)
        signs = coins.integers(0, 2, (rows, users), dtype=np.int8).astype(np.float64) * 2 - 1
        as_far += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (as_far + 1) / (FLIPS + 1)


TESTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "t": t_test,
    "randomisation": randomisation,
}


def holm(p: np.ndarray) -> np.ndarray:
    """p-values [n], corrected for the number of tests (Holm 1979): [n]."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
