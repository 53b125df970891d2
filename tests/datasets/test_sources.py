"""Alternatives, parts, folders and files without a header: what is read, and what is said."""

import decimal
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import DataError
from datasets.prepare import load
from datasets.reading import layouts, text
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


def test_a_part_is_named_once(here):
    with pytest.raises(DataError, match="files should name 'a' once"):
        load(described(here, sources=[csv_source(files=["a", "b", "a"])]))


@pytest.mark.parametrize("key", ["file", "url", "size"])
def test_parts_and_one_file_cannot_stand_together(here, key):
    source = csv_source(files=["a"]) | {key: 3 if key == "size" else "a"}
    with pytest.raises(DataError, match="files cannot stand with file, url, size or sha256"):
        load(described(here, sources=[source]))


def test_the_folder_that_was_searched_is_named(here):
    with pytest.raises(
        DataError, match=rf"in \. or data \(relative paths begin at {here}; mlflow run:"
    ):
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


# --- files as other programs write them


@pytest.mark.parametrize("end", ["\n\n\n", "\r\n\r\n", "\n" * 1000])
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_empty_lines_at_the_end_are_no_rows(here, monkeypatch, end, block_bytes):
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    part(here / "data/a.csv", 0)
    with open(here / "data/a.csv", "a") as out:
        out.write(end)
    name = described(here, sources=[csv_source(file="a.csv")])
    assert len(load(name)[1].items) == 12
    with open(here / "data/a.csv", "a") as out:
        out.write("u,i,1\n")
    with pytest.raises(DataError, match=r"a.csv:14: 1 fields instead of 3"):
        load(name)


def test_what_macos_adds_to_an_archive_is_left_out(here):
    (here / "data").mkdir()
    with zipfile.ZipFile(here / "data/a.zip", "w") as archive:
        archive.writestr("m/a.csv", "u,i,t\nu,a,1\nu,b,2\nu,c,3\n")
        for name in ("__MACOSX/m/._a.csv", "m/._a.csv", "m/.DS_Store"):
            archive.writestr(name, b"\0\5\26\7")
    for member in ("*.csv", None):
        name = described(here, sources=[csv_source(file="a.zip", member=member)])
        assert len(load(name)[1].items) == 3


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "cp1252"])
def test_text_in_another_encoding_is_refused_or_read_as_it_is_said(here, encoding):
    content = "u,i,t\n" + "".join(f"é{u},ü{i},{i}\r\n" for u in range(400) for i in range(50))
    (here / "data").mkdir()
    (here / "data/a.csv").write_bytes(content.encode(encoding))
    with pytest.raises(DataError, match=r"a.csv.*: not UTF-8 text.*encoding: (latin-1|utf-16)"):
        load(described(here, sources=[csv_source(file="a.csv")]))
    source = csv_source(file="a.csv", encoding=encoding.removesuffix("-le"))
    if encoding == "utf-16-le":
        (here / "data/a.csv").write_bytes(f"\ufeff{content}".encode(encoding))
    sequences = load(described(here, sources=[source]))[1]
    assert (sequences.n_users, sequences.n_items) == (400, 50)
    assert sequences.item_ids[0] == "ü0"


def test_an_encoding_that_does_not_fit_is_one_line(here):
    (here / "data").mkdir()
    (here / "data/a.csv").write_bytes(b"u,i,t\n\xff\xff\xff,a,1\n")
    with pytest.raises(DataError, match=r"a.csv: not text in gb18030: .*"):
        load(described(here, sources=[csv_source(file="a.csv", encoding="gb18030")]))
    with pytest.raises(DataError, match=r"encoding should be one of utf-8, latin-1, .* 'zlib'"):
        load(described(here, sources=[csv_source(file="a.csv", encoding="zlib")]))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_unit_that_is_advised_is_the_one_that_works(here, unit):
    """The first row's time is 0, which is no unit's alone."""
    ticks = layouts.TICKS[unit]
    part(here / "data/a.csv", 0)
    seconds = [0, *(1_500_000_000 + k for k in range(3))]
    rows = [f"u,i{k},{time * ticks}\n" for k, time in enumerate(seconds)]
    (here / "data/a.csv").write_text("u,i,t\n" + "".join(rows))
    with pytest.raises(DataError, match=rf"a.csv:3: timestamp looks like .*timestamp_unit: {unit}"):
        load(described(here, sources=[csv_source(file="a.csv")]))
    source = csv_source(file="a.csv", timestamp_unit=unit)
    assert load(described(here, sources=[source]))[1].timestamps.tolist() == seconds
    times = pa.array([time * ticks for time in seconds])
    pq.write_table(pa.table({"u": ["u"] * 4, "i": range(4), "t": times}), here / "data/a.parquet")
    source = {"file": "a.parquet", "reader": "parquet", "columns": COLUMNS}
    with pytest.raises(DataError, match=rf"row 2: .* need timestamp_unit: {unit}\?"):
        load(described(here, sources=[source]))


def test_decimal_numbers_and_binary_ids_of_a_parquet_file_are_read(here):
    kinds = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string_view(), pa.decimal128(9)]
    stars = pa.array([decimal.Decimal("4.5")] * 3, pa.decimal128(3, 1))
    (here / "data").mkdir()
    for kind in kinds:
        values = [decimal.Decimal(k) for k in (1, 2, 3)] if kind == kinds[-1] else list("123")
        table = pa.table({"u": ["u"] * 3, "i": pa.array(values, kind), "r": stars})
        pq.write_table(table, here / "data/a.parquet")
        columns = {"user": "u", "item": "i", "rating": "r"}
        source = {"file": "a.parquet", "reader": "parquet", "columns": columns}
        sequences = load(described(here, sources=[source], filters={"rating": {"min": 4.5}}))[1]
        assert sequences.item_ids.tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("rating", ["", "NA"])
def test_ratings_that_nobody_filters_by_may_be_missing(here, rating):
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(f"i1,u,{rating},1\ni2,u,3,2\ni3,u,{rating},3\n")
    assert len(load(described(here))[1].items) == 3
    with pytest.raises(DataError, match=r"mine.csv:1: rating is (empty|not a number)"):
        load(described(here, filters={"rating": {"min": 1}}))


def test_files_may_be_absolute_or_relative_to_the_yaml_file(here, capsys, monkeypatch):
    part(here / "elsewhere/logs/2023.csv", 0)
    part(here / "elsewhere/logs/2024.csv", 3)
    part(here / "project/near.csv", 6)
    (here / "project/sub").mkdir()
    path = here / "project" / described(here / "project")
    monkeypatch.chdir(here / "project/sub")
    for source, rows, read in (
        ({"file": "near.csv"}, 12, "../near.csv"),
        ({"file": "../elsewhere/logs/2023.csv"}, 12, "../../elsewhere/logs/2023.csv"),
        ({"file": f"{here}/elsewhere/logs/2023.csv"}, 12, f"{here}/elsewhere/logs/2023.csv"),
        ({"file": "../elsewhere/logs"}, 24, "../../elsewhere/logs"),
        ({"file": f"{here}/elsewhere/logs"}, 24, f"{here}/elsewhere/logs"),
        ({"files": ["../elsewhere/logs/*.csv"]}, 24, ".."),
        ({"files": [f"{here}/elsewhere/*/202*.csv"]}, 24, f"{here}/elsewhere/logs"),
    ):
        described(path.parent, sources=[csv_source(**source)])
        assert len(load("../mine.yaml")[1].items) == rows
        assert f"{read}: {rows} rows read" in capsys.readouterr().out


def test_a_folder_that_is_named_goes_before_that_of_the_yaml_file(here):
    for folder, first in (("named", 0), (".", 3), ("data", 6)):
        part(here / folder / "mine.csv", first)
    name = described(here, sources=[csv_source(file="mine.csv")])
    assert load(name, "named")[1].item_ids[0] == "i0"
    assert load(name)[1].item_ids[0] == "i3"
