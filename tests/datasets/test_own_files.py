"""Generic readers: CSV and Parquet files whose YAML file names the columns."""

import csv
import io
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.prepare import load
from datasets.reading import layouts
from tests.conftest import card_of
from tests.datasets.test_load import described
from tests.datasets.test_readers import read

COLUMNS = {"user": "customer", "item": "product", "rating": "stars", "timestamp": "bought at"}
ROWS = [
    (f"u{user}", f"i{item}", 5.0, 1.5e9 + item / 10) for user in range(4) for item in range(1, 6)
]
SHORT = layouts.layout_of("csv", {"user": "u", "item": "i", "timestamp": "t"})


def own(here, file, reader, **source) -> str:
    source = {"file": file, "reader": reader, "columns": COLUMNS} | source
    (here / "data").mkdir(exist_ok=True)
    return described(here, sources=[source])


def write_parquet(path, **columns) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=3)


def test_a_csv_and_a_parquet_file_are_the_same_data_as_a_published_format(here):
    name = described(here, sources=[{"file": "mine.csv", "reader": "amazon-2014"}])
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text("".join(f"{u},{i},{r},{t}\n" for u, i, r, t in ROWS))
    digest = load(name)[1].digest
    lines = "".join(f'{t * 1000:.0f};{r};"{i}";x;{u}\n' for u, i, r, t in ROWS)
    (here / "data/own.csv").write_text('"bought at";stars;"product";other;customer\n' + lines)
    name = own(here, "own.csv", "csv", separator=";", timestamp_unit="ms")
    assert load(name)[1].digest == digest
    users, items, ratings, times = zip(*ROWS, strict=True)
    columns = dict(zip(COLUMNS.values(), (users, items, ratings, times), strict=True))
    write_parquet(here / "data/own.parquet", **columns, other=range(20))
    assert load(own(here, "own.parquet", "parquet"))[1].digest == digest


def test_fields_that_are_not_named_are_not_read(here):
    (here / "data").mkdir()
    (here / "data/own.csv").write_text("customer,product\nu,a\nu,c\nu,b\n")
    _, sequences = load(
        own(here, "own.csv", "csv", columns={"user": "customer", "item": "product"})
    )
    assert sequences.item_ids[sequences.items].tolist() == ["a", "c", "b"]  # the file's order
    assert sequences.timestamps is None


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime(2017, 3, 20, h) for h in (8, 9)], pa.timestamp("ns")),
        pa.array([datetime(2017, 3, 20, h, tzinfo=UTC) for h in (8, 9)], pa.timestamp("s", "UTC")),
        pa.array([1489996800000, 1490000400000], pa.timestamp("ms")),
        pa.array([1489996800, 1490000400], pa.int64()),
        pa.array([1489996800, 1490000400], pa.float64()),
        pa.array([1489996800, 1490000400], pa.uint32()),
    ],
)
def test_times_of_a_parquet_file_say_themselves_what_their_unit_is(here, times):
    write_parquet(here / "f", u=["a", "b"], i=[1, 2], t=times)
    layout = layouts.layout_of("parquet", {"user": "u", "item": "i", "timestamp": "t"})
    assert read(here / "f", layout) == [("a", "1", 1489996800.0), ("b", "2", 1490000400.0)]


def test_days_and_codes_of_a_parquet_file_are_read(here):
    users = pa.array(["a", "b", "a"]).dictionary_encode()
    days = pa.array([date(1970, 1, 2)] * 3)
    write_parquet(here / "f", u=users, i=pa.array([7, 8, 9], pa.uint64()), t=days)
    layout = layouts.layout_of("parquet", {"user": "u", "item": "i", "timestamp": "t"})
    assert read(here / "f", layout) == [
        ("a", "7", 86400.0),
        ("b", "8", 86400.0),
        ("a", "9", 86400.0),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"u": ["a"], "i": ["b"]}, "the file should have one column 't', has ['u', 'i']"),
        (
            {"u": ["a"], "i": [1.5], "t": [1]},
            "cannot be read as a Parquet file: item should be text or whole numbers, below 2^53",
        ),
        ({"u": [7.0, None], "i": [1, 2], "t": [1, 2]}, "row 2: user is missing"),
        (
            {"u": np.array([1.5], np.float32), "i": [1], "t": [1]},
            "cannot be read as a Parquet file: user should be text or whole numbers",
        ),
        (
            {"u": [1e300], "i": [1], "t": [1]},
            "cannot be read as a Parquet file: user should be text or whole numbers",
        ),
        (
            {"u": ["a"], "i": [1], "t": ["x"]},
            "column 't' has type string: timestamp should be numbers",
        ),
        ({"u": ["a", None], "i": [1, 2], "t": [1, 2]}, "row 2: user is missing"),
        ({"u": ["a", ""], "i": [1, 2], "t": [1, 2]}, "row 2: user is empty"),
        ({"u": ["a", "b\n"], "i": [1, 2], "t": [1, 2]}, "row 2: user contains a control character"),
        ({"u": ["a", "é" * 257], "i": [1, 2], "t": [1, 2]}, "row 2: user has more than 256 char"),
        ({"u": ["a"] * 5, "i": [1] * 5, "t": [1, 1, 1, 1, None]}, "row 5: timestamp is missing"),
        ({"u": ["a"], "i": [1], "t": [float("nan")]}, "row 1: timestamp is not a number"),
        ({"u": ["a"], "i": [1], "t": [1490000000000]}, "row 1: timestamp is later than the year"),
    ],
)
def test_what_a_parquet_file_should_not_hold_is_named(here, columns, message):
    write_parquet(here / "f", **columns)
    layout = layouts.layout_of("parquet", {"user": "u", "item": "i", "timestamp": "t"})
    with pytest.raises(DataError) as caught:
        read(here / "f", layout)
    assert f"{here}/f: {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("u,i\na,b\n", "f:1: the header should name 't' once, found 'u,i'"),
        ("u,i,t\na,b\n", "f:2: 2 fields instead of 3"),
        (
            "u,i,t\na,b,1490000000000\n",
            "f:2: timestamp looks like milliseconds: add timestamp_unit",
        ),
        ('u,i,t\na,b,1\n"a\nb",c,2\n', "f:3: a quote is not closed in this line"),
        ('u,i,t\n"",b,1\n', "f:2: user is empty"),
        ("u,i,t\na,b,2017-03-20\n", "f:2: timestamp is not a number"),
    ],
)
def test_what_a_csv_file_should_not_hold_is_named(here, content, message):
    (here / "f").write_text(content)
    with pytest.raises(DataError) as caught:
        read(here / "f", SHORT)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"reader": "csv"}, "the reader csv needs columns, such as {user: customer"),
        ({"reader": "csv", "columns": ["u", "i"]}, r"needs columns, .* not \['u', 'i'\]"),
        ({"reader": "csv", "columns": {"user": "u"}}, "needs columns"),
        ({"reader": "csv", "columns": {"user": "u", "item": 3}}, "needs columns"),
        (
            {"reader": "csv", "columns": {"user": "u", "item": "u"}},
            "uses one column of the file twice",
        ),
        ({"reader": "csv", "columns": {"user": "u", "item": "i", "price": "p"}}, "needs columns"),
        ({"columns": COLUMNS, "reader": "csv", "separator": "::"}, "should be one character"),
        (
            {"columns": COLUMNS, "reader": "parquet", "separator": ";"},
            "one character, for the readers csv and",
        ),
        (
            {"columns": COLUMNS, "reader": "csv", "timestamp_unit": "h"},
            "should be one of s, ms, us",
        ),
        ({"reader": "recbole", "timestamp_unit": "ms"}, "layout of recbole is fixed"),
    ],
)
def test_what_does_not_go_together_is_named(here, source, message):
    with pytest.raises(DataError, match=rf"mine.yaml: .*{message}"):
        load(described(here, sources=[{"file": "f"} | source]))


def test_a_file_that_is_no_parquet_file_is_one_line(here):
    (here / "data").mkdir()
    (here / "data/f").write_text("u,i,t\n")
    with pytest.raises(DataError, match=r"data/f: cannot be read as a Parquet file: .*") as caught:
        load(own(here, "f", "parquet"))
    assert len(str(caught.value).splitlines()) == 1


TEXT = st.text(st.sampled_from('ab,;" é'), min_size=1, max_size=6)


@settings(max_examples=150)
@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 10**9)), min_size=1, max_size=5))
def test_csv_comes_back_as_pythons_own_writer_wrote_it(tmp_path_factory, written):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("u", "i", "t"), *written])
    path = tmp_path_factory.getbasetemp() / "f.csv"
    path.write_text(out.getvalue(), encoding="utf-8")
    assert read(path, SHORT) == written


def test_ids_that_pandas_wrote_as_floats_are_whole_numbers(here):
    """It does so where one is missing; the others mean what they meant."""
    (here / "data").mkdir()
    users = [1, 2, None, 1, 2, 1, 2]
    table = pd.DataFrame({"u": users, "i": list("abcabca"), "t": range(7)})
    assert table["u"].dtype == "float64"
    source = {"file": "a.parquet", "reader": "parquet"}
    source["columns"] = {"user": "u", "item": "i", "timestamp": "t"}
    wanted = {"where_not": {"u": ""}}
    for kind in ("float64", "float32", "float16"):
        table.astype({"u": kind}).to_parquet(here / "data/a.parquet")
        found = load(described(here, sources=[source], filters=wanted))[1]
        assert found.user_ids.tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("separator", "columns", "message"),
    [
        (";", {"user": "u", "item": "i"}, "found 'u,i,t' (separator ';' is not in it)"),
        (None, {"user": "u", "item": "i", "timestmp": "t"}, "; 'timestmp' is none of user, item"),
    ],
)
def test_a_wrong_separator_and_a_wrong_key_are_named(here, separator, columns, message):
    (here / "data").mkdir()
    (here / "data/a.csv").write_text("u,i,t\na,b,1\n")
    source = {"file": "a.csv", "reader": "csv", "columns": columns}
    source |= {"separator": separator} if separator else {}
    with pytest.raises(DataError) as caught:
        load(described(here, sources=[source]))
    assert message in str(caught.value)


def test_times_that_are_no_dates_are_said(here, capsys):
    """Such as days of a spreadsheet."""
    (here / "data").mkdir()
    rows = "".join(f"u{n % 3},i{n % 4},{45_321 + n / 4}\n" for n in range(24))
    (here / "data/a.csv").write_text("u,i,t\n" + rows)
    source = {"file": "a.csv", "reader": "csv"}
    source["columns"] = {"user": "u", "item": "i", "timestamp": "t"}
    found, sequences = load(described(here, sources=[source]))
    assert "times: 45,321 to 45,326.75, as seconds since 1970 no dates after 1973: if" in (
        card_of(found, sequences).summary()
    )
