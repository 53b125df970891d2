"""Files of histories: every type of list that holds ids is read, everything else is one line."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.serving import histories
from tests.benchmark.test_hostile import damaged, once

TEXT = pa.array([["7", "12"], [], None, ["9", None]])


def written(columns: dict[str, pa.Array], **options) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, **options)
    return content.getvalue()


def read(path) -> tuple[list[int], list[str | None]]:
    """The lengths and the ids of all histories of a file."""
    lengths, ids = [], []
    for batch in histories.from_file(path).batches:
        lengths += batch.lengths.tolist()
        ids += batch.ids.to_pylist()
    return lengths, ids


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string_view()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.list_(pa.int64()),
        pa.list_(pa.uint8()),
    ],
)
def test_ids_of_every_type_are_the_same_text(tmp_path, kind):
    numbers = pa.types.is_integer(kind.value_type)
    source = TEXT.cast(pa.list_(pa.int64())) if numbers else TEXT
    (tmp_path / "h.parquet").write_bytes(written({"history": source.cast(kind)}))
    assert read(tmp_path / "h.parquet") == ([2, 0, 0, 2], ["7", "12", "9", None])


def test_other_columns_keep_their_types(tmp_path):
    user = pa.array(["a", "b", None, "c"])
    columns = {"user": user, "kind": user.dictionary_encode(), "view": user.cast(pa.string_view())}
    (tmp_path / "h.parquet").write_bytes(written(columns | {"history": TEXT}))
    found = histories.from_file(tmp_path / "h.parquet")
    (batch,) = found.batches
    assert [field.type for field in found.fields] == [array.type for array in batch.others]
    assert [array.to_pylist() for array in batch.others] == [user.to_pylist()] * 3


TIMES = pa.array([[1, 2], [], None, [3, 3]], pa.list_(pa.int64()))
DAYS = pa.list_(pa.date32())


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.uint8()),
        pa.list_(pa.timestamp("ns")),
        pa.list_(pa.timestamp("s", "UTC")),
        DAYS,
    ],
)
def test_times_of_every_type_have_one_order(tmp_path, kind):
    times = TIMES.cast(pa.list_(pa.int32() if kind == DAYS else pa.int64())).cast(kind)
    (tmp_path / "h.parquet").write_bytes(written({"history": TEXT, "times": times}))
    found = histories.from_file(tmp_path / "h.parquet")
    assert found.fields == []
    (batch,) = found.batches
    assert np.unique(batch.times, return_inverse=True)[1].tolist() == [0, 1, 2, 2]


def test_a_row_without_times_has_a_time_for_each_id(tmp_path):
    times = pa.array([None, [], [], [3, 3]], pa.list_(pa.int64()))
    (tmp_path / "h.parquet").write_bytes(written({"history": TEXT, "times": times}))
    (batch,) = histories.from_file(tmp_path / "h.parquet").batches
    np.testing.assert_array_equal(batch.times, [np.nan, np.nan, 3, 3])


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ([3], "times of row 20,000 has 1 values, and its history 2 ids: each id has a time"),
        ([3, None], "times of row 20,000 has a null or another value that is no number"),
        ([3, np.inf], "times of row 20,000 has a null or another value that is no number"),
        ([3, 2], "times of row 20,000 has a time after a later one: a history is ordered by time"),
    ],
)
def test_times_that_do_not_fit_are_an_error_that_names_the_row(tmp_path, last, message):
    columns = {"history": [["7"]] * 20_000 + [["7", "5"]], "times": [[1.5]] * 20_000 + [last]}
    columns = {name: pa.array(values) for name, values in columns.items()}
    (tmp_path / "h.parquet").write_bytes(written(columns))
    with pytest.raises(UserError, match=rf"h\.parquet: {message}"):
        read(tmp_path / "h.parquet")


@pytest.mark.parametrize("times", [pa.array([1, 2, 3, 4]), TEXT])
def test_times_of_another_type_are_an_error(tmp_path, times):
    (tmp_path / "h.parquet").write_bytes(written({"history": TEXT, "times": times}))
    with pytest.raises(UserError, match=r"times is .*: it has to be lists of numbers or of times"):
        read(tmp_path / "h.parquet")


def test_a_long_text_is_not_repeated_in_memory(tmp_path):
    """20,000 times a million characters in 50 kB."""
    long = pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 1_000_000])
    history = pa.ListArray.from_arrays(np.arange(20_001, dtype=np.int32), long)
    content = written({"history": history}, store_schema=False)
    assert len(content) < 100_000
    (tmp_path / "h.parquet").write_bytes(content)
    assert [len(batch.ids) for batch in histories.from_file(tmp_path / "h.parquet").batches] == [
        16_384,
        3_616,
    ]


def test_text_that_is_not_utf_8_is_an_error(tmp_path):
    ids = pa.array([b"\xff"], pa.binary()).view(pa.string())
    history = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), ids)
    (tmp_path / "h.parquet").write_bytes(written({"history": history}))
    with pytest.raises(UserError, match=r"h\.parquet: damaged: Invalid UTF8"):
        read(tmp_path / "h.parquet")


@settings(max_examples=200)
@given(
    st.binary()
    | damaged(written({"history": TEXT, "times": TIMES, "user": pa.array(["a", "b", None, "c"])}))
)
def test_any_bytes_are_histories_or_an_error(tmp_path_factory, content):
    """Without the read in ``_rows_per_batch``, Arrow ends the process for some of them."""
    once(read, UserError, tmp_path_factory.getbasetemp() / "hostile.parquet", content)
