"""Confidence intervals and paired significance tests over users.

Sakai, "Laboratory Experiments in Information Retrieval", 2018, chapters 4 and 5; Smucker et al.,
"A Comparison of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007,
https://doi.org/10.1145/1321440.1321528.
"""

from collections.abc import Callable

import numpy as np

RESAMPLES = 2_000
FLIPS = 10_000
DIGITS = 12  # of differences of metrics: beyond them there is rounding alone
NUMBERS_PER_BATCH = 1 << 22  # 32 MB of float64


def resampled(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of each row in bootstrap resamples of the users: [rows, users] -> [RESAMPLES, rows].

    ``weights`` [users], 1 by default, are in proportion to the number of queries of each user,
    whose value is then their sum: a resample's mean is the sum of values divided by that of
    weights, because another sample of users has another number of queries. All rows are computed by
    one matrix product, with the same resamples; these are the same at every call. NaN for fewer
    than two users.
    """
    rows, users = values.shape
    if users < 2:
        return np.full((RESAMPLES, rows), np.nan)
    weights = np.ones(users) if weights is None else weights
    chance = np.random.default_rng(0)
    means = []
    batch = max(1, NUMBERS_PER_BATCH // users)
    for first in range(0, RESAMPLES, batch):
        # A resample at a time fits into the processor's cache.
        drawn = (chance.integers(0, users, users) for _ in range(min(batch, RESAMPLES - first)))
        times = np.stack([np.bincount(one, minlength=users) for one in drawn], dtype=np.float64)
        # [resamples of the batch, rows]
        means.append(times @ values.T / (times @ weights)[:, None])
    return np.concatenate(means)


def seeds_resampled(means: list[np.ndarray]) -> np.ndarray:
    """The mean of each row in resamples of users and seeds together: [RESAMPLES, rows].

    ``means`` has for each row what ``resampled`` gives of its seeds, [RESAMPLES, seeds]. Each
    resample of the users is a resample of the row's seeds as well (Owen, "The pigeonhole
    bootstrap", 2007). With n seeds, n - 1 are drawn: the variance of a mean of n draws would be
    too small by (n - 1) / n (McCarthy and Snowden, "The bootstrap and finite population sampling",
    1985). A row of one seed keeps it: its result is taken to be free of training noise.
    """
    chance = np.random.default_rng(1)
    found = []
    for of_row in means:
        seeds = of_row.shape[1]
        drawn = chance.integers(0, seeds, (len(of_row), max(1, seeds - 1)))
        found.append(np.take_along_axis(of_row, drawn, axis=1).mean(axis=1))
    return np.stack(found, axis=1)


def percentiles(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval of each column: [RESAMPLES, rows] -> 2 x [rows]."""
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def interval(
    values: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """95% percentile bootstrap over users of the mean of each row: [rows, users] -> 2 x [rows].

    Equal to scipy's ``bootstrap``. ``weights`` are those of ``resampled``.
    """
    return percentiles(resampled(values, weights))


def effect_size(differences: np.ndarray) -> np.ndarray:
    """Cohen's d_z of each row: mean / standard deviation (n - 1), [pairs, users] -> [pairs].

    Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, section 2.3.5. 0 where
    no user differs; NaN where all users differ by the same, and for one user.
    """
    mean = differences.mean(axis=1)
    found = np.where(mean == 0, 0.0, np.nan)
    differ = np.ptp(differences, axis=1) > 0
    if differ.any():  # of several users
        found[differ] = mean[differ] / differences[differ].std(axis=1, ddof=1)
    return found


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
    as_far[np.isnan(observed)] = FLIPS  # not known: not significant
    batch = max(1, NUMBERS_PER_BATCH // users)
    for first in range(0, FLIPS, batch):
        rows = min(batch, FLIPS - first)
        signs = coins.integers(0, 2, (rows, users), dtype=np.int8).astype(np.float64) * 2 - 1
        as_far += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (as_far + 1) / (FLIPS + 1)


def wilcoxon(differences: np.ndarray) -> np.ndarray:
    """Wilcoxon's signed-rank test: p as in ``t_test``, that differences are symmetric about 0.

    Users without a difference are left out (Wilcoxon 1945). Equal differences share their mean
    rank, and the normal approximation corrects its variance for them; up to 50 users without equal
    differences have the exact distribution (``scipy.stats.wilcoxon`` with its defaults).
    """
    from scipy import stats  # see ``t_test``

    p = np.ones(len(differences))
    for i, of_users in enumerate(differences.round(DIGITS)):  # sums differ in their last digits
        if of_users.any() and not np.isnan(of_users).any():
            p[i] = stats.wilcoxon(of_users).pvalue
    return p


TESTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "t": t_test,
    "randomisation": randomisation,
    "wilcoxon": wilcoxon,
}


def holm(p: np.ndarray) -> np.ndarray:
    """p-values [n], corrected for the number of tests (Holm 1979): [n]."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
