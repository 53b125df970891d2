"""Examples: what the best row recommends to some users, with the titles of the items."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmark.measures.metrics import K
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.section import Section
from datasets import DataError
from datasets import titles as titles_of_items
from datasets.specs import spec

PERCENTILES = (10, 30, 50, 70, 90)
"""Of the rank of the target: users are not picked by hand."""
SHOWN = 5  # items of a list
LONGEST_TITLE = 24  # characters: a list has room in a line

Titles = Mapping[str, str]
"""Titles of items by raw id."""


def titles(ranking: Ranking) -> Titles:
    """The titles of the ranked data set's items; none where they are not on this machine.

    Nothing is downloaded.
    """
    name = ranking.own.best.params.get("dataset")
    try:
        found = titles_of_items.read(spec.read(str(name)), download=False)
    except DataError:
        found = None
    return found or {}


def examples(
    ranking: Ranking,
    comparison: Comparison,
    lists: Mapping[str, pd.DataFrame],
    titles: Titles,
) -> Section:
    """The best items of the first seed of the best compared row, for the users at PERCENTILES.

    ``lists`` are tables of ``training.lists`` by run id. The section is empty if that trial has
    none.
    """
    place = comparison.places[0]
    row = ranking.rows[place - 1]
    table = lists.get(row.records[0].run_id)
    n_queries = comparison.targets["query"].iloc[-1] + 1
    if table is None or table["query"].max() >= n_queries:  # of other queries than the ranks
        return Section("Examples")
    ranks = comparison.ranks[0][0]  # [targets]
    last = comparison.until[0] or ranking.own.records[0].statistics.get("items", np.inf)
    order = np.argsort(ranks, kind="stable")
    chosen = dict.fromkeys(order[(len(order) - 1) * p // 100] for p in PERCENTILES)
    targets = comparison.targets.iloc[list(chosen)]
    cells: list[dict[str, object]] = []
    for target, rank in zip(targets.itertuples(), ranks[list(chosen)], strict=True):
        best = table[table["query"] == target.query].nsmallest(SHOWN, "rank")
        cells.append(
            {
                "user": str(target.user),
                "target": _title(target.item, titles),
                "rank of the target": f"{rank:,}" if rank <= last else "a miss",
                "best items": "; ".join(_title(item, titles) for item in best["item"]),
            }
        )
    text = (
        f"Row {place}, {row.name}: the first {SHOWN} of the {K} items that its first seed "
        "recommends to the test users at the "
        f"{', '.join(f'{p}th' for p in PERCENTILES)} percentile of the target's rank."
    )
    return Section("Examples", text, table=cells)


def _title(item: object, titles: Titles) -> str:
    """The title, or the raw id of an item without one."""
    text = titles.get(str(item), str(item))
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"
