"""Any file gives its rows, or one line that says what is wrong and where."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.prepare import load
from datasets.reading import bombs, layouts, readers, streams, text, times
from tests.datasets.test_load import described
from tests.datasets.test_readers import FILES, ROWS, read, rows

ROW = "i1,u1,5,1\n"


def said(path, reader="amazon-2018", member=None) -> str:
    with pytest.raises(DataError) as caught:
        rows(path, reader, member)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


def zipped(text: str | bytes, name: str = "a", **options) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **({"compression": zipfile.ZIP_DEFLATED} | options)) as archive:
        archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{ROW}i2,u\x1b[31m,5,2\n", "f:2: control character '\\x1b': not a text file"),
        (f"{ROW}i2,u\x00,5,2\n", "f:2: control character '\\x00'"),
        (f"{ROW}i2,u\x7f,5,2\n", "f:2: control character '\\x7f'"),
        (f"{ROW * 20_000}i2,u\x0b,5,2\n", "f:20001: control character '\\x0b'"),
        ("i1,u1,5,1\ri2,u1,5,2\r", "f:1: a carriage return within a line"),
        (f"{ROW}i1,u1,5,1\r\r\n", "f:2: a carriage return within a line"),
        (f"{ROW}i1,u1,5,1\r", "f:2: a carriage return within a line"),
        (f"{ROW}i1,u{'1' * 70_000},5,1\n", "f:2: a line of more than 65,536 bytes"),
        ("x" * 1_000_000, "f:1: a line of more than 65,536 bytes"),
        (f"{ROW}i1,u{'1' * 256},5,1\n", "f:2: user has 257 characters, more than 256"),
        (f"i{'é' * 256},u,5,1\n", "f:1: item has 257 characters, more than 256"),
        (f"{ROW}i1,u1,5,1490000000000\n", "f:2: timestamp looks like milliseconds, this reader"),
        (f"{ROW}i1,u1,5,1_000\n", "f:2: timestamp is not a number"),
        (f"{ROW}i1,u1,٣,1\n", "f:2: rating is not a number"),
        (ROW.encode("utf-16"), "f: not UTF-8 text, it looks like UTF-16: add encoding: utf-16"),
        (ROW.encode("utf-16-le"), "f: not UTF-8 text, it looks like UTF-16"),
        (ROW.encode("utf-16-be"), "f: not UTF-8 text, it looks like UTF-16"),
        (ROW.encode("utf-32"), "f: not UTF-8 text, it looks like UTF-16"),
        (f"{ROW}i1,ü,5,1\n".encode("latin-1"), "f:2: not UTF-8 text: add its encoding"),
        (gzip.compress(ROW.encode(), mtime=0), "f: compressed data instead of text: unpack the"),
    ],
)  # fmt: skip
def test_what_no_file_of_interactions_has_is_named(here, content, message):
    (here / "f").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in said(here / "f")


def test_a_carriage_return_between_two_blocks_ends_a_line(here):
    (here / "f").write_bytes(b"i,u,5,1\r\n" * 50_000)  # 65,536 bytes are no whole number of lines
    assert len(rows(here / "f", "amazon-2018")) == 50_000


def test_the_longest_id_that_is_taken(here):
    (here / "f").write_text(f"{'é' * 256},u,5,1\n")
    assert rows(here / "f", "amazon-2018") == [("u", "é" * 256, 5.0, 1.0)]


@pytest.mark.parametrize("reader", FILES)
def test_a_byte_order_mark_is_skipped(here, reader):
    (here / "f").write_text(FILES[reader], encoding="utf-8-sig")
    assert rows(here / "f", reader) == ROWS


def test_times_before_1970_are_kept(here):
    (here / "f").write_text("i,u,5,-100.5\ni,u,5,-1490000000000\n")
    assert [row[3] for row in rows(here / "f", "amazon-2018")] == [-100.5, -1490000000000]


def test_milliseconds_are_taken_where_they_belong_and_microseconds_nowhere(here):
    header = "user_id,parent_asin,rating,timestamp\n"
    (here / "f").write_text(f"{header}u,i,5,1490000000000\n")
    assert rows(here / "f", "amazon-2023") == [("u", "i", 5.0, 1490000000.0)]
    (here / "f").write_text(f"{header}u,i,5,1490000000000000\n")
    assert "f:2: timestamp is too large to be ms since 1970" in said(here / "f", "amazon-2023")


BOMB = "it unpacks to more than 100 times its size: if you trust the file, use it without comp"


@pytest.mark.parametrize("packed", [gzip.compress, zipped])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(here, monkeypatch, packed):
    monkeypatch.setattr(bombs, "MOST_UNPACKED", 1_000_000)
    path = here / ("f.gz" if packed is gzip.compress else "f.zip")
    path.write_bytes(packed(ROW.encode() * 200_000))
    assert BOMB in said(path)
    path.write_bytes(packed(ROW.encode() * 90_000))  # as dense, and not large
    assert len(rows(path, "amazon-2018")) == 90_000
    monkeypatch.setattr(bombs, "MOST_UNPACKED", 1_000)
    numbers = np.random.default_rng(0).integers(10**6, size=(2_000, 2)).tolist()
    path.write_bytes(packed("".join(f"i{i},u{u},5,1\n" for i, u in numbers).encode()))  # large
    assert len(rows(path, "amazon-2018")) == 2_000


def unpacked_before(error: str, path, monkeypatch) -> int:
    """Bytes of text that are read before the file is refused with that error."""
    read = []
    pass_on = streams._CheckedText.readinto

    def counted(text, buffer):
        read.append(pass_on(text, buffer))
        return read[-1]

    monkeypatch.setattr(streams._CheckedText, "readinto", counted)
    assert error in said(path)
    return sum(read)


def changed(archive: bytes, offset: int, value: int) -> bytes:
    """The archive with other four bytes in the directory's entry of its only member."""
    start = archive.rindex(b"PK\x01\x02") + offset
    return archive[:start] + struct.pack("<I", value) + archive[start + 4 :]


PACKED_SIZE, SIZE = 20, 24  # offsets of a member's sizes, as the directory claims them


def test_little_of_a_bomb_is_unpacked(here, monkeypatch):
    text = ROW.encode() * 100_000
    bomb = zipped(text * 40)
    files = {
        "a.zip": (bomb, BOMB, 0),
        "packed.zip": (changed(bomb, PACKED_SIZE, 1 << 31), BOMB, 0),
        "small.zip": (changed(bomb, SIZE, 5000), "damaged archive: Bad CRC-32", 5000),
        "one.gz": (gzip.compress(text * 40), BOMB, 17_000_000),
        "many.gz": (gzip.compress(text) * 40, BOMB, 17_000_000),
    }
    for name, (content, error, most) in files.items():
        (here / name).write_bytes(content)
        assert unpacked_before(error, here / name, monkeypatch) <= most, name


def test_a_parquet_file_that_unpacks_without_bounds_is_refused(here):
    """An id of a million characters for a million rows, and many rows in a few bytes."""
    for ids, length, error in [
        (["x" * 1_000_000], 1_000_000, "f: column 'u' has a value of more than 256 characters"),
        (["x"], 5_000_000, f"f: {BOMB}"),
    ]:
        codes = pa.DictionaryArray.from_arrays(np.zeros(length, np.int8), ids)
        pq.write_table(pa.table({"u": codes, "i": codes}), here / "f", store_schema=False)
        with pytest.raises(DataError, match=error):
            read(here / "f", layouts.layout_of("parquet", {"user": "u", "item": "i"}))


def test_members_that_would_leave_the_folder_are_streamed_and_nothing_is_written(here):
    (here / "inside").mkdir()
    with zipfile.ZipFile(here / "inside/a.zip", "w") as archive:
        archive.writestr("../../evil.txt", "evil")
        archive.writestr("/tmp/evil.txt", "evil")
        archive.writestr("books/", "")
        archive.writestr("../../books.inter", FILES["recbole"])
    before = sorted(here.rglob("*"))
    assert rows(here / "inside/a.zip", "recbole", "*.inter") == ROWS
    assert sorted(here.rglob("*")) == before
    assert not (here.parent / "books.inter").exists()


def test_archives_that_lie_are_encrypted_or_nested_are_one_line_each(here):
    whole = zipped(ROW * 1000)
    files = {
        "encrypted": (changed(whole, 8, 8 << 16 | 1), "the archive is encrypted: unpack it, and"),
        "short": (changed(whole, SIZE, 5000), "damaged archive: Bad CRC-32"),
        "cut": (changed(whole, PACKED_SIZE, 10), "damaged archive: "),
        "bzip2": (
            zipped(ROW, compression=zipfile.ZIP_BZIP2),
            "only zip archives with deflate compression",
        ),
        "nested": (zipped(zipped(ROW)), "compressed data instead of text"),
        "empty": (zipped("", "folder/"), "the archive should hold one file, holds []"),
        "coloured": (
            zipped(ROW, "\x1b[31m.txt"),
            "the archive should hold one *.csv, holds ['\\x1b[31m.txt']",
        ),
    }
    for name, (content, message) in files.items():
        (here / f"{name}.zip").write_bytes(content)
        assert f"{name}.zip: {message}" in said(
            here / f"{name}.zip", member="*.csv" if name == "coloured" else None
        )


# --- any bytes


OWN = {
    "histories": layouts.layout_of("csv", {"user": "u", "item": "i", "history": "h"}),
    "csv": layouts.layout_of("csv", {"user": "u", "item": "i", "timestamp": "t"}),
    "parquet": layouts.layout_of("parquet", {"user": "u", "item": "i", "timestamp": "t"}),
    "jsonl": layouts.layout_of("jsonl", {"user": "u", "item": "i", "timestamp": "t"}),
    "iso": layouts.layout_of("csv", {"user": 1, "item": 2, "timestamp": 3}, timestamp_unit="iso"),
    "sequences": layouts.layout_of("sequences", {"item": 1}, "\t"),
    "where": layouts.layout_of("csv", {"user": "u", "item": "i"}).also(["event"]),
}
ALL_LAYOUTS = layouts.LAYOUTS | OWN


def read_sanely(path, reader) -> None:
    """The file gives valid rows, or a DataError of one line."""
    found, message = [], ""
    try:
        found = read(path, readers.with_unit(path, ALL_LAYOUTS[reader]))
    except DataError as error:
        message = str(error)
    assert len(message.splitlines()) <= (not found)
    for user, item, *numbers in found:
        for name in (user, item):
            assert isinstance(name, str)
            assert 1 <= len(name) <= layouts.LONGEST_ID
            assert not {"\n", "\r", "\0"} & set(name)
        assert np.isfinite(numbers).all()
        assert max(numbers[1:], default=0) <= times.LATEST


@settings(max_examples=150)
@given(st.sampled_from(list(ALL_LAYOUTS)), st.sampled_from(["f", "f.gz", "f.zip"]), st.binary())
def test_any_bytes_are_rows_or_an_error(tmp_path_factory, reader, name, content):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    read_sanely(path, reader)


def parquet_file() -> bytes:
    out = io.BytesIO()
    table = {"u": ["u1", "u2"] * 50, "i": list(range(100)), "t": [0.5, 1.5] * 50}
    pq.write_table(pa.table(table), out, compression="zstd")
    return out.getvalue()


VALID = {reader: content.encode() for reader, content in FILES.items()} | {
    "csv": b'u,i,t\n"a,b",i1,1\nu2,"say ""so""",2\n',
    "parquet": parquet_file(),
    "jsonl": b'{"u":"a","i":1,"t":1.5e12}\n{"u":"b","i":2,"t":1500000000001,"x":[{}]}\n',
    "iso": b"u1,i1,2020-01-31\nu2,i2,2020-01-31T10:11:12.5+01:00\n",
    "sequences": b"i1\ti2\ti3\ni2\n",
    "where": b'event,u,i\nview,u1,i1\n"buy",u2,i2\n',
}


@st.composite
def mutations(draw):
    """A valid file, compressed or not, in which some bytes are changed, removed or inserted."""
    reader = draw(st.sampled_from(list(VALID)))
    pack = draw(st.sampled_from([bytes, gzip.compress, zipped] if reader != "parquet" else [bytes]))
    text, packed = VALID[reader], draw(st.booleans())
    content = bytearray(pack(text) if packed else text)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 3)))
        content[start:end] = draw(st.binary(max_size=3))
    name = {bytes: "f", gzip.compress: "f.gz", zipped: "f.zip"}[pack]
    return reader, name, bytes(content) if packed else pack(bytes(content))


@settings(max_examples=300)
@given(mutations())
def test_damaged_files_are_rows_or_an_error(tmp_path_factory, damaged):
    reader, name, content = damaged
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    read_sanely(path, reader)


CELLS = st.sampled_from(["", "u", " ", "NA", "é", "5", "-1.5", "1e3", "nan", "1_0", "1e400", '"'])
LINES = st.lists(CELLS, min_size=1, max_size=6).map(",".join)


def parsed(line: str) -> tuple | None:
    """The row of a line in the layout amazon-2014, by its definition; None if it is invalid."""
    cells = line.split(",")
    if len(cells) != 4 or not cells[0] or not cells[1]:
        return None
    try:
        numbers = [float(cell) for cell in cells[2:] if "_" not in cell]
    except ValueError:
        return None
    return (*cells[:2], *numbers) if len(numbers) == 2 and np.isfinite(numbers).all() else None


@settings(max_examples=300)
@given(
    st.lists(st.just("u,i,5,1") | LINES, min_size=1, max_size=5).filter(lambda lines: lines[0]),
    st.sampled_from([64, 1 << 20]),
)
@example(["u,i,5,1", "u,i,5,1_0"], 1 << 20)
@example([" ,i,5,1", "u,i,5"], 1 << 20)
@example(["u,i,5,1,"], 1 << 20)
@example(["u,i,5,1", "u,i,5,1,,"], 64)
def test_rows_are_those_of_a_slow_reader_and_the_first_bad_line_is_named(
    tmp_path_factory, lines, block_bytes
):
    path = tmp_path_factory.getbasetemp() / "f"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    while not lines[-1]:  # empty lines at the end are no rows
        lines = lines[:-1]
    expected = [parsed(line) for line in lines]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        if None not in expected:
            assert rows(path, "amazon-2014") == expected
        else:
            assert f"{path}:{1 + expected.index(None)}: " in said(path, "amazon-2014")


def test_a_data_set_cannot_be_downloaded_out_of_the_data_folder(here):
    for file in ("../evil.csv", str(here / "evil.csv"), "a/../../evil.csv", "", "a\nb"):
        source = {"file": file, "reader": "amazon-2018", "url": "http://127.0.0.1:9/evil"}
        with pytest.raises(
            DataError, match=r"mine.yaml: file .*(should be a path below|one line of text)"
        ):
            load(described(here, sources=[source]))
    assert [path.name for path in here.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("url", ["http://[", "x", "http://a..b/", "file:///etc/passwd", "http://"])
def test_what_is_no_address_is_one_line(here, url):
    source = {"file": "mine.csv", "reader": "amazon-2018", "url": url}
    with pytest.raises(DataError, match="mine: could not download") as caught:
        load(described(here, sources=[source]))
    assert len(str(caught.value).splitlines()) == 1


def test_where_nothing_can_be_written_the_error_is_one_line(here):
    (here / "data").write_text("a file, where the folder should be")
    source = {"file": "mine.csv", "reader": "amazon-2018", "url": "http://127.0.0.1:9/mine.csv"}
    with pytest.raises(DataError, match=r"could not download .*: \[Errno .*'data'; try again"):
        load(described(here, sources=[source]))


def test_a_name_that_no_file_can_have_is_one_line(here):
    source = {"file": "x" * 5000, "reader": "amazon-2018", "url": "http://127.0.0.1:9/x"}
    with pytest.raises(DataError, match="could not download") as caught:
        load(described(here, sources=[source]))
    assert len(str(caught.value).splitlines()) == 1


def test_prepared_data_are_not_cached_where_nothing_can_be_written(here, capsys):
    (here / "elsewhere").mkdir()
    (here / "elsewhere/mine.csv").write_text("".join(f"i{i},u,5,{i}\n" for i in range(4)))
    (here / "data").write_text("a file, where the folder should be")
    assert load(described(here), "elsewhere")[1].n_items == 4
    assert "not cached, the next run prepares the data again" in capsys.readouterr().out
