"""Recommend items to many users with a registered model: parquet in, parquet out.

python -m benchmark.recommend --model models:/ml-1m@champion --dataset ml-1m --output best.parquet
python -m benchmark.recommend --model models:/ml-1m@champion --histories h.parquet --output o.pq
"""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from benchmark import cli, histories
from benchmark.errors import UserError, printable
from benchmark.histories import Batch, Histories
from benchmark.tracking import server
from benchmark.tracking.registry.loading import Loaded, load_recommender
from datasets.files import replacing

ANSWER_FIELDS = [
    pa.field("items", pa.list_(pa.string())),
    pa.field("scores", pa.list_(pa.float32())),
]
TITLES_FIELD = pa.field("titles", pa.list_(pa.string()))
SUFFIXES = (".parquet", ".pq", "")


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
@click.option(
    "--recbole-config",
    default="",
    help="RecBole configuration file; its filters replace the data set's own, as in training.",
)
@cli.data_dir_option
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file to write: the same rows, with items and scores in place of history, and the "
    "items' titles where the data set has them.",
)
@click.option(
    "--k",
    type=click.IntRange(1, 1_000_000),
    default=10,
    show_default=True,
    help="Items for each user.",
)
@click.option(
    "--exclude-seen/--include-seen",
    default=None,
    help="Whether the items of the user's history are left out.  [default: as in the evaluation of "
    "the model]",
)
def recommend(
    uri: str,
    file: Path | None,
    dataset: str | None,
    recbole_config: str,
    data_dir: str | None,
    output: Path,
    k: int,
    exclude_seen: bool | None,
) -> None:
    """Write the best items for each user of a file or a data set, batch after batch.

    Ids that the model does not know are left out, and counted. If it knows none of them, nothing is
    written.
    """
    if (file is None) == (dataset is None):
        raise click.UsageError("give either --histories or --dataset")
    if recbole_config and file:
        raise click.UsageError("--recbole-config belongs to --dataset")
    if output.suffix.lower() not in SUFFIXES:
        raise UserError(f"{output}: parquet is written: give a name that ends in .parquet")
    model = load_recommender(server.connect(), uri)
    if exclude_seen is None:
        exclude_seen = model.exclude_seen
    if file:
        source = histories.from_file(file)
    else:
        source = histories.from_dataset(str(dataset), data_dir, recbole_config)
    try:
        with replacing(output) as part:
            known = _write(part, model, source, k, exclude_seen)
            known.check(uri, model)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None
    if warning := _warning(known, model, source):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{source.users:,} users: {output}")


@dataclass
class Known:
    """How many ids of the histories the model knows."""

    ids: int = 0
    known: int = 0
    example: str | None = None
    """An id that the model does not know."""

    def count(self, batch: Batch, catalogue: pa.Array) -> None:
        """``catalogue`` are the ids that the model knows."""
        values = batch.ids.dictionary
        known = pc.is_in(values, value_set=catalogue)
        self.ids += len(batch.ids)
        self.known += pc.sum(pc.take(known, batch.ids.indices)).as_py() or 0
        if self.example is None:
            self.example = next(iter(values.filter(pc.invert(known)).slice(0, 1).to_pylist()), None)

    def check(self, uri: str, model: Loaded) -> None:
        """Raises UserError if there are ids, and the model knows none of them."""
        if self.ids and not self.known:
            ours, theirs = model.recommender.item_ids[0], self.example or ""
            raise UserError(
                f"model {uri} knows none of the {self.ids:,} ids of the histories: its ids look "
                f"like {printable(ours)}, those of the histories like {printable(theirs)}"
            )

    def __str__(self) -> str:
        return f"{self.known:,} of the {self.ids:,} ids ({self.known / max(self.ids, 1):.1%})"


def _warning(known: Known, model: Loaded, source: Histories) -> str | None:
    """What makes the recommendations doubtful: other data than in training, unknown ids."""
    if source.digest and model.data_digest and source.digest != model.data_digest:
        return (
            f"the model was trained on other data (digest {model.data_digest}, these have "
            f"{source.digest}): it knows {known} of the histories; if it was trained with a "
            "configuration file of RecBole, give it with --recbole-config"
        )
    if known.known < known.ids:
        return f"the model knows {known} of the histories; the others are left out"
    return None


def _write(part: Path, model: Loaded, source: Histories, k: int, exclude_seen: bool) -> Known:
    """Write the recommendations for all users to the file ``part``."""
    known = Known()
    catalogue = pa.array(model.recommender.item_ids.tolist(), pa.string())
    fields = ANSWER_FIELDS if source.titles is None else [*ANSWER_FIELDS, TITLES_FIELD]
    with (
        pq.ParquetWriter(part, pa.schema(source.fields + fields)) as out,
        tqdm(total=source.users, unit="user", unit_scale=True, disable=None) as bar,
    ):
        for batch in source.batches:
            known.count(batch, catalogue)
            answer = _answer(model, batch, source.titles, k, exclude_seen)
            out.write_batch(pa.record_batch(batch.others + answer, out.schema))
            bar.update(len(batch.lengths))
    return known


def _answer(
    model: Loaded, batch: Batch, titles: dict[str, str] | None, k: int, exclude_seen: bool
) -> list[pa.Array]:
    """The columns ``items``, ``scores`` and, if there are any, ``titles`` for the users of a batch.

    An item without a title has its id.
    """
    values = np.array([*batch.ids.dictionary.to_pylist(), None], dtype=object)
    ids = values[pc.fill_null(batch.ids.indices, len(values) - 1).to_numpy()]
    counts, items, scores = model.recommender.best(ids, batch.lengths, k, exclude_seen)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    flat = [pa.array(items, pa.string()), pa.array(scores)]
    if titles is not None:
        flat.append(pa.array([titles.get(item, item) for item in items], pa.string()))
    return [pa.ListArray.from_arrays(offsets, values) for values in flat]


if __name__ == "__main__":
    cli.run(recommend)
