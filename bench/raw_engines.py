"""Read and filter a raw file of ratings with one of several engines.

    python -m bench.raw_engines seqrec Books.csv        # prints one JSON object

The filters are those of datasets/amazon-books.yaml. Every engine applies the filters of ratings and
times while it reads. The k-core and the sequences are computed by seqrec for all engines, so
that all must give the same digest: by datasets.coding.coded for its own reader, and for the
frames of the others by datasets.filters and datasets.sequences.

A file called *.inter is read as an atomic file of RecBole, any other file as Books.csv. A .zip file
contains one of these. prepare_engines.py measures the engines.
"""

import argparse
import csv
import json
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from datasets import filters, interactions, sequences, source
from datasets.coding import memory
from datasets.coding.coded import Coded
from datasets.coding.spool import Budget
from datasets.reading import layouts
from datasets.specs import spec

BOOKS = spec.read("amazon-books")
RATING = BOOKS.filters.rating[0]  # lowest rating to keep
SINCE = BOOKS.filters.timestamp[0]  # earliest time to keep, seconds since 1970
KEPT = ["user", "item", "timestamp"]  # columns


def reader(path: Path) -> str:
    """Key in layouts.LAYOUTS of the layout that the file's name implies."""
    return "recbole" if ".inter" in path.name else "amazon-2018"


def layout(path: Path) -> tuple[dict[str, bool], str, bool]:
    """Layout of the file, for the engines that do not use datasets.reading.readers.

    Returns (columns, separator, header). ``columns`` maps the name of each column, in order, to
    whether it is numeric; ``header`` is True if the file begins with a header line.
    """
    described = layouts.LAYOUTS[reader(path)]
    names = described.columns or layouts.FIELDS
    columns = {name: name in layouts.NUMBERS for name in names}
    return columns, described.separator, bool(described.header)


def read_seqrec(path: Path) -> Coded:
    """Read with the reader of seqrec: pyarrow, and a check of every row."""
    raw = source.RawFile(spec.Source(path.name, reader(path)), path)
    budget = Budget(memory.at_hand(), path.parent)
    return Coded(interactions.read(raw, BOOKS.filters, Counter()), budget)


def read_pandas(path: Path) -> pd.DataFrame:
    columns, separator, header = layout(path)
    chunks = pd.read_csv(
        path,
        sep=separator,
        names=list(columns),
        dtype={name: "float64" if numeric else "str" for name, numeric in columns.items()},
        skiprows=int(header),
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        chunksize=1_000_000,
    )
    kept = [c.loc[(c["rating"] >= RATING) & (c["timestamp"] >= SINCE), KEPT] for c in chunks]
    return pd.concat(kept, ignore_index=True)


def read_polars(path: Path) -> pd.DataFrame:
    import polars as pl  # only this engine needs it

    columns, separator, header = layout(path)
    rows = pl.scan_csv(
        path,
        has_header=False,
        skip_lines=int(header),  # skipped, because the schema has our names of the columns
        separator=separator,
        schema={name: pl.Float64 if numeric else pl.String for name, numeric in columns.items()},
        quote_char=None,
        empty_string_is_null=False,
        extra_columns="raise",
        missing_columns="raise",
    )
    kept = rows.filter((pl.col("rating") >= RATING) & (pl.col("timestamp") >= SINCE))
    return kept.select(KEPT).collect(engine="streaming").to_pandas()


def read_duckdb(path: Path) -> pd.DataFrame:
    import duckdb  # only this engine needs it

    columns, separator, header = layout(path)
    rows = duckdb.read_csv(
        str(path),
        header=header,
        delimiter=separator,
        columns={name: "DOUBLE" if numeric else "VARCHAR" for name, numeric in columns.items()},
        auto_detect=False,
        quotechar="",
        escapechar="",
    )
    kept = rows.filter(f'rating >= {RATING} AND "timestamp" >= {SINCE}')
    kept = kept.project(", ".join(f'"{name}"' for name in KEPT))
    return kept.to_arrow_table().to_pandas(split_blocks=True, self_destruct=True)


ENGINES = {
    "seqrec": read_seqrec,
    "pandas": read_pandas,
    "polars": read_polars,
    "duckdb": read_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=ENGINES, help="engine that reads the file")
    parser.add_argument("file", type=Path, help="raw file written by bench/raw_ratings.py")
    args = parser.parse_args()
    start = time.perf_counter()
    rows = ENGINES[args.engine](args.file)
    read = time.perf_counter()
    survivors = len(rows)
    if isinstance(rows, Coded):
        rows.k_core(*BOOKS.filters.minima)
        prepared = rows.sequences(BOOKS.ties)
    else:
        prepared = sequences.from_interactions(filters.k_core(rows, *BOOKS.filters.minima))
    result = {
        "digest": prepared.digest,
        "survivors": survivors,
        "read_seconds": read - start,
        "core_seconds": time.perf_counter() - read,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
