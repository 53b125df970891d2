"""Filters: where, duplicates and the minima, each against a plain computation of the same."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datasets import DataError, filters, prepare
from datasets.prepare import load
from datasets.specs import recbole, spec
from tests.conftest import card_of
from tests.datasets.test_load import described

COLUMNS = {"user": "u", "item": "i", "timestamp": "t", "rating": "r"}
EVENTS = ("view", "cart", "purchase")
ROWS = [
    (f"u{user}", f"i{n * (user + 2) % 5}", n, 1 + n % 3, EVENTS[n % 3], n % 2 == 0)
    for user in range(4)
    for n in range(15)
]


def events(here, reader: str = "csv", rows=ROWS, **changes) -> str:
    """The YAML file of an event log with the columns u, i, t, r, event and done."""
    frame = pd.DataFrame(rows, columns=["u", "i", "t", "r", "event", "done"])
    (here / "data").mkdir(exist_ok=True)
    if reader == "csv":
        frame.to_csv(here / "data/log", index=False)
    elif reader == "jsonl":
        frame.to_json(here / "data/log", orient="records", lines=True)
    else:
        frame.to_parquet(here / "data/log")
    return described(
        here, sources=[{"file": "log", "reader": reader, "columns": COLUMNS}], **changes
    )


def pairs(sequences) -> list[list[str]]:
    """The items of each user, in their order."""
    bounds = zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    return [sequences.item_ids[sequences.items[a:b]].tolist() for a, b in bounds]


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"event": "purchase"}, lambda row: row[4] == "purchase"),
        ({"event": ["purchase", "cart"]}, lambda row: row[4] != "view"),
        ({"done": True}, lambda row: row[5]),
        ({"t": 3, "event": "view"}, None),
        (
            {"event": ["purchase", "view"], "done": False},
            lambda row: row[4] != "cart" and not row[5],
        ),
        ({"u": ["u1", "u3"]}, lambda row: row[0] in ("u1", "u3")),
    ],
)
def test_rows_with_one_of_the_values_are_kept(here, capsys, reader, where, wanted):
    if wanted is None:
        with pytest.raises(DataError, match=r"'t' is the timestamp: use filters: timestamp"):
            load(events(here, reader, filters={"where": where}))
        return
    found = pairs(load(events(here, reader, filters={"where": where}))[1])
    users = dict.fromkeys(row[0] for row in ROWS if wanted(row))
    assert found == [[row[1] for row in ROWS if row[0] == user and wanted(row)] for user in users]
    assert "rows read, " in capsys.readouterr().out


def test_where_comes_first_and_is_counted(here, capsys):
    wanted = {"where": {"event": "purchase"}, "rating": {"min": 3}, "timestamp": {"max": 8}}
    load(events(here, filters=wanted))
    assert (
        "data/log: 60 rows read, 40 with another event than purchase, "
        "8 with timestamp outside [-inf, 8.0]\n" in capsys.readouterr().out
    )


def test_columns_of_files_without_a_header_have_numbers(here):
    (here / "data").mkdir()
    lines = "".join(f"{u}\t{event}\t{i}\t{t}\n" for u, i, t, _, event, _ in ROWS)
    (here / "data/log").write_text(lines)
    source = {"file": "log", "reader": "csv", "separator": "\t"}
    source["columns"] = {"user": 1, "item": 3, "timestamp": 4}
    wanted = {"where": {2: "purchase"}}
    found = pairs(load(described(here, sources=[source], filters=wanted))[1])
    assert found[0] == [row[1] for row in ROWS if row[0] == "u0" and row[4] == "purchase"]
    with pytest.raises(DataError, match="where should be the number of a field, not 'event'"):
        load(described(here, sources=[source], filters={"where": {"event": "purchase"}}))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"where": "purchase"}, "filters.where should be a mapping, not 'purchase'"),
        ({"where": {"event": []}}, "filters.where should have lines of text, not {'event': []}"),
        ({"where": {"event": 1.5}}, "filters.where.event should be text, whole numbers, or true"),
        ({"where": {"event": None}}, "filters.where.event should be text"),
        ({"where": {2: "purchase"}}, "where should be the name of a column, not 2"),
        ({"where": {"r": 3}}, "where: 'r' is the rating: use filters: rating: {min: , max: }"),
        ({"where": {"event": "a\nb"}}, "filters.where should have lines of text, not"),
        ({"where": {"kind": "x"}}, "log:1: the header should name 'kind' once, found 'u,i,t,r,"),
        ({"duplicates": "none"}, "duplicates should be one of keep, first, last, consecutive"),
        ({"duplicates": False}, "duplicates in filters should be text, not False"),
        ({"k_core": {"users": 5}}, "k_core should be a number or {user: 5, item: 3}, not {'us"),
        ({"k_core": {"user": "5"}}, "k_core.user in filters should be a whole number, not '5'"),
        ({"k_core": {"item": -1}}, "k_core.item in filters should be from 0 to 1,000,000,000"),
    ],
)
def test_filters_that_make_no_sense_are_refused(here, wanted, message):
    with pytest.raises(DataError) as caught:
        load(events(here, filters=wanted))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_value_that_no_row_has_is_named_with_those_that_there_are(here):
    with pytest.raises(DataError) as caught:
        load(events(here, filters={"where": {"event": "buy"}}))
    assert str(caught.value) == (
        "data/log: filters.where: no row has 'buy' in event; the first rows have 'cart', "
        "'purchase', 'view'"
    )


def test_a_first_part_without_rows_is_no_obstacle_to_the_message(here):
    Path("data").mkdir()
    Path("data/a.csv").write_text("user,item,timestamp,event\n")
    Path("data/b.csv").write_text("user,item,timestamp,event\nu,i,1,view\nu,j,2,view\n")
    columns = "{user: user, item: item, timestamp: timestamp}"
    source = f"{{files: [a.csv, b.csv], reader: csv, columns: {columns}}}"
    Path("p.yaml").write_text(
        f"title: P\nsources: [{source}]\nfilters: {{where: {{event: buy}}}}\n"
    )
    with pytest.raises(DataError, match="no row has 'buy' in event; the first rows have 'view'"):
        load("p.yaml")


def test_values_that_no_row_has_together_are_named(here):
    wanted = {"where": {"event": "view", "u": "u1"}, "timestamp": {"max": -1}}
    assert load(events(here, filters={"where": wanted["where"]}))[1].n_users == 1
    with pytest.raises(DataError, match="no interaction is left after the filters"):
        load(events(here, filters=wanted))  # rows that the next filter removes
    rows = [("u", f"i{n}", n, 3, ("view", "buy")[n % 2], n % 2 == 0) for n in range(8)]
    with pytest.raises(DataError, match=r"filters.where: no row has all of {.*'view'"):
        load(events(here, rows=rows, filters={"where": {"event": "view", "done": False}}))


def test_layouts_without_names_have_no_further_columns(here):
    with pytest.raises(DataError, match="where should be for files whose columns have names"):
        load(described(here, filters={"where": {"event": "x"}}))


# --- where_not


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet"])
def test_rows_without_an_id_are_left_out_if_asked(here, capsys, reader):
    extra = [(None, "i1", 3, 1, "view", True), ("guest", "i1", 3, 1, "view", True)]
    rows = [*ROWS[:20], *extra, *ROWS[20:], ("u1", None, 9, 1, "test", True)]
    reason = "is missing" if reader == "parquet" else "is (missing|empty)"
    with pytest.raises(DataError, match=rf"user {reason} .to leave out.*where_not: {{u: ''}}"):
        load(events(here, reader, rows))
    wanted = {"where_not": {"u": ["", "guest"], "event": "test"}}
    found = load(events(here, reader, rows, filters=wanted))[1]
    assert "63 rows read, 1 with event test, 2 with u empty or guest" in capsys.readouterr().out
    assert pairs(found) == pairs(load(events(here, reader))[1])
    assert found.digest == load(events(here, reader))[1].digest
    with pytest.raises(DataError, match="item is"):
        load(events(here, reader, rows, filters={"where_not": {"u": ["", "guest"]}}))


def test_the_card_names_the_values(here):
    wanted = {"where": {"event": ["cart", "purchase"]}, "where_not": {"u": ["", "u3"]}}
    page = card_of(*load(events(here, filters=wanted))).render()
    assert (
        "**Data filtering:** delete interactive records with event other than cart or purchase or "
        "u empty or u3\n"
    ) in page


def test_a_value_that_no_row_has_is_said(here, capsys):
    wanted = {"where_not": {"event": "veiw"}, "where": {"done": True}}
    load(events(here, filters=wanted))
    assert "data/log: filters.where_not: no row has 'veiw' in event\n" in capsys.readouterr().out


def test_the_hint_is_one_that_can_be_followed(here):
    """YAML takes some names for something else, and of a split no row may be left out."""
    (here / "data").mkdir()
    (here / "data/a.csv").write_text("item #,0\nx,u\ny,\n")
    source = {"file": "a.csv", "reader": "csv", "columns": {"user": "0", "item": "item #"}}
    with pytest.raises(DataError) as caught:
        load(described(here, sources=[source]))
    hint = str(caught.value).split("such rows: filters: ")[1].split(")")[0]
    assert yaml.safe_load(hint) == {"where_not": {"0": ""}}
    for name in ("train", "valid", "test"):
        (here / f"data/{name}.csv").write_text("user,item\nu,x\n,y\n")
    columns = {"user": "user", "item": "item"}
    split = {name: f"{name}.csv" for name in ("train", "valid", "test")}
    with pytest.raises(DataError, match="user is empty: expected"):
        load(described(here, sources=[{"reader": "csv", "columns": columns}], split=split))


def test_rows_that_are_left_out_need_no_numbers(here):
    """A view has no rating; a later line that is malformed is the one that is named."""
    rows = [(*row[:3], None if row[4] == "view" else row[3], *row[4:]) for row in ROWS]
    wanted = {"where_not": {"event": "view"}, "rating": {"min": 2}}
    found = load(events(here, rows=rows, filters=wanted))[1]
    kept = [row for row in ROWS if row[4] != "view" and row[3] >= 2]
    assert found.n_interactions == len(kept)
    with pytest.raises(DataError, match=r"log:2: rating is empty: expected 'u,i,t,r,,'"):
        load(events(here, rows=rows, filters={"rating": {"min": 2}}))
    yaml_file = events(here, rows=[(None, "i1", 3, 1, "view", True), *rows], filters=wanted)
    with Path("data/log").open("a") as file:
        file.write("u1,i1,5\n")
    with pytest.raises(DataError, match=r"log:63: 3 fields instead of 6"):
        load(yaml_file)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"where_not": {"event": []}}, "filters.where_not should have lines of text"),
        ({"where_not": {"kind": "x"}}, "log:1: the header should name 'kind' once"),
        ({"where_not": {"event": [*EVENTS]}}, "no interaction is left after the filters"),
    ],
)
def test_where_not_that_makes_no_sense_is_refused(here, wanted, message):
    with pytest.raises(DataError, match=message):
        load(events(here, filters=wanted))


# --- duplicates

SHORT = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from("abc"), st.integers(0, 4)), max_size=12
)


def by_hand(rows, keep) -> list[int]:
    """The positions of the rows that are kept."""
    times = [row[2] if len(row) > 2 else 0 for row in rows]
    order = sorted(range(len(rows)), key=lambda n: times[n])
    kept, last = {}, {}
    for n in order:
        user, item = rows[n][:2]
        if keep == "consecutive":
            if last.get(user) != item:
                kept[n] = n
            last[user] = item
        elif keep == "last" or (user, item) not in kept:
            kept[user, item] = n
    return sorted(kept.values())


@given(SHORT, st.sampled_from(["first", "last", "consecutive"]), st.booleans())
def test_duplicates_are_those_of_a_plain_loop(rows, keep, timed):
    rows = rows if timed else [row[:2] for row in rows]
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"][: 3 if timed else 2])
    assert filters.without_duplicates(frame, keep).index.tolist() == by_hand(rows, keep)


@pytest.mark.parametrize("keep", ["first", "last"])
def test_duplicates_go_before_ratings_as_in_recbole(here, keep, capsys):
    """RecBole: sort by time, drop duplicates of user and item, then filter by value."""
    frame = pd.DataFrame(ROWS, columns=["u", "i", "t", "r", "event", "done"])
    once = frame.sort_values("t", kind="stable").drop_duplicates(["u", "i"], keep=keep)
    expected = once[once["r"] >= 2].groupby("u")["i"].apply(list)
    wanted = {"duplicates": keep, "rating": {"min": 2}}
    found, sequences = load(events(here, filters=wanted))
    assert pairs(sequences) == expected.tolist()
    assert f" duplicates ({keep} kept), " in capsys.readouterr().out
    page = card_of(found, sequences).render()
    assert f"a pair of user and item again (the {keep} is kept) or rating less than 2" in page
    configuration = page.split("```yaml\n")[1].split("```")[0]
    (here / "again.yaml").write_text(configuration)
    assert spec.read("again.yaml").filters == found.filters
    assert yaml.safe_load(configuration)["filters"]["duplicates"] == keep
    (here / "card.yaml").write_text(f"rm_dup_inter: {keep}\nval_interval: {{rating: '[2,inf)'}}\n")
    assert load("mine.yaml", None, "card.yaml")[1].digest == sequences.digest


def test_generated_data_have_duplicates_too(here):
    (here / "card.yaml").write_text("rm_dup_inter: first\n")
    sequences = prepare.prepare(recbole.read_spec("demo", "card.yaml"))
    assert sequences.statistics["pairs"] == sequences.n_interactions


def test_consecutive_needs_an_order_of_equal_times(here):
    with pytest.raises(DataError, match="consecutive needs an order of equal times, and ties: ran"):
        load(events(here, filters={"duplicates": "consecutive"}, ties="random"))


# --- minima


def test_users_and_items_may_have_minima_of_their_own(here, capsys):
    rows = [("u", f"i{n}", n, 3, "view", True) for n in range(6)]
    rows += [(f"v{k}", f"i{n}", n, 3, "view", True) for k in range(3) for n in range(k + 1)]
    found, sequences = load(events(here, rows=rows, filters={"k_core": {"user": 3, "item": 2}}))
    assert pairs(sequences) == [["i0", "i1", "i2"], ["i0", "i1", "i2"]]
    assert "outside the 3-2-core" in capsys.readouterr().out
    page = card_of(found, sequences).render()
    assert (
        "**K-core filtering:** delete users with less than 3 interactions and items with less "
        "than 2, until all have as many" in page
    )
    configuration = page.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(configuration)["filters"]["k_core"] == {"user": 3, "item": 2}
    (here / "again.yaml").write_text(configuration)
    assert spec.read("again.yaml").filters == found.filters
    assert Counter(x for items in pairs(sequences) for x in items)["i0"] == 2


def test_equal_minima_are_a_k_core(here):
    for k in ({"user": 2, "item": 2}, 2):
        assert spec.read(events(here, filters={"k_core": k})).filters.k_core == 2
