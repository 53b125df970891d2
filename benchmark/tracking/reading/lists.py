"""The best items of each test query that trials logged: tables of ``training.lists``."""

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient

from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.tables import Tables, columns, ids, tables, whole_numbers

MEASURED = {"popularity": "iuf", "novelty": "iuf", "repeated": "b"}
"""Columns that measures are computed from, and their numpy kinds."""
COLUMNS = ("query", "item", "rank", *MEASURED)


def lists(client: MlflowClient, trials: list[Record]) -> Tables:
    """The lists that the trials logged. Trials of earlier versions have none.

    Raises Unavailable if the store of a trial that seqrec trained does not answer.
    """
    return tables(client, trials, schema.LISTS.format(part="test"), "lists", table_in, always=False)


def table_in(path: str) -> pd.DataFrame:
    """The table of lists in a Parquet file: a row for each recommended item.

    Raises ValueError unless there are a query, an item and a whole rank from 1 in each row, and no
    item twice in a list. Of the columns that measures are computed from, those of another kind are
    left out.
    """
    return _checked(columns(path, COLUMNS, ("query", "item", "rank"), ("item",)))


def _checked(content: pa.Table) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "item": ids("item", content["item"]).astype("category"),
            "query": whole_numbers("query", content["query"]),
            "rank": whole_numbers("rank", content["rank"]),
        }
    )
    if table["rank"].min() < 1 or table["query"].min() < 0:
        raise ValueError(f"a rank is {table['rank'].min()}, a query {table['query'].min()}")
    if table.duplicated(["query", "item"]).any():
        raise ValueError("an item stands twice in a list")
    for name, kinds in MEASURED.items():
        if name in content.column_names and not content[name].null_count:
            values = content[name].to_numpy()
            if values.dtype.kind in kinds and np.isfinite(values).all():
                table[name] = values
    return table
