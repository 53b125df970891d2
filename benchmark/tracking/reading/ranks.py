"""The ranks that trials logged: tables of ``training.ranks``, from anybody's runs."""

import tempfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.artifacts import fetch
from benchmark.tracking.reading.trials import Record, each
from benchmark.tracking.server import Unavailable

MOST_TARGETS = 50_000_000
"""Rows of a table; the largest public data sets have a fifth of that."""


@dataclass(frozen=True)
class Ranks:
    tables: dict[str, pd.DataFrame]
    """By run id."""
    unreadable: dict[str, str]
    """Why the ranks that a trial logged cannot be read, by run id."""


def ranks(client: MlflowClient, trials: list[Record], part: str) -> Ranks:
    """The ranks that the trials logged; ``part`` is valid or test.

    A trial that this suite trained has logged them: raises Unavailable if its store does not
    answer. Others need not have any.
    """

    def read(trial: Record) -> pd.DataFrame | str | None:
        name = schema.RANKS.format(part=part)
        try:
            with tempfile.TemporaryDirectory() as folder:
                return table_in(str(fetch(client, trial.artifact_uri, name, folder)))
        except Unavailable:
            if trial.trained_here:
                raise
            return None
        except (MlflowException, OSError) as error:
            lost = f"{name} is not in its artifacts: {reason(error)}"
            return lost if trial.trained_here else None
        except ValueError as error:
            return f"{name} is no table of ranks: {reason(error)}"

    tables: dict[str, pd.DataFrame] = {}
    unreadable: dict[str, str] = {}
    for trial, found in each(read, trials):
        if isinstance(found, pd.DataFrame):
            tables[trial.run_id] = found
        elif found:
            unreadable[trial.run_id] = found
    return Ranks(tables, unreadable)


def table_in(path: str) -> pd.DataFrame:
    """The table of ranks in a Parquet file: a row for each target.

    Queries are numbered from 0. Without this column, as in tables of older versions, each target is
    a query. Raises ValueError unless there are a user, an item and a whole rank from 1 in each row.
    Of the columns to group targets by, those of another kind are left out.
    """
    try:
        with pq.ParquetFile(path, read_dictionary=["user", "item"]) as file:
            if not 0 < file.metadata.num_rows <= MOST_TARGETS:
                raise ValueError(f"it has {file.metadata.num_rows:,} rows")
            names = file.schema_arrow.names
            known = ("user", "item", "rank", "query", "history", "popularity", "repeated")
            content = file.read([name for name in known if names.count(name) == 1])
        missing = {"user", "item", "rank"} - set(content.column_names)
        if missing:
            raise ValueError(f"it has no column {min(missing)}")
        return _checked(content)
    except KeyError as error:  # of a column to be read as a dictionary
        raise ValueError(f"it has no plain column {error}") from None
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _checked(content: pa.Table) -> pd.DataFrame:
    columns = {name: _ids(name, content[name]) for name in ("user", "item")}
    columns["rank"] = _whole_numbers("rank", content["rank"])
    if columns["rank"].min() < 1:
        raise ValueError(f"a rank is {columns['rank'].min()}")
    for name in ("query", "history", "popularity"):
        try:
            columns[name] = _whole_numbers(name, content[name])
        except (KeyError, ValueError):
            continue
    if "repeated" in content.column_names:
        repeated = content["repeated"]
        if pa.types.is_boolean(repeated.type) and not repeated.null_count:
            columns["repeated"] = repeated.to_pandas()
    table = pd.DataFrame(columns)
    if "query" in table:
        table["query"] = (table["query"].diff().fillna(0) != 0).cumsum()
    else:
        table["query"] = np.arange(len(table))
    return table


def _ids(name: str, column: pa.ChunkedArray) -> pd.Series:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.null_count or not (text or pa.types.is_integer(kind)):
        raise ValueError(f"column {name} holds {kind}, or has gaps")
    return column.to_pandas().astype(object)


def _whole_numbers(name: str, column: pa.ChunkedArray) -> pd.Series:
    number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if column.null_count or not number:
        raise ValueError(f"column {name} holds {column.type}, or has gaps")
    return column.cast(pa.int64()).to_pandas()
