"""The best items for many users, by a registered model: parquet in, parquet out.

python -m benchmark.recommend --model models:/ml-1m@champion --dataset ml-1m --output best.parquet
python -m benchmark.recommend --model models:/ml-1m@champion --histories h.parquet --output o.pq
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

import datasets
from benchmark import cli
from benchmark.errors import UserError
from benchmark.tracking import server
from benchmark.tracking.registry import loading

USERS_PER_BATCH = 16_384
ANSWER = [pa.field("items", pa.list_(pa.string())), pa.field("scores", pa.list_(pa.float32()))]


@click.command(context_settings=cli.CONTEXT)
@click.option("--model", required=True, help="Such as models:/amazon-books@champion.")
@click.option(
    "--histories",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A parquet file with a column history: lists of raw item ids, oldest first.",
)
@click.option("--dataset", help="Instead: all users of a data set, with all that they had.")
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The same rows with items and scores in the place of history.",
)
@click.option("--k", type=click.IntRange(1), default=10, show_default=True, help="Items for each.")
@click.option("--exclude-seen", is_flag=True, help="Leave out what the user had.")
def recommend(
    model: str,
    histories: Path | None,
    dataset: str | None,
    data_dir: str | None,
    output: Path,
    k: int,
    exclude_seen: bool,
) -> None:
    """Write the best items for each user of a file or a data set, batch after batch."""
    if (histories is None) == (dataset is None):
        raise click.UsageError("give either --histories or --dataset")
    server.connect()
    recommender = loading.load_recommender(model)
    source = _of_file(histories) if histories else _of_dataset(dataset, data_dir)
    total, fields = next(source)
    with (
        _written_whole(output) as part,
        pq.ParquetWriter(part, pa.schema(fields + ANSWER)) as out,
        tqdm(total=total, unit="user", unit_scale=True, disable=None) as bar,
    ):
        for others, history in source:
            columns = others + _answer(recommender, history, k, exclude_seen)
            out.write_batch(pa.record_batch(columns, out.schema))
            bar.update(len(history))
    click.echo(f"{total:,} users: {output}")


@contextmanager
def _written_whole(output: Path) -> Iterator[Path]:
    """Another name to write under: in the end it is renamed, or, after an error, removed."""
    part = output.with_name(output.name + ".part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, output)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink()


def _answer(recommender, history: pa.ListArray, k: int, exclude_seen: bool) -> list[pa.Array]:
    """Columns ``items`` and ``scores``; a history that is null counts as empty."""
    lengths = pc.fill_null(pc.list_value_length(history), 0).to_numpy().astype(np.int64)
    ids = pc.list_flatten(history).to_pylist()
    counts, items, scores = recommender.best(ids, lengths, k, exclude_seen)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return [
        pa.ListArray.from_arrays(offsets, pa.array(items, pa.string())),
        pa.ListArray.from_arrays(offsets, pa.array(scores)),
    ]


def _of_file(path: Path) -> Iterator:
    """How many users there are and what else is known of them, a schema; then, batch by batch,
    that as arrays, and the histories."""
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: no parquet file that can be read: {error}") from None
    schema = file.schema_arrow
    if "history" not in schema.names:
        raise UserError(f"{path}: no column history; there are: {', '.join(schema.names)}")
    kind = schema.field("history").type
    if not _is_list_of_text(kind):
        raise UserError(f"{path}: history is {kind}: it has to be list<string>, raw item ids")
    names = [name for name in schema.names if name not in ("history", "items", "scores")]
    yield file.metadata.num_rows, [schema.field(name) for name in names]
    try:
        for batch in file.iter_batches(USERS_PER_BATCH, columns=[*names, "history"]):
            yield [batch.column(name) for name in names], batch.column("history")
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: damaged: {error}") from None


def _is_list_of_text(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    value = kind.value_type
    if pa.types.is_dictionary(value):
        value = value.value_type
    return pa.types.is_string(value) or pa.types.is_large_string(value)


def _of_dataset(name: str, data_dir: str | None) -> Iterator:
    """The same of a data set; what is known of users is their raw id, ``user``."""
    _, sequences = datasets.load(name, data_dir)
    yield sequences.n_users, [pa.field("user", pa.string())]
    ids, users = pa.array(sequences.item_ids.tolist()), pa.array(sequences.user_ids.tolist())
    for first in range(0, sequences.n_users, USERS_PER_BATCH):
        offsets = sequences.offsets[first : first + USERS_PER_BATCH + 1]
        items = ids.take(pa.array(sequences.items[offsets[0] : offsets[-1]]))
        history = pa.ListArray.from_arrays(pa.array(offsets - offsets[0], pa.int32()), items)
        yield [users[first : first + len(history)]], history


if __name__ == "__main__":
    cli.run(recommend)
