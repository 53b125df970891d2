"""Recommendations for the histories of many users, written to a parquet or CSV file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from tqdm import tqdm

from benchmark.errors import UserError, printable
from benchmark.serving.histories import Batch, GivenHistories
from benchmark.tracking.registry.loading import Loaded
from datasets.files import replacing
from models.batches import within


@dataclass(frozen=True)
class Layout:
    """How the recommendations stand in the file."""

    csv: bool = False
    """CSV in place of parquet; it has no lists, so it is long."""
    long: bool = False
    """A row for each recommended item in place of a row for each user with lists."""


@dataclass(frozen=True)
class Answer:
    """The recommendations for the users of a batch, user after user, best first."""

    counts: np.ndarray
    """The number of items of each user: [users] int64."""
    columns: list[pa.Array]
    """Items, scores and, if the data set has any, titles: [items of all users] each."""


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


def write(
    output: Path,
    uri: str,
    model: Loaded,
    source: GivenHistories,
    k: int,
    *,
    exclude_seen: bool,
    layout: Layout,
) -> Known:
    """Write the best ``k`` items of each user to ``output``, which appears whole or not at all.

    Items of the user's history are among them unless ``exclude_seen``. Returns how many ids the
    model, which ``uri`` names, knows. Raises UserError if it knows none, and if the file cannot be
    written.
    """
    try:
        with replacing(output) as part:
            known = _write(part, model, source, k, exclude_seen, layout)
            known.check(uri, model)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None
    return known


def warning(known: Known, model: Loaded, source: GivenHistories) -> str | None:
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


def _write(
    part: Path, model: Loaded, source: GivenHistories, k: int, exclude_seen: bool, layout: Layout
) -> Known:
    """Write the recommendations for all users to the file ``part``."""
    known = Known()
    catalogue = pa.array(model.recommender.item_ids.tolist(), pa.string())
    titles = model.titles if source.titles is None else source.titles
    answers = _answer_fields(layout, titled=titles is not None)
    names = {field.name for field in answers}
    if taken := [field.name for field in source.fields if field.name in names]:
        raise UserError(
            f"the recommendations have a column {' and a column '.join(taken)}, too: give that of "
            "the histories another name"
        )
    schema = pa.schema([*source.fields, *answers])
    if layout.csv:
        schema = _csv_schema(schema)
    writer = pyarrow.csv.CSVWriter if layout.csv else pq.ParquetWriter
    with (
        writer(part, schema) as out,
        tqdm(total=source.users, unit="user", unit_scale=True, disable=None) as bar,
    ):
        for batch in source.batches:
            known.count(batch, catalogue)
            answer = _answer(model, batch, titles, k, exclude_seen)
            others = [
                other.cast(kind) for other, kind in zip(batch.others, schema.types, strict=False)
            ]
            columns = _long(others, answer) if layout.long else _lists(others, answer)
            _write_batch(out, pa.record_batch(columns, schema))
            bar.update(len(batch.lengths))
    return known


def _answer_fields(layout: Layout, *, titled: bool) -> list[pa.Field]:
    """The columns that ``_lists`` or ``_long`` fill."""
    kinds = {"item": pa.string(), "score": pa.float32()}
    if titled:
        kinds["title"] = pa.string()
    if layout.long:
        return [pa.field(name, kind) for name, kind in ({"rank": pa.int32()} | kinds).items()]
    return [pa.field(f"{name}s", pa.list_(kind)) for name, kind in kinds.items()]


def _csv_schema(schema: pa.Schema) -> pa.Schema:
    """The columns with types that pyarrow writes as CSV: it has none for views of text, as polars
    writes them. Raises UserError for a column of lists, which CSV has not."""
    fields = []
    for field in schema:
        fields.append(
            field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field
        )
        if pa.types.is_nested(field.type):
            raise UserError(
                f"column {printable(field.name)} of the histories has lists, which CSV has not: "
                "write .parquet, or leave the column out"
            )
    return pa.schema(fields)


def _write_batch(out: pq.ParquetWriter | pyarrow.csv.CSVWriter, rows: pa.RecordBatch) -> None:
    """Raises UserError for bytes that are no text, which CSV has not."""
    try:
        out.write_batch(rows)
    except pa.ArrowInvalid as error:
        bytes_of = [f.name for f in rows.schema if pa.types.is_binary(f.type)]
        if not bytes_of or isinstance(out, pq.ParquetWriter):
            raise
        raise UserError(
            f"columns {', '.join(map(printable, bytes_of))} of the histories have bytes, which CSV "
            f"has not ({error}): write .parquet, or leave the columns out"
        ) from None


def _answer(
    model: Loaded, batch: Batch, titles: dict[str, str] | None, k: int, exclude_seen: bool
) -> Answer:
    """An item without a title has its id."""
    values = np.array([*batch.ids.dictionary.to_pylist(), None], dtype=object)
    ids = values[pc.fill_null(batch.ids.indices, len(values) - 1).to_numpy()]
    times = [batch.times] if model.reads_times else []
    counts, items, scores = model.recommender.best(ids, batch.lengths, k, exclude_seen, *times)
    columns = [pa.array(items, pa.string()), pa.array(scores)]
    if titles is not None:
        columns.append(pa.array([titles.get(item, item) for item in items], pa.string()))
    return Answer(counts, columns)


def _lists(others: list[pa.Array], answer: Answer) -> list[pa.Array]:
    """A row for each user."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(answer.counts)]), pa.int32())
    return others + [pa.ListArray.from_arrays(offsets, values) for values in answer.columns]


def _long(others: list[pa.Array], answer: Answer) -> list[pa.Array]:
    """A row for each recommended item, with its rank among those of its user, from 1."""
    users, place = within(answer.counts)
    ranks = pa.array(place + 1, pa.int32())
    return [column.take(pa.array(users)) for column in others] + [ranks, *answer.columns]
