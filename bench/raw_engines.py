"""Ways to read a raw file and keep what the filters of datasets/amazon-books.yaml keep of it.

    python -m bench.raw_engines suite Books.csv        # prints one line of JSON

Every engine applies the value filters while it reads; the k-core and the sequences are the suite's
own (datasets.filters, datasets.sequences), so that all have to give the same digest. A *.inter file
is read as RecBole's atomic file, any other as Books.csv; a .zip holds one of these.
See prepare_engines.py, which measures them.
"""

import argparse
import csv
import json
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from datasets import filters, formats, prepare, sequences, spec

BOOKS = spec.read("amazon-books")
RATING, SINCE = BOOKS.filters.rating[0], BOOKS.filters.timestamp[0]
KEPT = ["user", "item", "timestamp"]


def reader(path: Path) -> str:
    """A key of formats.FORMATS."""
    return "recbole" if ".inter" in path.name else "amazon-2018"


def layout(path: Path) -> tuple[dict[str, bool], str, bool]:
    """(all columns in order, and whether they hold numbers; separator; whether there is a header)
    for engines that do not go through readers.py."""
    described = formats.FORMATS[reader(path)]
    names = described.columns or formats.FIELDS
    types = {name: name in formats.NUMBERS for name in names}
    return types, described.separator, bool(described.header)


def read_suite(path: Path) -> pd.DataFrame:
    """As datasets/prepare.py does: pyarrow, with every row checked."""
    return prepare._read(BOOKS.filters, spec.Source(path.name, reader(path)), path, Counter())


def read_pandas(path: Path) -> pd.DataFrame:
    types, separator, header = layout(path)
    chunks = pd.read_csv(
        path,
        sep=separator,
        names=list(types),
        dtype={name: "float64" if number else "str" for name, number in types.items()},
        skiprows=int(header),
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        chunksize=1_000_000,
    )
    kept = [c.loc[(c["rating"] >= RATING) & (c["timestamp"] >= SINCE), KEPT] for c in chunks]
    return pd.concat(kept, ignore_index=True)


def read_polars(path: Path) -> pd.DataFrame:
    import polars as pl

    types, separator, header = layout(path)
    rows = pl.scan_csv(
        path,
        has_header=False,
        skip_lines=int(header),  # its names are not ours
        separator=separator,
        schema={name: pl.Float64 if number else pl.String for name, number in types.items()},
        quote_char=None,
        empty_string_is_null=False,
        extra_columns="raise",
        missing_columns="raise",
    )
    kept = rows.filter((pl.col("rating") >= RATING) & (pl.col("timestamp") >= SINCE))
    return kept.select(KEPT).collect(engine="streaming").to_pandas()


def read_duckdb(path: Path) -> pd.DataFrame:
    import duckdb

    types, separator, header = layout(path)
    rows = duckdb.read_csv(
        str(path),
        header=header,
        delimiter=separator,
        columns={name: "DOUBLE" if number else "VARCHAR" for name, number in types.items()},
        auto_detect=False,
        quotechar="",
        escapechar="",
    )
    kept = rows.filter(f'rating >= {RATING} AND "timestamp" >= {SINCE}')
    kept = kept.project(", ".join(f'"{name}"' for name in KEPT))
    return kept.to_arrow_table().to_pandas(split_blocks=True, self_destruct=True)


ENGINES = {
    "suite": read_suite,
    "pandas": read_pandas,
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
