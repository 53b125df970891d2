"""Ways to read a raw file and keep what the filters of datasets/amazon-books.yaml keep of it.

    python -m bench.raw_engines pyarrow Books.csv        # prints one line of JSON

Every engine applies the value filters while it reads; the k-core and the sequences are the suite's
own (datasets.filters, datasets.sequences), so that all have to give the same digest. A *.inter file
is read as RecBole's atomic file, any other as Books.csv; a .zip holds one of these.
See prepare_engines.py, which measures them.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from datasets import filters, prepare, readers, sequences, spec

BOOKS = spec.read("amazon-books")
RATING, SINCE = BOOKS.filters.rating[0], BOOKS.filters.timestamp[0]
KEPT = ["user", "item", "timestamp"]
BLOCK_BYTES = 1 << 22


def columns(path: Path) -> list[str]:
    atomic = ["user", "item", "rating", "timestamp"]
    return atomic if ".inter" in path.name else list(readers.FORMATS["amazon-2018"].columns)


def read_pandas(path: Path) -> pd.DataFrame:
    """As datasets/prepare.py does."""
    reader = "recbole" if ".inter" in path.name else "amazon-2018"
    return prepare._read(BOOKS.filters, spec.Source(path.name, reader), path, Counter())


def read_pyarrow(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    names = columns(path)
    types = {n: pa.float64() if n in readers.NUMBERS else pa.string() for n in names}
    with readers._opened(path, None) as stream:
        batches = csv.open_csv(
            stream,
            csv.ReadOptions(
                column_names=names,
                skip_rows=int(".inter" in path.name),
                block_size=BLOCK_BYTES,
            ),
            csv.ParseOptions(
                delimiter="\t" if ".inter" in path.name else ",",
                quote_char=False,
                ignore_empty_lines=False,
            ),
            csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
        kept = [
            batch.filter((pc.field("rating") >= RATING) & (pc.field("timestamp") >= SINCE)).select(
                KEPT
            )
            for batch in batches
        ]
    return pa.Table.from_batches(kept).to_pandas(split_blocks=True, self_destruct=True)


def read_polars(path: Path) -> pd.DataFrame:
    import polars as pl

    schema = {n: pl.Float64 if n in readers.NUMBERS else pl.String for n in columns(path)}
    frame = pl.scan_csv(
        path,
        has_header=".inter" in path.name,
        separator="\t" if ".inter" in path.name else ",",
        schema=schema,
        quote_char=None,
        empty_string_is_null=False,
        extra_columns="raise",
        missing_columns="raise",
    )
    kept = frame.filter((pl.col("rating") >= RATING) & (pl.col("timestamp") >= SINCE))
    return kept.select(KEPT).collect(engine="streaming").to_pandas()


def read_duckdb(path: Path) -> pd.DataFrame:
    import duckdb

    kinds = {n: "DOUBLE" if n in readers.NUMBERS else "VARCHAR" for n in columns(path)}
    kept = duckdb.sql(
        f"""
        SELECT {", ".join(f'"{name}"' for name in KEPT)}
        FROM read_csv($path, columns = {kinds}, auto_detect = false, quote = '', escape = '',
                      header = {".inter" in path.name}, delim = $delimiter)
        WHERE rating >= {RATING} AND "timestamp" >= {SINCE}
        """,
        params={"path": str(path), "delimiter": "\t" if ".inter" in path.name else ","},
    )
    return kept.to_arrow_table().to_pandas(split_blocks=True, self_destruct=True)


ENGINES = {
    "pandas": read_pandas,
    "pyarrow": read_pyarrow,
    "polars": read_polars,
    "duckdb": read_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    interactions = ENGINES[args.engine](args.file)
    read = time.perf_counter()
    found = sequences.from_interactions(filters.k_core(interactions, BOOKS.filters.k_core))
    result = {
        "digest": found.digest,
        "survivors": len(interactions),
        "read_seconds": read - start,
        "core_seconds": time.perf_counter() - read,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
