"""Measures beside accuracy of the rows that a report compares, from the lists of their trials."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.measures.beyond import measures, stratified_recall
from benchmark.measures.metrics import K
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.slices import HISTORY

STRATIFIED = f"stratified recall@{K}"

Measured = dict[int, dict[str, list[float]]]
"""By place of a row and name of a measure: the value of each seed."""


@dataclass(frozen=True)
class Beside:
    """What a report shows beside accuracy. Rows whose trials kept no lists lack most of it."""

    rows: Measured
    slices: list[tuple[str, Measured]]
    """Quarters of the queries by history length, each with its measures of lists."""
    apart: list[int]
    """The places of rows whose lists are of other queries than their ranks, and not measured."""


def beside_accuracy(
    ranking: Ranking, comparison: Comparison, lists: Mapping[str, pd.DataFrame]
) -> Beside:
    """The measures of the rows of the comparison.

    ``lists`` are tables of ``training.lists`` by run id. A row has measures of lists if all its
    trials have lists, of the queries that are compared.
    """
    statistics = ranking.own.records[0].statistics
    n_items = int(statistics["items"]) if "items" in statistics else None
    queries = comparison.targets["query"].to_numpy()
    n_queries = int(queries[-1]) + 1
    of_rows: dict[int, list[pd.DataFrame]] = {}
    apart: list[int] = []
    for place in comparison.places:
        records = ranking.rows[place - 1].records
        found = [lists[record.run_id] for record in records if record.run_id in lists]
        if any(table["query"].max() >= n_queries for table in found):
            apart.append(place)
        elif len(found) == len(records):
            of_rows[place] = found
    rows = _measured(of_rows, n_items)
    for place, of_row in _stratified(comparison).items():
        rows.setdefault(place, {})[STRATIFIED] = of_row
    slices = []
    for by, part, inside in comparison.slices:
        if by == HISTORY and of_rows:
            chosen = np.zeros(n_queries, dtype=bool)
            chosen[queries[inside]] = True
            here = {
                place: [table[chosen[table["query"]]] for table in of_row]
                for place, of_row in of_rows.items()
            }
            slices.append((part, _measured(here, n_items)))
    return Beside(rows, slices, apart)


def _measured(of_rows: Mapping[int, list[pd.DataFrame]], n_items: int | None) -> Measured:
    found: Measured = {}
    for place, of_row in of_rows.items():
        by_seed = [measures(table, n_items, K) for table in of_row]
        names = [name for name in by_seed[0] if all(name in seed for seed in by_seed)]
        found[place] = {name: [seed[name] for seed in by_seed] for name in names}
    return found


def _stratified(comparison: Comparison) -> dict[int, list[float]]:
    """Popularity-stratified recall of each seed, by place; empty if popularity is not known."""
    if "popularity" not in comparison.targets:
        return {}
    popularity = comparison.targets["popularity"].to_numpy()
    return {
        place: [stratified_recall(ranks, popularity, K) for ranks in of_row]
        for place, of_row, until in zip(
            comparison.places, comparison.ranks, comparison.until, strict=True
        )
        if until is None or until >= K
    }
