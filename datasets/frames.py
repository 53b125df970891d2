"""Interactions from a frame in memory: pandas, polars, Arrow, or whatever else gives Arrow streams.

A frame becomes a Parquet file and a YAML file, which are then read like any other data set. So the
checks and the digest are those of files, and a trial can be repeated when the frame is gone.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from datasets import files
from datasets.errors import DataError, one_line, quoted
from datasets.filters import BY_VALUE
from datasets.reading import lists
from datasets.reading.layouts import FIELDS, IDS
from datasets.source import DEFAULT_FOLDER

EXAMPLE = '{"user": "customer", "item": "product"}'
FOLDER = "frames"
"""In the data folder."""
NAME = re.compile(r"[\w-][\w.-]{0,99}")


class ArrowStream(Protocol):
    """What polars, pandas, Arrow, DuckDB and others offer to share their tables."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with the table: see Arrow's PyCapsule interface."""


def keep(
    frame: ArrowStream, name: str, columns: Mapping[str, str] | None, keys: Mapping[str, Any]
) -> Path:
    """Write the interactions to the data folder; the path of the YAML file that describes them.

    ``columns`` gives the frame's name of user, item and, if any, rating and timestamp; None: these
    names themselves. ``keys`` are further keys of the YAML file; ``timestamp_unit`` among them is
    the source's. The files are in a folder that is named after their content: equal frames are
    written once. Raises DataError if the frame is no table, lacks a column, or has values that
    Parquet has no type for, and if the files cannot be written.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DataError(
            f"{quoted(name)} is no name for a data set: use letters, digits, - and _ and ."
        )
    if columns is not None:
        if not isinstance(columns, Mapping):
            raise DataError(f"columns should be like {EXAMPLE}, not {quoted(columns)}")
        columns = {ours: str(theirs) for ours, theirs in columns.items()}
    rest = {key: value for key, value in keys.items() if value is not None}
    filters = rest.get("filters")
    by_value = [filters.get(key) for key in BY_VALUE] if isinstance(filters, Mapping) else []
    # Other values than mappings are refused with the file.
    mappings = (found for found in by_value if isinstance(found, Mapping))
    further = dict.fromkeys(str(column) for found in mappings for column in found)
    table = _table(frame, name, columns, further)
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink)
    except pa.ArrowException as error:
        raise _no_table(name, error) from None
    content = sink.getvalue().to_pybytes()
    columns = columns or {column: column for column in FIELDS if column in table.column_names}
    source: dict[str, Any] = {"file": "", "reader": "parquet", "columns": dict(columns)}
    if "timestamp_unit" in rest:
        source["timestamp_unit"] = rest.pop("timestamp_unit")
    description = {"title": name, "sources": [source], **rest}
    digest = hashlib.sha256(content + repr(description).encode()).hexdigest()[:12]
    place = Path(FOLDER, digest)
    source["file"] = str(place / f"{name}.parquet")
    try:
        text = yaml.safe_dump(description, sort_keys=False)
    except yaml.YAMLError:
        raise DataError(
            f"{name}: filters and other keys should be plain values, as in a YAML file: numbers, "
            f"text, lists and mappings, not {quoted(rest)}"
        ) from None
    path = DEFAULT_FOLDER / place / f"{name}.yaml"
    if path.exists():  # the file is written after the interactions
        return path
    try:
        files.write(path.with_suffix(".parquet"), content)
        files.write(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


def _table(
    frame: ArrowStream, name: str, columns: Mapping[str, str] | None, further: Iterable[str]
) -> pa.Table:
    """The columns of the interactions and ``further`` ones, without the frame's own metadata."""
    wanted = [*(FIELDS if columns is None else columns.values()), *further]
    needed = [*(IDS if columns is None else columns.values()), *further]
    try:
        if isinstance(frame, pd.DataFrame):
            known = [str(column) for column in frame.columns]
            frame = frame.set_axis(known, axis=1)  # names may be numbers
            frame = frame.loc[:, [name in wanted for name in known]]
            table = pa.Table.from_pandas(frame, preserve_index=False)
        else:
            table = pa.table(frame)
            known = table.column_names
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _no_table(name, error) from None
    for column in needed:
        if column not in known:
            raise DataError(
                f"{name}: the frame has no column {quoted(column)}: name its columns, such as "
                f"columns={EXAMPLE}; there are: " + ", ".join(known)
            )
        if known.count(column) > 1:
            raise DataError(f"{name}: the frame has several columns {quoted(column)}")
    table = table.select([c for c in known if c in wanted]).replace_schema_metadata(None)
    for number, field in enumerate(table.schema):
        kind = field.type
        of = kind.value_type if lists.is_list(kind) else kind
        if pa.types.is_dictionary(of) and pa.types.is_string_view(of.value_type):
            plain = [_plain(chunk) for chunk in table[number].chunks]
            table = table.set_column(number, field.name, pa.chunked_array(plain))
    return table


def _plain(categories: pa.Array) -> pa.Array:
    """polars' categories, or lists of them, with a type of text that Parquet can write."""
    if lists.is_list(categories.type):
        return lists.converted(categories, _plain)
    dictionary = categories.dictionary.cast(pa.string())
    return pa.DictionaryArray.from_arrays(categories.indices, dictionary)


def _no_table(name: str, error: Exception) -> DataError:
    reason = one_line(error)
    return DataError(f"{name}: the frame is no table of interactions: {reason}")
