"""From a data set's name to its sequences, kept in a cache between runs.

python -m datasets.prepare amazon-books             # a trial does it, too, when it finds none
python -m datasets.prepare mine.yaml --data-dir /where/the/files/are
"""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from datasets import cache, card, filters, locks, readers, recbole, source, spec
from datasets.errors import DataError
from datasets.sequences import Sequences, from_interactions


def load(
    name_or_path: str, data_dir: str | Path | None = None, recbole_config: str = ""
) -> tuple[spec.Spec, Sequences]:
    """The data set of that name, prepared now or read from ./data/prepared; filtered and split by
    its own file, or as RecBole's configuration file says.

    Raises DataError for anything that is wrong with the data or cannot be found.
    """
    described, sequences, _ = _load(name_or_path, data_dir, recbole_config)
    return described, sequences


def _load(
    name_or_path: str, data_dir: str | Path | None, recbole_config: str
) -> tuple[spec.Spec, Sequences, Path]:
    """And where they are kept."""
    if recbole_config:
        described = recbole.described(name_or_path, recbole_config)
    else:
        described = spec.read(name_or_path)
    origin, path = (None, None)
    if described.synthetic is None:
        origin, path = source.find(described, data_dir)
    cached = cache.place(described, origin, path)
    sequences = cache.restore(cached)
    if sequences is not None:
        return described, sequences, cached
    with locks.alone(cached, "prepares") as part:
        sequences = cache.restore(cached)  # by a process that was faster
        if sequences is None:
            sequences = prepare(described, origin, path)
            try:
                cache.store(sequences, cached, part)
            except OSError as error:
                print(f"{cached}: not cached, the next run prepares the data again: {error}")
    return described, sequences, cached


def prepare(
    described: spec.Spec, origin: source.Source | None = None, path: Path | None = None
) -> Sequences:
    """Generate or read the interactions, filter them, and put them in order.

    What is filtered away is counted and printed.
    """
    counts: Counter[str] = Counter()
    if described.synthetic is not None:
        interactions = described.synthetic.generate()
        counts["rows generated"] = len(interactions)
    else:
        interactions = _read(described.filters, origin, path, counts)
    kept = filters.k_core(interactions, described.filters.k_core)
    counts[f"outside the {described.filters.k_core}-core"] = len(interactions) - len(kept)
    where = str(path or described.name)
    print(f"{where}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items() if n))
    if not len(kept):
        wanted = json.dumps(asdict(described.filters))
        raise DataError(f"{where}: no interaction is left after the filters {wanted}")
    sequences = from_interactions(kept)
    try:
        described.split_of(sequences)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return sequences


def _read(
    wanted: spec.Filters, origin: source.Source, path: Path, counts: Counter[str]
) -> pd.DataFrame:
    """Apply the value intervals batch by batch, so that only the rows kept stay in memory."""
    kept, bar = [], f"reading {path.name}"
    for batch in readers.read(path, origin.layout(), origin.member, bar):
        counts["rows read"] += len(batch)
        inside, left = None, len(batch)
        for column in ("rating", "timestamp"):
            interval = getattr(wanted, column)
            if interval is None:
                continue
            if column not in batch.schema.names:
                raise DataError(f"{path}: to filter by {column}, the file needs that column")
            fits = _within(batch[column], *interval)
            inside = fits if inside is None else pc.and_(inside, fits)
            counts[f"with {column} outside {list(interval)}"] += left - inside.true_count
            left = inside.true_count
        rows = batch.select([name for name in batch.schema.names if name != "rating"])
        kept.append(rows if inside is None else rows.filter(inside))
    if not counts["rows read"]:
        raise DataError(f"{path}: the file holds no interactions")
    return pa.Table.from_batches(kept).to_pandas(split_blocks=True, self_destruct=True)


def _within(values: pa.Array, low: float, high: float) -> pa.Array:
    """Which are in the interval, ends included: [n] bool."""
    return pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))


@click.command()
@click.argument("dataset")
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
@click.option("--recbole-config", default="", help="RecBole's file: gives filters and split.")
def command(dataset: str, data_dir: str | None, recbole_config: str) -> None:
    """Download a data set (a name, or a YAML file), filter it, put it in order, keep it below
    ./data/prepared, and write its card. What is done already is not done again."""
    try:
        described, sequences, cached = _load(dataset, data_dir, recbole_config)
        click.echo(card.summary(described, sequences))
        page = cached.with_suffix(".md")
        with locks.alone(page, "writes") as part:
            part.write_text(card.render(described, sequences), encoding="utf-8")
            part.replace(page)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the card cannot be written: {error}") from None
    click.echo(f"prepared: {cached}\ncard: {page}")


if __name__ == "__main__":
    command()
