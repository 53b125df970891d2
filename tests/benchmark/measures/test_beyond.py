"""Measures beside accuracy, against plain loops and numbers computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.measures.beyond import gini, measures, stratified_recall


def table(lists: list[list[int]], popularity: dict[int, int], past: list[set[int]], users: int):
    """The table of ``training.lists``; nobody has an item twice."""
    rows = [
        (query, item, rank, popularity[item], math.log2(users / popularity[item]), item in seen)
        for query, (items, seen) in enumerate(zip(lists, past, strict=True))
        for rank, item in enumerate(items, start=1)
    ]
    names = ["query", "item", "rank", "popularity", "novelty", "repeated"]
    found = pd.DataFrame(rows, columns=names)
    return found.astype({"item": str}).astype({"item": "category"})


def test_measures_by_hand():
    """Lists a b, a c, a of a catalogue of 5 items; 8 training users; popularity 8, 4, 1."""
    lists = table([[0, 1], [0, 2], [0]], {0: 8, 1: 4, 2: 1}, [{0}, {0, 2}, set()], 8)
    assert measures(lists, 5, 10) == {
        "coverage@10": 3 / 5,
        # counts 0 0 1 1 3: (-4 * 0 - 2 * 0 + 0 * 1 + 2 * 1 + 4 * 3) / (5 * 5)
        "Gini@10": pytest.approx(14 / 25),
        "popularity@10": pytest.approx((6 + 4.5 + 8) / 3),
        "novelty@10": pytest.approx((0.5 + 1.5 + 0) / 3),  # bits: 0, 1 and 3
        "repetition@10": pytest.approx((0.5 + 1 + 0) / 3),
    }
    first = measures(lists, 5, 1)
    assert (first["coverage@1"], first["Gini@1"]) == (1 / 5, 4 / 5)
    assert list(measures(lists[["query", "item", "rank"]], None, 10)) == []


def test_inequality_is_0_of_equal_counts_and_near_1_of_a_single_item():
    assert gini(np.array([3, 3, 3]), 3) == 0
    assert gini(np.array([9]), 100) == pytest.approx(99 / 100)


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 6))
def test_measures_are_those_of_plain_loops(seed, n_items, n_lists):
    draw = np.random.default_rng(seed)
    popularity = {item: int(draw.integers(1, 20)) for item in range(n_items)}
    lengths = draw.integers(1, n_items + 1, n_lists)
    lists = [draw.permutation(n_items)[:length].tolist() for length in lengths]
    past = [set(draw.integers(0, n_items, 4).tolist()) for _ in lists]
    k = 5
    found = measures(table(lists, popularity, past, 20), n_items, k)
    short = [items[:k] for items in lists]
    counts = [sum(item in items for items in short) for item in range(n_items)]
    differences = sum(abs(a - b) for a in counts for b in counts)
    expected = {
        "coverage": sum(count > 0 for count in counts) / n_items,
        "Gini": differences / (2 * n_items * sum(counts)),  # half the relative mean difference
        "popularity": np.mean([np.mean([popularity[i] for i in items]) for items in short]),
        "novelty": np.mean(
            [np.mean([-math.log2(popularity[i] / 20) for i in items]) for items in short]
        ),
        "repetition": np.mean(
            [len(seen & {*items}) / len(items) for items, seen in zip(short, past, strict=True)]
        ),
    }
    assert found == {f"{name}@{k}": pytest.approx(value) for name, value in expected.items()}


def test_stratified_recall_by_hand():
    ranks = np.array([1, 11, 3, 10])
    popularity = np.array([1, 4, 16, 0])
    # Weights 1, 1/2, 1/4 and 1: all but the second are hits.
    assert stratified_recall(ranks, popularity, 10) == pytest.approx(2.25 / 2.75)
    assert stratified_recall(ranks, popularity, 10, beta=0) == 3 / 4
    assert stratified_recall(ranks, popularity, 2, beta=1) == pytest.approx(
        1 / (1 + 0.25 + 1 / 16 + 1)
    )
