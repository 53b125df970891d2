"""Tables that trials logged as Parquet files, from anybody's runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking.outage import reason
from benchmark.tracking.reading.artifacts import artifact
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.trials import each
from benchmark.tracking.server import Unavailable

MOST_ROWS = 50_000_000
"""Rows of a table; the largest public data sets have a fifth of that."""


@dataclass(frozen=True)
class Tables:
    tables: dict[str, pd.DataFrame]
    """By run id."""
    unreadable: dict[str, str]
    """Why the table that a trial logged cannot be read, by run id."""


def tables(
    client: MlflowClient,
    trials: list[Record],
    name: str,
    what: str,
    read: Callable[[str], pd.DataFrame],
    *,
    always: bool,
) -> Tables:
    """The artifact ``name`` of each trial, read from its file by ``read``.

    ``read`` raises ValueError for a file that is no table of ``what``. ``always``: each trial that
    seqrec trained has logged one, so that a missing one is lost. Raises Unavailable if the
    store of such a trial does not answer.
    """

    def found_in(trial: Record) -> pd.DataFrame | str | None:
        try:
            with artifact(client, trial.artifact_uri, name) as path:
                return read(str(path))
        except Unavailable:
            if trial.trained_here:
                raise
            return None
        except (MlflowException, OSError) as error:
            lost = f"{name} is not in its artifacts: {reason(error)}"
            return lost if always and trial.trained_here else None
        except ValueError as error:
            return f"{name} is no table of {what}: {reason(error)}"

    found: dict[str, pd.DataFrame] = {}
    unreadable: dict[str, str] = {}
    for trial, content in each(found_in, trials):
        if isinstance(content, pd.DataFrame):
            found[trial.run_id] = content
        elif content:
            unreadable[trial.run_id] = content
    return Tables(found, unreadable)


def columns(
    path: str, known: tuple[str, ...], needed: tuple[str, ...], repeated: tuple[str, ...] = ()
) -> pa.Table:
    """Those of the ``known`` columns that a Parquet file has once; the ``repeated`` ones, whose
    values occur in many rows, as dictionaries.

    Raises ValueError if a ``needed`` one is missing, and for a file that cannot be read, without
    rows, or with more than memory has room for.
    """
    try:
        with pq.ParquetFile(path, read_dictionary=repeated) as file:
            if not 0 < file.metadata.num_rows <= MOST_ROWS:
                raise ValueError(f"it has {file.metadata.num_rows:,} rows")
            names = file.schema_arrow.names
            content = file.read([name for name in known if names.count(name) == 1])
    except KeyError as error:  # of a column to be read as a dictionary
        raise ValueError(f"it has no plain column {error}") from None
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    missing = set(needed) - set(content.column_names)
    if missing:
        raise ValueError(f"it has no column {min(missing)}")
    return content


def ids(name: str, column: pa.ChunkedArray) -> pd.Series:
    """A column of raw ids. Raises ValueError if it has gaps, or holds neither text nor integers."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.null_count or not (text or pa.types.is_integer(kind)):
        raise ValueError(f"column {name} holds {kind}, or has gaps")
    try:
        column.validate(full=True)
        return column.to_pandas()
    except pa.ArrowException:
        raise ValueError(f"column {name} holds text that is not UTF-8") from None


def whole_numbers(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers as int64. Raises ValueError if it has gaps, or others than whole ones."""
    number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if column.null_count or not number:
        raise ValueError(f"column {name} holds {column.type}, or has gaps")
    return column.cast(pa.int64()).to_numpy()
