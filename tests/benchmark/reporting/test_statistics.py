"""Confidence intervals and significance tests, compared with scipy's and with known results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.reporting.statistics import (
    FLIPS,
    effect_size,
    holm,
    interval,
    percentiles,
    randomisation,
    resampled,
    seeds_resampled,
    t_test,
    wilcoxon,
)


@pytest.fixture
def results():
    """Reciprocal ranks a and b, [12] each, of two systems for the same users.

    Returns the differences a - b, b - a and 0, stacked to [3, 12]; then a and b.
    """
    rng = np.random.default_rng(3)
    a, b = 1 / rng.integers(1, 9, (2, 12))
    return np.stack([a - b, b - a, a * 0]), a, b


def test_randomisation_is_scipys_exact_test(results):
    differences, a, b = results
    exact = stats.permutation_test(
        (a, b), lambda x, y: (x - y).mean(), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    found = randomisation(differences)
    error = 4 * np.sqrt(exact * (1 - exact) / FLIPS)  # four standard errors with FLIPS draws
    assert found[:2] == pytest.approx([exact, exact], abs=error)
    assert found[2] == 1.0


def test_t_is_scipys_paired_test_and_no_difference_is_no_evidence(results):
    differences, a, b = results
    expected = stats.ttest_rel(a, b).pvalue
    assert t_test(differences).tolist() == pytest.approx([expected, expected, 1.0])


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 4000))
    noise[0] += 0.2
    noise[1] -= noise[1].mean()
    for test in (t_test, randomisation, wilcoxon):
        there, absent = test(noise)
        assert there < 0.001
        assert absent > 0.9


def test_wilcoxon_drops_zeros_and_shares_ranks_of_equal_differences():
    """Normal approximation with the variance of Lehmann, "Nonparametrics", 1975, written out."""
    rng = np.random.default_rng(5)
    differences = rng.integers(-2, 4, (2, 200)) / 10
    differences[1, :] += rng.choice([0, 1e-15], 200)  # last digits, which make no rank
    for row, p in zip(differences, wilcoxon(differences), strict=True):
        kept = [d for d in row.round(12).tolist() if d]
        size = [abs(d) for d in kept]
        ranks = [sum(b < a for b in size) + (1 + sum(b == a for b in size)) / 2 for a in size]
        n = len(kept)
        ties = sum(size.count(s) ** 3 - size.count(s) for s in set(size))
        variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
        plus = sum(r for r, d in zip(ranks, kept, strict=True) if d > 0)
        z = (plus - n * (n + 1) / 4) / variance**0.5
        assert p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert wilcoxon(np.zeros((1, 9))).tolist() == [1.0]
    assert wilcoxon(np.array([[1.0, 2, 3, 4, 5, 0, 0]])).tolist() == [2 / 2**5]  # exact, n = 5


def test_effect_sizes_by_hand():
    found = effect_size(np.array([[0.0, 1, 2], [1, -1, 0], [0, 0, 0], [2, 2, 2]]))
    assert found[:3].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(found[3])


def test_with_noise_of_training_only_the_interval_over_users_and_seeds_covers_the_truth():
    """Simulated: truth 0, deviations of users 1, of seeds 0.15, of both together 1."""
    rng = np.random.default_rng(0)
    covered = {"users": 0, "users and seeds": 0}
    trials = 60
    for _ in range(trials):
        values = rng.normal(size=200) + 0.15 * rng.normal(size=(5, 1)) + rng.normal(size=(5, 200))
        means = resampled(values)
        for name, of_row in (("users", means.mean(axis=1)), ("users and seeds", None)):
            found = seeds_resampled([means])[:, 0] if of_row is None else of_row
            low, high = percentiles(found[:, None])
            covered[name] += int(low[0] <= 0 <= high[0])
    assert covered["users"] / trials < 0.88
    assert covered["users and seeds"] / trials > 0.9


def test_without_noise_of_training_both_intervals_are_the_same():
    values = np.random.default_rng(2).exponential(size=(1, 50))
    means = resampled(values)
    assert (seeds_resampled([means]) == means).all()
    assert seeds_resampled([np.repeat(means, 4, axis=1)]) == pytest.approx(means)


def test_resampled_seeds_have_the_variance_of_the_mean_of_all():
    """Of n - 1 draws: (n - 1) / n * s^2 / (n - 1) = s^2 / n, where s^2 is the unbiased variance."""
    seeds = np.array([0.1, 0.4, 0.3])
    found = seeds_resampled([np.tile(seeds, (20_000, 1))] * 2)
    assert found.var(axis=0) == pytest.approx(seeds.var(ddof=1) / 3, rel=0.05)
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.03  # the seeds of two rows are drawn apart


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_none_and_bonferroni_and_keeps_the_order(p):
    p = np.array(p)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * len(p), 1)).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_an_interval_is_that_of_the_mean():
    """For many values it is close to the normal interval: mean +- 1.96 standard errors."""
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(2, 3000))
    low, high = interval(values)
    error = values.std(axis=1) / np.sqrt(values.shape[1])
    assert low == pytest.approx(values.mean(axis=1) - 1.96 * error, abs=0.25 * error.max())
    assert high == pytest.approx(values.mean(axis=1) + 1.96 * error, abs=0.25 * error.max())
    again, _ = interval(values[1:])
    assert again == pytest.approx(low[1:])


def test_an_interval_is_scipys():
    values = np.random.default_rng(1).exponential(size=(2, 50))
    expected = stats.bootstrap(
        (values,), np.mean, axis=1, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    low, high = interval(values)
    width = expected.high - expected.low  # 2,000 resamples leave an error of a few percent
    assert low == pytest.approx(expected.low, abs=0.06 * width.max())
    assert high == pytest.approx(expected.high, abs=0.06 * width.max())
    assert not np.allclose(low, values.mean(axis=1), atol=0.2 * width.min())


def test_an_interval_over_users_with_several_queries_is_scipys_of_a_ratio():
    """Another sample of users has another number of queries."""
    chance = np.random.default_rng(2)
    queries = chance.integers(1, 8, 60).astype(float)
    sums = np.array([chance.binomial(int(n), 0.6) for n in queries], dtype=float)

    def mean(sums, queries, axis=-1):
        return sums.sum(axis) / queries.sum(axis)

    expected = stats.bootstrap(
        (sums, queries), mean, paired=True, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    (low,), (high,) = interval(sums[None], weights=queries)
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.06 * width)
    assert high == pytest.approx(expected.high, abs=0.06 * width)


def test_one_user_has_no_interval():
    low, high = interval(np.array([[0.5], [0.25]]))
    assert np.isnan([*low, *high]).all()
