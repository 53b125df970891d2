"""Mean ranks of models over users or over data sets, and which of them differ.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
"""

import numpy as np

from benchmark.reporting.difference import LEVEL


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """The mean rank of each row over the columns, the highest value first; equals share a rank:
    [rows, columns] -> [rows].
    """
    from scipy import stats  # loads slowly: a report loads it while it waits for its server

    # Sums of seeds differ in their last digits.
    return np.asarray(stats.rankdata(-values.round(12), axis=0).mean(axis=1))


def friedman(values: np.ndarray) -> float:
    """p of Friedman's test that all rows rank alike, [rows, columns]: at least 3 rows.

    Its chi-square distribution is an approximation, which is good from some ten columns on.
    """
    from scipy import stats  # see ``mean_ranks``

    rounded = values.round(12)
    if not np.ptp(rounded, axis=0).any():
        return 1.0  # every column has one value
    return float(stats.friedmanchisquare(*rounded).pvalue)


def critical_difference(rows: int, columns: int) -> float:
    """The difference of mean ranks from which two rows differ significantly (Nemenyi; 3.2.2)."""
    from scipy import stats  # see ``mean_ranks``

    q = stats.studentized_range.ppf(1 - LEVEL, rows, np.inf) / np.sqrt(2)
    return float(q * _standard_error(rows, columns))


def nemenyi(ranks: np.ndarray, columns: int) -> np.ndarray:
    """p that the mean rank of each row differs from the first row's, among all pairs of rows:
    [rows] -> [rows]. Below .05 where the difference exceeds ``critical_difference``.
    """
    from scipy import stats  # see ``mean_ranks``

    q = np.abs(ranks - ranks[0]) / _standard_error(len(ranks), columns) * np.sqrt(2)
    return np.asarray(stats.studentized_range.sf(q, len(ranks), np.inf)).clip(0, 1)


def _standard_error(rows: int, columns: int) -> float:
    """Of the difference of two mean ranks, if all rows rank alike."""
    return float(np.sqrt(rows * (rows + 1) / (6 * columns)))


def cliques(ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """The largest groups of neighbours in ascending ``ranks`` that lie within the difference:
    the first and the last of each. A row alone is no group."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = int(np.flatnonzero(ranks - ranks[first] < difference)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
