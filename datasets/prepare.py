"""Prepare a data set: from its name to its sequences, cached between runs.

python -m datasets.prepare amazon-books             # training does this, too, when needed
python -m datasets.prepare mine.yaml --data-dir /where/the/files/are
python -m datasets.prepare mine.yaml --executor ray  # on a Ray cluster: parts at the same time
python -m datasets.prepare --from events.csv        # write events.yaml first, from its first rows
"""

import json
from collections import Counter
from pathlib import Path

import click
import numpy as np
import pyarrow as pa

from datasets import cache, files, interactions, locks, options, source
from datasets.card import Card
from datasets.coding import memory
from datasets.coding.coded import Coded
from datasets.coding.odd_ids import crowds, lookalikes
from datasets.coding.spool import Budget
from datasets.describing import describe
from datasets.errors import DataError
from datasets.machines import distributed
from datasets.machines.distributed import Distributed
from datasets.reading import times
from datasets.sequences import Sequences
from datasets.source import RawFile
from datasets.specs import recbole
from datasets.specs.spec import Spec
from datasets.specs.spec import read as read_spec
from datasets.splitting.split_files import SplitRows
from datasets.splitting.splits import GIVEN

HERE, RAY = EXECUTORS = ("here", "ray")
"""Where rows are read, filtered and sorted."""


def load(
    name_or_path: str, data_dir: str | Path | None = None, recbole_config: str = ""
) -> tuple[Spec, Sequences]:
    """A data set's description and its sequences, from the cache or prepared now.

    ``name_or_path`` is the name of a data set in this folder, or the path of a YAML file.
    ``data_dir`` is the first folder in which raw files are searched for, see ``source.find``.
    ``recbole_config`` is the path of a RecBole configuration file, whose filters and split replace
    those of the YAML file; "" for none.

    Raises DataError if the data are not found, cannot be downloaded, or cannot be used.
    """
    spec, sequences, _ = _load(name_or_path, data_dir, recbole_config)
    return spec, sequences


def _load(
    name_or_path: str, data_dir: str | Path | None, recbole_config: str, executor: str = HERE
) -> tuple[Spec, Sequences, Path]:
    """``load``, and the path of the cached sequences."""
    if recbole_config:
        spec = recbole.read_spec(name_or_path, recbole_config)
    else:
        spec = read_spec(name_or_path)
    raw = source.find(spec, data_dir) if spec.synthetic is None else None
    cached = cache.path_of(spec, raw)
    sequences = cache.restore(cached)
    if sequences is not None:
        return spec, sequences, cached
    with locks.alone(cached, "preparing"):
        sequences = cache.restore(cached)  # stored by a process that was faster
        if sequences is None:
            sequences = prepare(spec, raw, executor)
            try:
                cache.store(sequences, cached)
            except OSError as error:
                print(f"{cached}: not cached, the next run prepares the data again: {error}")
            if isinstance(sequences.items, np.memmap):  # of a file that the disk holds once more
                sequences = cache.restore(cached) or sequences
    return spec, sequences, cached


def prepare(spec: Spec, raw: RawFile | None = None, executor: str = HERE) -> Sequences:
    """Read (or generate) the interactions, filter them, and put them in time order.

    ``raw`` is the data set's file; None for synthetic data. ``executor`` is one of EXECUTORS. The
    numbers of rows read and removed are printed.

    Raises DataError, with the file, if a row cannot be read, if no interaction is left after the
    filters, if all are with one item, and if the split has nobody to evaluate.
    """
    counts: Counter[str] = Counter()
    rows = _filtered(spec, raw, counts, executor)
    where = str(raw.path) if raw else spec.name
    if raw and raw.parts:
        counts["files"] = len(raw.parts)
    if raw and raw.others:
        print(
            f"{where} is read; not read: {', '.join(map(str, raw.others))} (each of the sources "
            "has all interactions; parts belong into one source, under files)"
        )
    print(f"{where}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items() if n))
    removed = counts["rows read"] - len(rows)
    if spec.split == GIVEN and removed:
        raise DataError(
            f"{where}: the filters would remove {removed:,} rows and change the split that the "
            "files give: remove the filters, or split here, with split: leave-one-out or temporal"
        )
    if not len(rows):
        wanted = json.dumps(spec.filters.as_dict())
        raise DataError(f"{where}: no interaction is left after the filters {wanted}")
    try:
        sequences = rows.sequences(spec.ties)
        if sequences.n_items < 2:
            raise DataError("all interactions are with one item: there is nothing to rank")
        spec.split_of(sequences)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    for sentence in lookalikes(sequences.user_ids, sequences.item_ids) + crowds(sequences):
        print(f"{where}: {sentence}")
    return sequences


def _filtered(
    spec: Spec, raw: RawFile | None, counts: Counter[str], executor: str
) -> Coded | Distributed | SplitRows:
    """The interactions that all filters keep. The numbers of rows are added to ``counts``."""
    rows = _read(spec, raw, counts, executor)
    before = len(rows)
    rows.k_core(*spec.filters.minima)
    core = "-".join(dict.fromkeys(map(str, spec.filters.minima)))
    counts[f"outside the {core}-core"] = before - len(rows)
    return rows


def _read(
    spec: Spec, raw: RawFile | None, counts: Counter[str], executor: str
) -> Coded | Distributed | SplitRows:
    """The interactions that all filters but the k-core keep."""
    budget = Budget(memory.at_hand(), cache.PREPARED_FOLDER)
    if executor == RAY:
        why = distributed.why_here(spec, raw)
        if raw is not None and not why:
            return Distributed(raw, spec.filters, counts, budget)
        print(f"{spec.name} is prepared on this machine alone: {why}")
    if spec.synthetic is not None:
        generated = spec.synthetic.generate()
        counts["rows generated"] = len(generated)
        batches = iter([pa.RecordBatch.from_pandas(generated, preserve_index=False)])
    elif raw is not None:
        batches = interactions.read(raw, spec.filters, counts)
    else:
        raise ValueError(f"{spec.name} is not synthetic: give its raw file")
    if spec.split == GIVEN:
        return SplitRows(interactions.frame(batches, spec.filters, counts))
    rows = Coded(batches, budget)
    rows.filter_duplicates(spec.filters, counts)
    return rows


@click.command()
@click.argument("dataset", nargs=-1, required=False)
@click.option(
    "--from",
    "place",
    default="",
    help="File, folder of parts, or pattern in quotes, for which DATASET, a YAML file, is written: "
    "reader, columns, unit and separator are guessed from the first rows.",
)
@click.option(
    "--columns",
    default="",
    help="With --from: columns that cannot be guessed, such as user=customer,item=product; the "
    "others are guessed, and timestamp= leaves the times out. user=1,item=2,timestamp=4 for a file "
    "without a header line.",
)
@click.option(
    "--timestamp-unit",
    type=click.Choice(times.UNITS),
    default=None,
    help="With --from: unit of the times, where it cannot be guessed.",
)
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    default=HERE,
    help="Place where rows are read, filtered and sorted: here (on this machine) or ray (on a Ray "
    "cluster, for data sets of several parts).",
)
@options.data_dir
@options.recbole_config
def command(
    dataset: tuple[str, ...],
    place: str,
    columns: str,
    timestamp_unit: str | None,
    executor: str,
    data_dir: str | None,
    recbole_config: str,
) -> None:
    """Download and prepare a data set, and write its card.

    DATASET is the name of a data set in datasets/, or the path of a YAML file. Sequences and card
    are kept in ./data/prepared. Finished steps are not repeated. Rows that do not fit into memory
    are on disk meanwhile; $SEQREC_MEMORY_GB is the memory to use, in GB, if less than is free.
    """
    if len(dataset) > 1 and place:
        raise click.UsageError(
            "--from takes one file: put a pattern in quotes: --from 'logs/*.csv'"
        )
    if len(dataset) > 1 or not (dataset or place):
        raise click.UsageError("give one DATASET, or --from FILE")
    if not place and (columns or timestamp_unit):
        raise click.UsageError("--columns and --timestamp-unit belong to --from")
    try:
        name = "".join(dataset)
        if place:
            name = str(describe.describe(place, name, columns, timestamp_unit or ""))
            described = read_spec(name)
            describe.check_found(described, source.find(described, data_dir), place)
        spec, sequences, cached = _load(name, data_dir, recbole_config, executor)
        card = Card(spec, sequences, spec.split_of(sequences))
        text = card.summary()
        page = cached.with_suffix(".md")
        _write(page, card.render())
    except DataError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{text}\nprepared: {cached}\ncard: {page}")


def _write(page: Path, content: str) -> None:
    try:
        files.write(page, content)
    except OSError as error:
        raise DataError(f"the card cannot be written: {error}") from None


if __name__ == "__main__":
    command()
