"""Rows that list the items of a user: the same data as a row for each item, or an error."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, layouts
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
        (("b", [2, None], [1, 2]), "row 5: item is missing"),
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
    write_parquet(here / "f", u=["a"] * 9, i=[["x" * 2_000_000]] * 9, t=[[5]] * 9)
    with pytest.raises(DataError, match="column 'i' has a value of more than 256 characters"):
        read(here / "f", TABLE)
