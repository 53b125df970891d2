"""Alternatives, parts, folders and files without a header: what is read, and what is said."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import DataError
from datasets.prepare import load
from tests.datasets.test_load import described

COLUMNS = {"user": "u", "item": "i", "timestamp": "t"}


def part(path, first: int, header: str = "u,i,t\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"u{user},i{item},{item}\n" for user in range(4) for item in range(first, first + 3)]
    path.write_text(header + "".join(rows))


def csv_source(**source) -> dict:
    return {"reader": "csv", "columns": dict(COLUMNS)} | source


def test_parts_are_read_as_one_file_in_order(here, capsys):
    for number in range(12):
        part(here / f"data/mine-{number}.csv", 10 * number)
    name = described(here, sources=[csv_source(files=["mine-*.csv"])])
    assert len(load(name)[1].items) == 144
    assert "data: 144 rows read, 12 files\n" in capsys.readouterr().out
    columns = {"user": "u", "item": "i"}  # without times, the order is the files'
    name = described(here, sources=[csv_source(files=["mine-*.csv"], columns=columns)])
    sequences = load(name)[1]
    items = sequences.item_ids[sequences.items[:36]]
    assert items.tolist() == [f"i{10 * n + k}" for n in range(12) for k in range(3)]


def test_a_part_that_is_missing_or_other_is_an_error(here):
    part(here / "data/a.csv", 0)
    name = described(here, sources=[csv_source(files=["a.csv", "b.csv"])])
    with pytest.raises(DataError, match=r"data/b.csv: this part of the data does not exist"):
        load(name)
    (here / "data/b.csv").write_text("u,i,t\na,b,x\n")
    with pytest.raises(DataError, match=r"data/b.csv:2: timestamp is not a number"):
        load(name)


def test_sources_that_are_not_read_are_named(here, capsys):
    for name in ("a.csv", "b.csv", "c.csv"):
        part(here / "data" / name, 0)
    sources = [csv_source(file=name) for name in ("a.csv", "b.csv", "no.csv", "c.csv")]
    load(described(here, sources=sources))
    out = capsys.readouterr().out
    assert "data/a.csv is read; not read: data/b.csv, data/c.csv (each of the sources has" in out


def test_a_folder_that_spark_wrote_is_read(here):
    folder = here / "data/ratings"
    (folder / "day=1").mkdir(parents=True)
    for number in range(3):
        table = pa.table({"u": ["a", "b"] * 3, "i": list(range(6)), "t": [number] * 6})
        pq.write_table(table, folder / "day=1" / f"part-0000{number}.snappy.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "day=1/.part-00000.snappy.parquet.crc").write_bytes(b"crc")
    source = {"file": "ratings", "reader": "parquet", "columns": COLUMNS}
    assert len(load(described(here, sources=[source]))[1].items) == 18


@pytest.mark.parametrize("key", ["file", "url", "size"])
def test_parts_and_one_file_cannot_stand_together(here, key):
    source = csv_source(files=["a"]) | {key: 3 if key == "size" else "a"}
    with pytest.raises(DataError, match="files cannot stand with file, url, size or sha256"):
        load(described(here, sources=[source]))


def test_the_folder_that_was_searched_is_named(here):
    with pytest.raises(DataError, match=rf"in data \(relative paths begin at {here}; mlflow run:"):
        load(described(here))
    with pytest.raises(DataError, match=rf"no: the data folder does not exist \(.* {here}; mlfl"):
        load(described(here), "no")


# --- files without a header


def test_the_numbers_of_the_fields_read_a_file_without_a_header(here):
    part(here / "data/a.csv", 0, header="")
    name = described(here, sources=[csv_source(file="a.csv", columns={"user": 1, "item": 2})])
    assert len(load(name)[1].items) == 12
    columns = {"user": 1, "item": 4}
    name = described(here, sources=[csv_source(file="a.csv", columns=columns)])
    with pytest.raises(DataError, match=r"a.csv:1: item should be field number 4, found 'u0,i0,0'"):
        load(name)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": "u0", "item": "i0", "timestamp": "0"}, r"a.csv:1: the timestamp '0' is a number"),
        ({"user": "u0", "item": "i0"}, r"a.csv:2: user is 'u0' as in line 1, the header: if the"),
    ],
)
def test_a_first_row_that_is_taken_for_a_header_is_not_lost(here, columns, message):
    part(here / "data/a.csv", 0, header="")
    name = described(here, sources=[csv_source(file="a.csv", columns=columns)])
    with pytest.raises(DataError, match=message):
        load(name)


def test_a_header_that_pandas_counted_is_a_header(here):
    part(here / "data/a.csv", 0, header="0,1,2\n")
    columns = {"user": "0", "item": "1", "timestamp": "2"}
    name = described(here, sources=[csv_source(file="a.csv", columns=columns)])
    assert len(load(name)[1].items) == 12
