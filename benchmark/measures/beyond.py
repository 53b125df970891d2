"""Measures beside accuracy, of the lists that a trial recommends, as pure functions.

With lists L_1 .. L_m of the best k items, one for each query, and a catalogue of n items:

    coverage    share of the catalogue that is in at least one list (catalogue coverage, Ge et al.,
                "Beyond accuracy", RecSys 2010)
    Gini        inequality of how often items are recommended: 0 if all are recommended equally
                often, near 1 if a few items are all that is recommended. With x_1 <= ... <= x_n,
                the numbers of lists with an item, it is the sum of (2 j - n - 1) x_j, divided by n
                times the sum of x_j
    popularity  training interactions with an item, mean over the list, then over lists
    novelty     self-information of an item in bits, log2(training users / users with the item);
                mean over the list, then over lists (Zhou et al., PNAS 2010; Castells, Hurley and
                Vargas, Recommender Systems Handbook, 2022)
    repetition  share of the list that is in the history of its query, mean over lists
"""

import numpy as np
import pandas as pd

BETA = 0.5
"""Of ``stratified_recall``: half way between plain recall, 0, and weights inverse to popularity,
1."""


def measures(lists: pd.DataFrame, n_items: int | None, k: int) -> dict[str, float]:
    """The measures of the first ``k`` items of ``lists``, by name such as coverage@10.

    ``lists`` is a table of ``training.lists``; ``n_items`` is the size of the catalogue. Measures
    whose columns, or whose size of the catalogue, are not known are left out.
    """
    lists = lists[lists["rank"] <= k]
    found: dict[str, float] = {}
    if not len(lists):
        return found
    counts = lists["item"].value_counts(sort=False).to_numpy()
    counts = counts[counts > 0]  # a category of no row is none of the items
    if n_items is not None and n_items >= len(counts):
        found["coverage"] = len(counts) / n_items
        found["Gini"] = gini(counts, n_items)
    for name, column in OF_ITEMS.items():
        if column in lists:
            found[name] = _mean_of_lists(lists["query"].to_numpy(), lists[column].to_numpy())
    return {f"{name}@{k}": float(value) for name, value in found.items()}


OF_ITEMS = {"popularity": "popularity", "novelty": "novelty", "repetition": "repeated"}
"""Measures that are means over lists, and the columns that they are of."""


def gini(counts: np.ndarray, n_items: int) -> float:
    """The Gini index of how often items are recommended.

    ``counts`` [<= n_items] are of the items that were; the others were never recommended.
    """
    ascending = np.sort(counts)
    place = np.arange(n_items - len(ascending), n_items) + 1.0
    return float(((2 * place - n_items - 1) * ascending).sum() / (n_items * ascending.sum()))


def _mean_of_lists(queries: np.ndarray, values: np.ndarray) -> float:
    _, of = np.unique(queries, return_inverse=True)
    return float((np.bincount(of, values) / np.bincount(of)).mean())


def stratified_recall(
    ranks: np.ndarray, popularity: np.ndarray, k: int, beta: float = BETA
) -> float:
    """Popularity-stratified recall: a target weighs the less, the more popular its item is.

    ``ranks`` and ``popularity`` (training interactions with the target) are [n_targets]. It is the
    weight of the targets with ranks of at most k, divided by the weight of all. A target weighs
    popularity ** -beta; one without training interactions weighs 1, like one with one. Steck,
    "Item popularity and recommendation accuracy", RecSys 2011, where beta is gamma / (gamma + 1)
    and users weigh as much as their targets together.
    """
    weights = np.maximum(popularity, 1.0) ** -beta
    return float(weights[ranks <= k].sum() / weights.sum())
