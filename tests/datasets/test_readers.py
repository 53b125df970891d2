"""Every published layout is read; a malformed row is reported with file and line."""

import gzip
import zipfile

import pytest

from datasets import DataError
from datasets.reading import layouts, readers, text

ROWS = [("u1", "i1", 5.0, 100.0), ("u1", "i2", 3.0, 200.0), ("u2", "i1", 4.0, 150.0)]
FILES = {
    "recbole": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "u1\ti1\t5\t100\nu1\ti2\t3.0\t200\nu2\ti1\t4\t150\n",
    "amazon-2014": "u1,i1,5.0,100\nu1,i2,3.0,200\nu2,i1,4.0,150\n",
    "amazon-2018": "i1,u1,5.0,100\ni2,u1,3.0,200\ni1,u2,4.0,150\n",
    "amazon-2023": "user_id,parent_asin,rating,timestamp\n"
    "u1,i1,5.0,100000\nu1,i2,3.0,200000\nu2,i1,4.0,150000\n",
    "movielens-dat": "u1::i1::5::100\nu1::i2::3::200\nu2::i1::4::150\n",
    "movielens-100k": "u1\ti1\t5\t100\nu1\ti2\t3\t200\nu2\ti1\t4\t150\n",
    "movielens-csv": "userId,movieId,rating,timestamp\n"
    "u1,i1,5.0,100\nu1,i2,3.0,200\nu2,i1,4.0,150\n",
}


def rows(path, reader, member=None):
    return read(path, layouts.LAYOUTS[reader], member)


def read(path, layout, member=None):
    batches = [batch.to_pydict() for batch in readers.read(path, layout, member)]
    names = [n for n in layouts.FIELDS if batches and n in batches[0]]
    return [row for batch in batches for row in zip(*(batch[n] for n in names), strict=True)]


@pytest.mark.parametrize("reader", FILES)
def test_each_format_gives_the_same_interactions(here, reader):
    (here / "file").write_text(FILES[reader])
    assert rows(here / "file", reader) == ROWS


def test_lines_may_end_as_on_windows(here):
    (here / "f").write_bytes(FILES["recbole"].replace("\n", "\r\n").encode())
    assert rows(here / "f", "recbole") == ROWS


def test_user_item_text_has_neither_rating_nor_time(here):
    (here / "beauty.txt").write_text("1 7\n1 8\n2 7\n")
    assert rows(here / "beauty.txt", "user-item-text") == [("1", "7"), ("1", "8"), ("2", "7")]


def test_a_line_of_user_items_text_is_a_user_with_all_items(here, monkeypatch):
    (here / "Toys.txt").write_text("1 7 8 7\n2 7")
    expected = [("1", "7"), ("1", "8"), ("1", "7"), ("2", "7")]
    assert rows(here / "Toys.txt", "user-items-text") == expected
    monkeypatch.setattr(text, "BLOCK_BYTES", 4)
    assert rows(here / "Toys.txt", "user-items-text") == expected


def test_gzip_and_zip_are_unpacked_as_they_are_read(here):
    with gzip.open(here / "a.inter.gz", "wt") as out:
        out.write(FILES["recbole"])
    with zipfile.ZipFile(here / "a.zip", "w") as archive:
        archive.writestr("books/books.item", "item_id:token\n")
        archive.writestr("books/books.inter", FILES["recbole"])
    assert rows(here / "a.inter.gz", "recbole") == ROWS
    assert rows(here / "a.zip", "recbole", "*.inter") == ROWS


def test_ids_stay_text_whatever_they_look_like(here):
    (here / "f").write_text("0012,NA,5,1\n1e5,nan,5,2\n")
    assert [r[:2] for r in rows(here / "f", "amazon-2014")] == [("0012", "NA"), ("1e5", "nan")]


def test_a_file_of_several_chunks_is_read_whole(here, monkeypatch):
    monkeypatch.setattr(text, "BLOCK_BYTES", 64)
    (here / "f").write_text(FILES["amazon-2018"])
    assert rows(here / "f", "amazon-2018") == ROWS


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        ("recbole", "", "f: the file is empty"),
        ("recbole", "user_id:token\titem_id:token\n1\t2\n", "f:1: the header should name 'timest"),
        ("amazon-2018", "i,u,5,1\ni,u,5\n", "f:2: 3 fields instead of 4"),
        ("amazon-2018", "i,u,5,1\ni,u,5,1,9\n", "f:2: 5 fields instead of 4"),
        ("amazon-2018", "i,u,5,1\ni,u,five,1\n", "f:2: rating is not a number"),
        ("amazon-2018", "i,u,5,1\ni,,5,1\n", "f:2: user is empty"),
        ("amazon-2018", "i,u,5,1\n\ni,u,5,1\n", "f:2: 1 fields instead of 4"),
        ("amazon-2018", "i,u,5,1\r\ni,u,inf,1\r\n", "f:2: rating is not a number"),
        ("amazon-2018", "i,u,5,nan\n", "f:1: timestamp is not a number"),
        ("movielens-dat", "u::i::5::1\nu:i:5:1\n", "f:2: 4 fields instead of 7"),
        ("user-item-text", "1 2\n1\n", "f:2: 1 fields instead of 2"),
        ("user-items-text", "1 2 3\n1\n", "f:2: 1 fields instead of 2"),
        ("user-items-text", "1 2 3\n1 2 3 4 \n", "f:2: item is empty"),
        ("user-items-text", "1 2 3\n1 2\n 2 3\n", "f:3: user is empty"),
        ("user-items-text", f"1 2 3\n1 2 {'9' * 257}\n", "f:2: item has 257 characters"),
    ],
)
def test_a_row_that_does_not_fit_is_named(here, reader, content, message):
    (here / "f").write_text(content)
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        rows(here / "f", reader)


def test_the_line_is_right_in_a_later_chunk_and_behind_a_header(here, monkeypatch):
    monkeypatch.setattr(text, "BLOCK_BYTES", 64)
    (here / "f").write_text(FILES["amazon-2023"] + "u1,i1,x,1\n")
    with pytest.raises(DataError, match=r"f:5: rating is not a number.*'u1,i1,x,1'"):
        rows(here / "f", "amazon-2023")


def test_damaged_archives_are_no_tracebacks(here):
    with gzip.open(here / "a.gz", "wt") as out:
        out.write("i,u,5,1\n" * 10_000)
    (here / "cut.gz").write_bytes((here / "a.gz").read_bytes()[:60])
    (here / "no.gz").write_bytes(b"not gzip")
    (here / "no.zip").write_bytes(b"not a zip")
    for name in ("cut.gz", "no.gz", "no.zip"):
        with pytest.raises(DataError, match=f"{name}: damaged archive"):
            rows(here / name, "amazon-2018")


def test_a_zip_without_the_file_says_what_it_holds(here):
    with zipfile.ZipFile(here / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"should hold one \*.inter, holds \['readme.txt'\]"):
        rows(here / "a.zip", "recbole", "*.inter")


def test_text_that_is_not_utf8_is_refused(here):
    (here / "f").write_bytes(b"i,u,5,1\ni\xff,u,5,1\n")
    with pytest.raises(DataError, match=r"f:2: not UTF-8 text: add .*, found 'i\ufffd,u,5,1'"):
        rows(here / "f", "amazon-2018")


@pytest.mark.parametrize("block_bytes", [4, 1 << 20])
def test_a_line_without_a_user_is_a_user(here, monkeypatch, block_bytes):
    (here / "f").write_text("7,8,7\r\n8\r\n007,9\r\n")
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    layout = layouts.layout_of("sequences", {"item": 1}, ",")
    expected = [("1", "7"), ("1", "8"), ("1", "7"), ("2", "8"), ("3", "007"), ("3", "9")]
    assert read(here / "f", layout) == expected
    (here / "f").write_text("7,8\n8,,9\n")
    with pytest.raises(DataError, match=r"f:2: item is empty: expected 'item', found '8,,9'"):
        read(here / "f", layout)


@pytest.mark.parametrize(
    "arguments",
    [
        ({"item": 2},),
        ({"user": 2, "item": 1},),
        (None,),
        ({"item": 1}, ",", "s"),
        ({"item": 1}, ""),
    ],
)
def test_sequences_begin_with_the_user_or_the_first_item(arguments):
    with pytest.raises(ValueError, match=r"reader sequences needs columns|should be one character"):
        layouts.layout_of("sequences", *arguments)
