"""The ranks that trials logged: tables of ``training.ranks``, from anybody's runs."""

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow import MlflowClient

from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.tables import Tables, columns, ids, tables, whole_numbers

COLUMNS = ("user", "item", "rank", "query", "history", "popularity", "repeated", "tied")


def ranks(client: MlflowClient, trials: list[Record], part: str) -> Tables:
    """The ranks that the trials logged; ``part`` is valid or test.

    A trial that seqrec trained has logged them: raises Unavailable if its store does not
    answer. Others need not have any.
    """
    name = schema.RANKS.format(part=part)
    return tables(client, trials, name, "ranks", table_in, always=True)


def table_in(path: str) -> pd.DataFrame:
    """The table of ranks in a Parquet file: a row for each target.

    Queries are numbered from 0. Without this column, as in tables of older versions, each target is
    a query. Raises ValueError unless there are a user, an item and a whole rank from 1 in each row.
    Of the columns to group targets by, those of another kind are left out.
    """
    return _checked(columns(path, COLUMNS, ("user", "item", "rank")))


def _checked(content: pa.Table) -> pd.DataFrame:
    found = {name: ids(name, content[name]).array for name in ("user", "item")}
    users = pd.factorize(found["user"])[0]
    if np.count_nonzero(np.diff(users)) > users.max(initial=0):
        raise ValueError("the rows of a user do not stand together")
    found["rank"] = whole_numbers("rank", content["rank"])
    if found["rank"].min() < 1:
        raise ValueError(f"a rank is {found['rank'].min()}")
    for name in ("query", "history", "popularity"):
        try:
            found[name] = whole_numbers(name, content[name])
        except (KeyError, ValueError):
            continue
    for name in ("repeated", "tied"):
        if name in content.column_names:
            column = content[name]
            if pa.types.is_boolean(column.type) and not column.null_count:
                found[name] = column.to_numpy()
    if "query" in found:
        found["query"] = np.cumsum(np.diff(found["query"], prepend=found["query"][0]) != 0)
    else:
        found["query"] = np.arange(len(content))
    return pd.DataFrame(found)
