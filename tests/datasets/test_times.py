"""Times: their unit is recognised where the first row shows it, and every row has to have it."""

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import DataError
from datasets.prepare import load
from datasets.reading import times
from tests.datasets.test_load import described

COLUMNS = {"user": "u", "item": "i", "timestamp": "t"}
FIRST = 1_500_000_000


def loaded(here, *cells, reader="csv", **source) -> list[float]:
    """Times of the interactions of a file with these cells, in its order."""
    (here / "data").mkdir(exist_ok=True)
    lines = "".join(f"u,i{n},{cell}\n" for n, cell in enumerate(cells))
    (here / "data/mine.csv").write_text(f"u,i,t\n{lines}")
    source = {"file": "mine.csv", "reader": reader, "columns": COLUMNS} | source
    sequences = load(described(here, sources=[source]))[1]
    order = [int(item[1:]) for item in sequences.item_ids[sequences.items]]
    return [time for _, time in sorted(zip(order, sequences.timestamps.tolist(), strict=True))]


def in_python(text: str) -> float | None:
    """The seconds of ISO 8601 text by Python's own parser."""
    try:
        found = datetime.fromisoformat(text.replace(" UTC", "Z"))
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.none() | ZONES)
WRITTEN = MOMENTS.flatmap(
    lambda moment: st.sampled_from(["T", " "]).flatmap(
        lambda middle: st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]).map(
            lambda precision: moment.isoformat(middle, precision)
        )
    )
)
DAMAGED = st.text(st.sampled_from("0123456789-:T Z+.U"), max_size=24)
DAYS = st.tuples(*(st.integers(1, n) for n in (9999, 13, 32))).map(
    lambda day: "{:04}-{:02}-{:02}".format(*day)
)
NAMED = DAYS.map(lambda day: f"{day} 10:11:12 UTC")


@given(st.lists(WRITTEN | DAYS | NAMED | DAMAGED, min_size=1, max_size=6))
def test_iso_times_are_those_of_pythons_parser(texts):
    found = times.iso_seconds(pa.array(texts, pa.string())).to_pylist()
    for text, seconds in zip(texts, found, strict=True):
        if text.startswith("0000"):  # Arrow has a year 0
            continue
        if seconds is not None:
            assert seconds == pytest.approx(in_python(text), abs=1e-4)
        elif times.LOOKS_ISO.match(text) and "." not in text:
            assert in_python(text) is None


@given(WRITTEN)
def test_every_usual_form_is_read(text):
    assert times.iso_seconds(pa.array([text]))[0].is_valid


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01 00:01", 60),
        ("1969-12-31T23:59:59.5Z", -0.5),
        ("1970-01-01 01:00:00 UTC", 3_600),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 01:00:00 -0130", 9_000),
        ("1970-01-01T01:00:00+02", -3_600),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        ("1970-01-01T00:00:00,5", None),
        ("1970-02-30", None),
        ("1970-01-01T24:00:00", None),
        ("1970-1-1", None),
        ("01/02/1970", None),
        ("19700101", None),
        ("", None),
    ],
)
def test_forms_of_iso_times(text, seconds):
    assert times.iso_seconds(pa.array([text])).to_pylist() == [seconds]


@pytest.mark.parametrize(
    ("ticks", "words"),
    [(1, ""), (1_000, "milliseconds"), (1_000_000, "microseconds"), (10**9, "nanoseconds")],
)
def test_the_unit_of_large_numbers_is_recognised_and_printed(here, capsys, ticks, words):
    assert loaded(here, *(str((FIRST + n) * ticks) for n in range(4))) == [
        FIRST + n for n in range(4)
    ]
    said = capsys.readouterr().out
    assert ("data/mine.csv: the times are read as " in said) == bool(words)
    assert f"read as {words} since 1970\n" in said or not words


def test_iso_times_are_recognised_and_printed(here, capsys):
    assert loaded(here, "2017-07-14T02:40:00Z", "2017-07-14 04:40:01+02:00", "2017-07-15") == [
        FIRST,
        FIRST + 1,
        1_500_076_800,
    ]
    assert "the times are read as ISO 8601 dates or times\n" in capsys.readouterr().out


MIXED = r"is before 1973 in ms, the unit of the first row: give timestamp_unit"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((FIRST * 1000, FIRST), f"mine.csv:3: timestamp {MIXED}"),
        ((FIRST, FIRST * 1000), "mine.csv:3: timestamp looks like milliseconds: add timestamp_u"),
        ((FIRST, "2017-07-14"), "mine.csv:3: timestamp is not a number"),
        (("2017-07-14", FIRST), "mine.csv:3: timestamp is not an ISO 8601 date or time, such as"),
        (("2017-07-14", "2017-02-30"), "mine.csv:3: timestamp is not an ISO 8601 date or time"),
        (("2017-07-14", ""), "mine.csv:3: timestamp is empty"),
        (("14/07/2017", "15/07/2017"), "mine.csv:2: timestamp is not a number"),
        ((10**30, 10**30), "mine.csv:2: timestamp is too large to be s since 1970"),
    ],
)
def test_rows_in_another_unit_are_named(here, cells, message):
    with pytest.raises(DataError) as caught:
        loaded(here, *cells)
    assert message in str(caught.value)


def test_a_unit_that_is_given_is_not_doubted(here):
    assert loaded(here, 5, 6, 10**12, timestamp_unit="ms") == [0.005, 0.006, 10**9]
    with pytest.raises(DataError, match=r"mine.csv:2: timestamp is not an ISO 8601 date"):
        loaded(here, FIRST, timestamp_unit="iso")


def test_files_in_different_units_are_refused(here):
    (here / "data").mkdir()
    for name, ticks in (("a.csv", 1), ("b.csv", 1000)):
        (here / "data" / name).write_text(f"u,i,t\nu,a,{FIRST * ticks}\nu,b,{FIRST * ticks}\n")
    source = {"files": ["a.csv", "b.csv"], "reader": "csv", "columns": COLUMNS}
    with pytest.raises(DataError, match=r"b.csv: the times look like milliseconds .* data/a.csv"):
        load(described(here, sources=[source]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([FIRST * 1000, FIRST * 1000 + 500]), [FIRST, FIRST + 0.5]),
        (pa.array(["2017-07-14T02:40:00Z", "2017-07-14T02:40:01.5"]), [FIRST, FIRST + 1.5]),
        (pa.array(["1970-01-02", "1970-01-03"]).dictionary_encode(), [86_400, 172_800]),
        (pa.array([date(1970, 1, 2), date(1970, 1, 3)], pa.date64()), [86_400, 172_800]),
        (pa.array([datetime(2970, 1, 2), datetime(2970, 1, 3)]), [31557081600, 31557168000]),
        (pa.array([b"1970-01-02", b"1970-01-03"], pa.binary()), [86_400, 172_800]),
    ],
)
def test_times_of_parquet_files(here, values, expected):
    (here / "data").mkdir()
    values = pa.concat_arrays([values, values[1:]])
    expected = [*expected, expected[1]]
    table = pa.table({"u": ["u"] * 3, "i": ["a", "b", "c"], "t": values})
    pq.write_table(table, here / "data/mine.parquet")
    source = {"file": "mine.parquet", "reader": "parquet", "columns": COLUMNS}
    assert load(described(here, sources=[source]))[1].timestamps.tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2017-07-14", "yesterday"], "row 2: timestamp is missing, or is not an ISO 8601 date"),
        (["yesterday", "2017-07-14"], "column 't' has type string: timestamp should be numbers"),
        ([FIRST * 1000, FIRST], f"row 2: timestamp {MIXED}"),
    ],
)
def test_other_times_of_parquet_files_are_named(here, values, message):
    (here / "data").mkdir()
    pq.write_table(pa.table({"u": ["u", "u"], "i": ["a", "b"], "t": values}), here / "data/f")
    source = {"file": "f", "reader": "parquet", "columns": COLUMNS}
    with pytest.raises(DataError) as caught:
        load(described(here, sources=[source]))
    assert message in str(caught.value)
