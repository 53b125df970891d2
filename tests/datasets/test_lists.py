"""Rows that list the items of a user: the same data as a row for each item, or an error."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, prepare
from datasets.reading import layouts, readers
from tests.datasets.test_json_lines import said
from tests.datasets.test_own_files import write_parquet
from tests.datasets.test_readers import read
from tests.datasets.test_shapes import ROWS, prepared, reference, refused

COLUMNS = {"user": "u", "item": "i", "timestamp": "t"}
LINES = layouts.layout_of("jsonl", COLUMNS)
TABLE = layouts.layout_of("parquet", COLUMNS)
FIRST = '{"u": "a", "i": [1, 2], "t": [5, 6]}\n'


def of_users() -> list[dict]:
    times = [[time for user, _, time in ROWS if user == f"u{u}"] for u in range(6)]
    return [
        {"user_id": f"u{u}", "item_ids": items, "timestamps": times[u], "page": [[1]]}
        for u, items in enumerate(reference())
    ]


def test_json_lines_with_lists_are_recognised(here):
    rows = "".join(json.dumps(row) + "\n" for row in of_users())
    (here / "mine.jsonl").write_text(rows)
    content, said = prepared(here, "--from", "mine.jsonl")
    columns = {"user": "user_id", "item": "item_ids", "timestamp": "timestamps"}
    assert content["sources"][0]["columns"] == columns
    assert "- item = item_ids, a list\n- timestamp = timestamps, a list\n" in said
    assert "- not read: page\n" in said


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_parquet_files_with_lists_are_recognised(here, kind):
    rows = of_users()
    columns = {name: [row[name] for row in rows] for name in ("user_id", "item_ids")}
    columns["item_ids"] = pa.array(columns["item_ids"], kind(pa.string()))
    write_parquet(here / "mine.parquet", **columns)
    said = prepared(here, "--from", "mine.parquet")[1]
    assert "- no times: each user's order is that of the rows, and of their lists\n" in said


def test_lists_of_another_name_are_asked_for(here):
    (here / "mine.jsonl").write_text('{"user": "a", "basket": [1, 2]}\n' * 3)
    assert "the column of the item is not clear" in refused("--from", "mine.jsonl")


def test_a_column_of_items_goes_before_one_of_lists(here):
    rows = [{"user": u, "item": i, "time": t, "items": [1, 2]} for u, i, t in ROWS]
    (here / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert prepared(here, "--from", "mine.jsonl")[0]["sources"][0]["columns"]["item"] == "item"


ROWS_OF_LISTS = st.lists(
    st.tuples(
        st.sampled_from(["x", "y"]),
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=5),
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS_OF_LISTS, st.booleans())
@settings(max_examples=50)
def test_each_item_of_a_list_is_an_interaction_with_its_own_time_or_that_of_the_row(
    tmp_path_factory, rows, timed
):
    folder = tmp_path_factory.mktemp("lists")
    times = [[time for _, time in listed] if timed else 7 for _, listed in rows]
    items = [[item for item, _ in listed] for _, listed in rows]
    users = [user for user, _ in rows]
    expected = [
        (user, str(item), float(time if timed else 7))
        for user, listed in rows
        for item, time in listed
    ]
    lines = [
        json.dumps(dict(zip("uit", row, strict=True)))
        for row in zip(users, items, times, strict=True)
    ]
    (folder / "f").write_text("\n".join(lines))
    write_parquet(
        folder / "p",
        u=users,
        i=pa.array(items, pa.list_(pa.int64())),
        t=pa.array(times, pa.list_(pa.int64()) if timed else pa.int64()),
    )
    assert read(folder / "f", LINES) == expected
    assert read(folder / "p", TABLE) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"u": "b", "i": [2, 3], "t": [1]}', "item is a list of 2 and timestamp one of 1"),
        ('{"u": "b", "i": [2, null], "t": [1, 2]}', "item is missing"),
        ('{"u": "b", "i": null, "t": [1, 2]}', "item is missing"),
        ('{"u": null, "i": [2], "t": [1]}', "user is missing"),
        ('{"u": "b", "i": [[2]], "t": [1]}', "item should be text or a whole number"),
        ('{"u": "b", "i": ["2"], "t": [1]}', "item should be a whole number of at most 18 digits"),
        ('{"u": "b", "i": 2, "t": [1]}', "item should be a list, as in the first line"),
        ('{"u": "b", "i": [2], "t": ["now"]}', "timestamp should be a number"),
        ('{"u": ["b"], "i": [2], "t": [1]}', "user should be text"),
    ],
)
def test_a_line_whose_lists_do_not_fit_is_named(here, line, reason):
    (here / "f").write_text(FIRST * 3 + line + "\n" + FIRST)
    assert said(here / "f", LINES).startswith(f"{here}/f:4: {reason}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("b", [2, 3], [1]), "row 5: item is a list of 2 and timestamp one of 1"),
        (
            ("b", [2, None], [1, 2]),
            "row 5: item is missing (to leave out such rows: filters: {where_not: {i: ''}})",
        ),
        (("b", None, [1]), "row 5: item is missing"),
        (("b", [2], [1, None]), "row 5: item is a list of 1 and timestamp one of 2"),
        (("b", [2], [None]), "row 5: timestamp is missing"),
    ],
)
def test_a_row_of_a_parquet_file_whose_lists_do_not_fit_is_named(here, row, reason):
    users, items, times = zip(*[("a", [1, 2], [5, 6])] * 4, row, strict=True)
    write_parquet(here / "f", u=users, i=items, t=times)
    assert said(here / "f", TABLE) == f"{here}/f: {reason}"


def test_a_list_beside_items_that_are_none_is_refused(here):
    write_parquet(here / "f", u=["a"], i=[1], t=[[5, 6]])
    assert said(here / "f", TABLE) == f"{here}/f: row 1: timestamp is a list, and item is none"
    write_parquet(here / "f", u=[["a"]], i=[[1]], t=[[5]])
    assert "column 'u' has type list" in said(here / "f", TABLE)


def test_a_long_id_in_a_list_is_found_before_rows_are_read(here):
    write_parquet(here / "f", u=["a"] * 9, i=[[], *[["x" * 2_000_000]] * 8], t=[[], *[[5]] * 8])
    with pytest.raises(DataError, match="column 'i' has a value of more than 256 characters"):
        read(here / "f", TABLE)


def test_a_file_whose_unneeded_lists_cannot_be_read_is_described(here):
    """Lists of two row groups that do not fit together, rows without a list of a fixed size, and
    times after the year 9999."""
    users, items, times = zip(*ROWS, strict=True)
    category = pa.dictionary(pa.int8(), pa.string())
    write_parquet(
        here / "mine.parquet",
        user=users,
        item=items,
        time=times,
        tags=pa.array([["a", "b"]] * len(ROWS), pa.list_(category)),
        vector=pa.array([[1.5, 2], None] * (len(ROWS) // 2), pa.list_(pa.float32(), 2)),
        seen=pa.array([[2**60]] * len(ROWS), pa.list_(pa.timestamp("us"))),
    )
    columns = prepared(here, "--from", "mine.parquet")[0]["sources"][0]["columns"]
    assert columns == {"user": "user", "item": "item", "timestamp": "time"}


def test_lists_beside_single_items_are_not_read(here):
    lines = [
        {"user": u, "item": i, "time": t, "seen_at": ["31/01/2023"], "type": ["view", "sale"]}
        for u, i, t in ROWS
    ]
    lines[30]["time"] = []  # PHP writes nothing so
    (here / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    done = CliRunner().invoke(prepare.command, ["--from", "mine.jsonl"])
    assert done.exit_code == 1
    assert "Error: mine.jsonl:31: timestamp should be a number" in done.output
    lines[30]["time"] = ROWS[30][2]
    (here / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    said = prepared(here, "--from", "other.jsonl")[1]
    assert "- not read: seen_at, type\n" in said
    assert "filters" not in said


@pytest.mark.parametrize("ours", ["ts", "ts_list", "event_times", "timestamp"])
def test_lists_of_times_go_before_times_of_rows(here, ours):
    rows = [
        {
            "uid": row["user_id"],
            "page": "p",
            "created_at": "2019-01-01",
            "item_ids": row["item_ids"],
        }
        | {ours: row["timestamps"]}
        for row in of_users()
    ]
    (here / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = prepared(here, "--from", "mine.jsonl")[0]["sources"][0]["columns"]
    assert columns == {"user": "uid", "item": "item_ids", "timestamp": ours}


@pytest.mark.parametrize("times", [[5000, 6000], ["1970-01-01T00:00:05", "1970-01-01T00:00:06"]])
def test_the_unit_is_that_of_the_first_list_with_a_time(here, times):
    rows = [{"u": "x", "i": [], "t": []}, {"u": "a", "i": [1, 2], "t": times}]
    unit = {5000: "ms"}.get(times[0])
    (here / "f").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_parquet(here / "p", **{name: [row[name] for row in rows] for name in "uit"})
    for path, format in ((here / "f", "jsonl"), (here / "p", "parquet")):
        layout = readers.with_unit(path, layouts.layout_of(format, COLUMNS, timestamp_unit=unit))
        assert read(path, layout) == [("a", "1", 5.0), ("a", "2", 6.0)]


def test_lists_of_a_column_that_filters_need_may_be_missing(here):
    layout = layouts.layout_of("jsonl", {"user": "u", "item": "i"}).also(["kind"])
    rows = [
        {"u": "a", "i": [1, 2], "kind": [None, 3]},
        {"u": "b", "i": [4, 5]},
        {"u": "c", "i": [6], "kind": [7]},
    ]
    (here / "f").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (batch,) = readers.read(here / "f", layout)
    assert batch["user"].to_pylist() == list("aabbc")
    assert batch["item"].to_pylist() == list("12456")
    assert batch["where.kind"].to_pylist() == [None, "3", None, None, "7"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
        pa.list_view(pa.string()),
        pa.large_list(pa.string()),
        pa.list_(pa.string(), 2),
    ],
)
def test_lists_of_every_kind_are_read(here, kind):
    lists = [["x", "y"], ["z", "x"], ["y", "z"], ["x", "x"]]
    write_parquet(here / "f", u=list("abcd"), i=pa.array(lists, kind))
    layout = layouts.layout_of("parquet", {"user": "u", "item": "i"})
    expected = [(user, item) for user, items in zip("abcd", lists, strict=True) for item in items]
    assert read(here / "f", layout) == expected


def test_a_file_whose_lists_are_all_empty_has_no_interactions(here):
    pq.write_table(pa.Table.from_pylist([{"u": "x", "i": [], "t": []}]), here / "f")
    assert read(here / "f", TABLE) == []


def test_a_user_may_have_many_items(here):
    items = [f"item{n}" for n in range(60_000)]
    (here / "f").write_text(json.dumps({"u": "a", "i": items, "t": list(range(60_000))}))
    assert [item for _, item, _ in read(here / "f", LINES)] == items
