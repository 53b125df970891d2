"""Mean ranks, Friedman's test and Nemenyi's, with the example and the tables of Demšar (2006)."""

import numpy as np
import pandas as pd
import pytest

from benchmark.reporting.mean_ranks import (
    cliques,
    critical_difference,
    friedman,
    mean_ranks,
    nemenyi,
)

# Demšar 2006, table 6: ranks of C4.5, +m, +cf and +m+cf on 14 data sets.
RANKS = np.array(
    [
        [4, 1, 4, 4, 4, 1, 3, 2.5, 4, 2.5, 4, 3, 4, 3],
        [3, 2, 1, 1, 2, 2.5, 2, 2.5, 3, 2.5, 2.5, 2, 1, 1],
        [2, 3, 2, 3, 3, 4, 4, 4, 2, 2.5, 1, 4, 2, 4],
        [1, 4, 3, 2, 1, 2.5, 1, 1, 1, 2.5, 2.5, 1, 3, 2],
    ]
)


def test_the_example_of_the_literature():
    values = -RANKS
    assert mean_ranks(values) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    # The paper's 9.28 is without the correction for equal ranks, which makes it larger.
    k, n = RANKS.shape
    chi = 12 * n / (k * (k + 1)) * ((RANKS.mean(axis=1) ** 2).sum() - k * (k + 1) ** 2 / 4)
    assert chi == pytest.approx(9.28, abs=5e-3)
    ties = sum(t**3 - t for of in RANKS.T for t in np.unique(of, return_counts=True)[1])
    chi /= 1 - ties / (n * k * (k**2 - 1))
    assert friedman(values) == pytest.approx(chi_square_of_3(chi))


def chi_square_of_3(x):
    """P(chi-square with 3 degrees of freedom > x), in closed form."""
    from math import erfc, exp, pi, sqrt

    return erfc(sqrt(x / 2)) + sqrt(2 * x / pi) * exp(-x / 2)


def test_models_that_are_equal_everywhere_do_not_differ():
    assert friedman(np.full((3, 5), 0.2)) == 1.0
    assert nemenyi(np.array([2.0, 2.0, 2.0]), 5) == pytest.approx(1.0)


def test_nemenyi_is_significant_from_the_critical_difference_on():
    found = critical_difference(5, 12)
    ranks = np.array([1.5, 1.5 + found, 1.5 + 0.99 * found, 1.5 + 1.01 * found, 5.0])
    p = nemenyi(ranks, 12)
    assert p[1] == pytest.approx(0.05, abs=1e-6)
    assert p[2] > 0.05 > p[3] > p[4]


def test_mean_ranks_and_critical_differences_are_those_of_the_literature():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (4, 50)) / 3
    expected = pd.DataFrame(-values).rank(axis=0, method="average").mean(axis=1)
    assert mean_ranks(values) == pytest.approx(expected.to_numpy())
    # Demšar 2006, table 5 (a): q at p = .05 for 2 to 10 classifiers.
    table = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for k, q in enumerate(table, start=2):
        assert critical_difference(k, 14) == pytest.approx(
            q * (k * (k + 1) / (6 * 14)) ** 0.5, 1e-3
        )


def test_models_within_the_critical_difference_are_joined():
    ranks = np.array([1.0, 1.4, 2.2, 2.5, 4.0])
    assert cliques(ranks, 1.0) == [(0, 1), (1, 2), (2, 3)]
    assert cliques(ranks, 1.2) == [(0, 1), (1, 3)]
    assert cliques(ranks, 0.1) == []
    assert cliques(ranks, 9.0) == [(0, 4)]
