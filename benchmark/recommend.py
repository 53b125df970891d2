"""Recommend items to many users with a registered model: parquet in, parquet out.

python -m benchmark.recommend --model models:/ml-1m@champion --dataset ml-1m --output best.parquet
python -m benchmark.recommend --model models:/ml-1m@champion --histories h.parquet --output o.pq
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from benchmark import cli, histories
from benchmark.errors import UserError
from benchmark.tracking import server
from benchmark.tracking.registry.loading import load_recommender

if TYPE_CHECKING:
    from benchmark.tracking.registry.recommender import Recommender

ANSWER_FIELDS = [
    pa.field("items", pa.list_(pa.string())),
    pa.field("scores", pa.list_(pa.float32())),
]


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--model", "uri", required=True, help="Registered model, such as models:/ml-1m@champion."
)
@click.option(
    "--histories",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file with a column history: lists of raw item ids, oldest first.",
)
@click.option(
    "--dataset", help="Data set, in place of --histories: all its users and interactions."
)
@cli.data_dir_option
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write: the same rows, with items and scores in place of history.",
)
@click.option(
    "--k",
    type=click.IntRange(1, 1_000_000),
    default=10,
    show_default=True,
    help="Items for each user.",
)
@click.option("--exclude-seen", is_flag=True, help="Leave out the items of the user's history.")
def recommend(
    uri: str,
    file: Path | None,
    dataset: str | None,
    data_dir: str | None,
    output: Path,
    k: int,
    exclude_seen: bool,
) -> None:
    """Write the best items for each user of a file or a data set, batch after batch."""
    if (file is None) == (dataset is None):
        raise click.UsageError("give either --histories or --dataset")
    server.connect()
    recommender = load_recommender(uri)
    source = histories.from_file(file) if file else histories.from_dataset(str(dataset), data_dir)
    with (
        _written_whole(output) as part,
        pq.ParquetWriter(part, pa.schema(source.fields + ANSWER_FIELDS)) as out,
        tqdm(total=source.users, unit="user", unit_scale=True, disable=None) as bar,
    ):
        for batch in source.batches:
            answer = _answer(recommender, batch.history, k, exclude_seen)
            out.write_batch(pa.record_batch(batch.others + answer, out.schema))
            bar.update(len(batch.history))
    click.echo(f"{source.users:,} users: {output}")


@contextmanager
def _written_whole(output: Path) -> Iterator[Path]:
    """A temporary name to write to; the file is renamed at the end, or removed after an error."""
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


def _answer(
    recommender: "Recommender", history: pa.ListArray, k: int, exclude_seen: bool
) -> list[pa.Array]:
    """The columns ``items`` and ``scores`` for [users] histories."""
    lengths = pc.fill_null(pc.list_value_length(history), 0).to_numpy().astype(np.int64)
    ids = pc.list_flatten(history).to_pylist()
    counts, items, scores = recommender.best(ids, lengths, k, exclude_seen)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return [
        pa.ListArray.from_arrays(offsets, pa.array(items, pa.string())),
        pa.ListArray.from_arrays(offsets, pa.array(scores)),
    ]


if __name__ == "__main__":
    cli.run(recommend)
