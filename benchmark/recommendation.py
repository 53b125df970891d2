"""Recommendations for the histories of many users, written to a parquet file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from benchmark.errors import UserError, printable
from benchmark.histories import Batch, Histories
from benchmark.tracking.registry.loading import Loaded
from datasets.files import replacing

ANSWER_FIELDS = [
    pa.field("items", pa.list_(pa.string())),
    pa.field("scores", pa.list_(pa.float32())),
]
TITLES_FIELD = pa.field("titles", pa.list_(pa.string()))


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


def write(output: Path, uri: str, model: Loaded, source: Histories, k: int, seen: bool) -> Known:
    """Write the best ``k`` items of each user to ``output``, which appears whole or not at all.

    Items of the user's history are among them only if ``seen``. Returns how many ids the model,
    which ``uri`` names, knows. Raises UserError if it knows none, and if the file cannot be
    written.
    """
    try:
        with replacing(output) as part:
            known = _write(part, model, source, k, not seen)
            known.check(uri, model)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None
    return known


def warning(known: Known, model: Loaded, source: Histories) -> str | None:
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
    titles = model.titles if source.titles is None else source.titles
    fields = ANSWER_FIELDS if titles is None else [*ANSWER_FIELDS, TITLES_FIELD]
    with (
        pq.ParquetWriter(part, pa.schema(source.fields + fields)) as out,
        tqdm(total=source.users, unit="user", unit_scale=True, disable=None) as bar,
    ):
        for batch in source.batches:
            known.count(batch, catalogue)
            answer = _answer(model, batch, titles, k, exclude_seen)
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
    times = [batch.times] if model.reads_times else []
    counts, items, scores = model.recommender.best(ids, batch.lengths, k, exclude_seen, *times)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    flat = [pa.array(items, pa.string()), pa.array(scores)]
    if titles is not None:
        flat.append(pa.array([titles.get(item, item) for item in items], pa.string()))
    return [pa.ListArray.from_arrays(offsets, values) for values in flat]
