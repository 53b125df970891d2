"""Rows that do not fit into memory give the same sequences as rows in memory."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import filters
from datasets.coding.coded import Coded
from datasets.coding.spool import Budget
from datasets.errors import DataError
from datasets.filters import DUPLICATES, KEEP, Filters
from datasets.ids import IdTable
from datasets.sequences import from_interactions

LARGE = 1 << 30
IDS = st.text("ab\u00e9\U0001f600-", min_size=1, max_size=40)
ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-2, 3), st.integers(1, 5)),
    min_size=1,
    max_size=60,
)


def frame(rows, ids) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["user", "item", "timestamp", "rating"])
    return found.assign(
        user=[ids[u % len(ids)] for u in found["user"]],
        item=[ids[i % len(ids)] for i in found["item"]],
    ).astype({"user": str, "item": str, "timestamp": float, "rating": float})


@given(
    rows=ROWS,
    ids=st.lists(IDS, min_size=1, max_size=6, unique=True),
    limit=st.sampled_from([1, 100, 1_000, LARGE]),
    minima=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    duplicates=st.sampled_from(DUPLICATES),
    order=st.sampled_from(["file", "random", "no times"]),
    size=st.integers(1, 20),
)
@settings(max_examples=100, deadline=None)
def test_any_budget_gives_the_sequences_of_frames(
    tmp_path_factory, rows, ids, limit, minima, duplicates, order, size
):
    given_rows = frame(rows, ids)
    columns = ["user", "item", "timestamp"]
    wanted = Filters(duplicates=duplicates)
    if order == "no times":
        columns.remove("timestamp")
        order = "file"
    if duplicates != KEEP:
        columns.append("rating")
        wanted = Filters(duplicates=duplicates, rating=(2, 5))
    given_rows = given_rows[columns]
    expected = filters.without_duplicates(given_rows, duplicates)
    n_distinct = len(expected)
    if duplicates != KEEP:
        expected = expected[expected["rating"] >= 2]
    expected = filters.k_core(expected, *minima)

    table = pa.Table.from_pandas(given_rows, preserve_index=False)
    counts = Counter()
    folder = tmp_path_factory.getbasetemp() / "spool"
    coded = Coded(table.to_batches(size), Budget(limit, folder))
    coded.filter_duplicates(wanted, counts)
    coded.k_core(*minima)
    assert len(coded) == len(expected)
    assert counts[f"duplicates ({duplicates} kept)"] == len(given_rows) - n_distinct
    if not len(expected):
        return
    found = coded.sequences(order)
    same = from_interactions(expected, order)
    assert found.digest == same.digest
    assert np.array_equal(found.timestamps, same.timestamps) or found.timestamps is None
    assert not any(folder.iterdir() if folder.exists() else ())


def test_random_ties_need_times(tmp_path):
    rows = pa.RecordBatch.from_pydict({"user": ["u", "u"], "item": ["i", "j"]})
    with pytest.raises(DataError, match="ties: random needs timestamps"):
        Coded([rows], Budget(LARGE, tmp_path)).sequences("random")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    rows = pa.RecordBatch.from_pydict({"user": ["u", "u"], "item": ["i", "j"]})
    with pytest.raises(DataError, match=r"do not fit into .* cannot be written to .*file"):
        Coded([rows], Budget(1, tmp_path / "file"))


@given(st.lists(st.lists(IDS, max_size=50), max_size=5), st.integers(0, 2))
def test_ids_are_numbered_as_they_come(batches, skipped):
    table = IdTable()
    known = {}
    for batch in batches:
        texts = pa.array(["before"] * skipped + batch, pa.string())[skipped:]
        for text, code in zip(batch, table.codes(texts).tolist(), strict=True):
            assert known.setdefault(text, code) == code
    assert len(table) == len(known) == len(set(known.values()))
    assert table.texts.to_pylist() == sorted(known, key=known.__getitem__)


def test_a_table_of_many_ids_grows():
    table = IdTable()
    ids = np.random.default_rng(0).permutation(30_000).astype(str)
    codes = np.concatenate([table.codes(pa.array(part)) for part in np.split(ids, 30)])
    again = table.codes(pa.array(ids))
    assert np.array_equal(codes, again)
    assert table.texts.take(pa.array(codes)).to_pylist() == ids.tolist()
