"""Each line of a text file is one row or an error with its number, whatever the size of blocks."""

import csv
import gzip
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.reading import layouts, text
from tests.datasets.test_readers import read

CSV = layouts.layout_of("csv", {"user": "u", "item": "i"})
QUOTES = "a quote is not closed in this line"


def by_python(content: str) -> list[tuple[str, str]] | int:
    """The users and items, read by Python's csv module, or the number of the first bad line.

    An empty line at the end shows whether the quotes of the line before it are closed.
    """
    ended = content.rstrip("\r\n") + "\n"  # empty lines at the end are no rows
    lines = csv.reader(io.StringIO(f"{ended}\n", newline=""))
    next(lines)
    rows, before = [], 1
    for row in lines:
        if row == [] and lines.line_num == ended.count("\n") + 1:
            break
        if lines.line_num > before + 1 or len(row) != 3 or not row[0] or not row[1]:
            return before + 1
        rows.append((row[0], row[1]))
        before = lines.line_num
    return rows


def by_us(path: Path, block_bytes: int) -> list[tuple[str, str]] | int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        try:
            return read(path, CSV)
        except DataError as error:
            return int(str(error).removeprefix(f"{path}:").split(":")[0])


@pytest.mark.parametrize(
    ("line", "others"),
    [
        ('"u1,i2,100', ()),
        ('u1,i2,"100', (150_000,)),
        ('"u1,i2,100""', (150_000, 150_001)),
    ],
)
def test_a_stray_quote_loses_no_row(here, line, others):
    rows = [f"u{k % 500},i{k % 97},{k}\n" for k in range(200_000)]  # several of Arrow's pieces
    for number in (101, *others):
        rows[number] = f"{line}\n"
    (here / "f").write_text("u,i,t\n" + "".join(rows))
    with pytest.raises(DataError, match=rf"f:103: {QUOTES}: .*, found '{line}'"):
        read(here / "f", CSV)


@pytest.mark.parametrize("content", ['u,i,t\na,b,"1\n2"\n', 'u,i,"t\na,b,c"\na,b,1\n'])
def test_a_line_end_in_quotes_is_refused_in_columns_that_are_not_read_too(here, content):
    """It would be accepted or not, depending on where a block ends."""
    (here / "f").write_text(content)
    with pytest.raises(DataError, match=rf"f:[12]: {QUOTES}"):
        read(here / "f", CSV)


def test_the_members_of_a_gzip_file_are_one_text(here):
    lines = [b"u,i,t\r\n", *(b"a%d,b%d,1\r\n" % (k, k) for k in range(1000))]
    content = b"".join(lines).removesuffix(b"\r\n")
    cuts = [0, 3, 500, 501, 502, 8000, len(content)]  # within a line, after \r, an empty one
    members = [content[a:b] for a, b in itertools.pairwise(cuts)]
    (here / "f.gz").write_bytes(b"".join(gzip.compress(m, mtime=0) for m in [*members, b""]))
    assert read(here / "f.gz", CSV) == [(f"a{k}", f"b{k}") for k in range(1000)]


# No user is called "u", as the column is: such a row is refused as a second header.
LINE = st.just("u1,i1,5") | st.text(st.sampled_from('",vé '), max_size=9).filter(bool)


@settings(max_examples=200)
@given(
    st.lists(LINE, min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from([1, 2, 3, 7, 16, 1 << 20]),
    st.booleans(),
)
@example(['"u1,i1,5', 'u1",i1,5'], "\n", True, "", 16, False)
@example(["u1,i1,5", 'u1,i1,"5'], "\r\n", False, "\ufeff", 7, True)
@example(["u1,i1,5", 'u1,"i1'], "\n", True, "", 1, False)
@example(['u1,i1,"5', "u1"], "\n", True, "", 1, False)
@example(["u1,,5", ",i1,5"], "\n", True, "", 1 << 20, False)
@example(['"u"1",i"1,5"', '""",",i1,""'], "\n", True, "", 1 << 20, False)
def test_rows_are_those_of_pythons_csv_module(
    tmp_path_factory, lines, line_end, ended, mark, block_bytes, packed
):
    content = "u,i,t" + "".join(line_end + line for line in lines) + (line_end if ended else "")
    raw = (mark + content).encode()
    path = tmp_path_factory.getbasetemp() / ("lines.gz" if packed else "lines")
    half = len(raw) // 2
    path.write_bytes(gzip.compress(raw[:half]) + gzip.compress(raw[half:]) if packed else raw)
    assert by_us(path, block_bytes) == by_python(content)
