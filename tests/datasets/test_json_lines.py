"""JSON lines: each line is one interaction, or an error with its number."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.reading import layouts, text
from tests.datasets.test_readers import read

LAYOUT = layouts.layout_of("jsonl", {"user": "u", "item": "i", "timestamp": "t"})


def said(path, layout=LAYOUT) -> str:
    with pytest.raises(DataError) as caught:
        read(path, layout)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_lines_are_rows_and_other_keys_are_skipped(here):
    lines = [
        '{"u": "a", "i": 7, "t": 5, "event": {"x": [1, {"u": "b"}]}}',
        '{"t": 1.5, "more": null, "i": 8, "u": "\\u00e9"}',
    ]
    (here / "f.gz").write_bytes(gzip.compress("\r\n".join(lines).encode()))
    assert read(here / "f.gz", LAYOUT) == [("a", "7", 5.0), ("é", "8", 1.5)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"u": "b", "i": 2}', "timestamp is missing"),
        ('{"u": null, "i": 2, "t": 1}', "user is missing"),
        ('{"u": "", "i": 2, "t": 1}', "user is empty"),
        ('{"u": "b\\n", "i": 2, "t": 1}', "user contains a control character"),
        ('{"u": 5, "i": 2, "t": 1}', "user should be text, as in the first line"),
        ('{"u": "b", "i": "2", "t": 1}', "item should be a whole number of at most 18 digits, as"),
        ('{"u": "b", "i": 2.5, "t": 1}', "item should be text or a whole number: found"),
        ('{"u": "b", "i": 12345678901234567890, "t": 1}', "item should be a whole number of at"),
        ('{"u": "b", "i": 2, "t": "5"}', "timestamp should be a number: found"),
        ('{"u": "b", "i": 2, "t": NaN}', "timestamp is not a number"),
        ('{"u": ["b"], "i": 2, "t": 1}', "user should be text"),
        ('["b", 2, 1]', "not one JSON object, such as"),
        ('{"u": "b", "i": 2, "t": 1} {"u": "b", "i": 2, "t": 1}', "not one JSON object, such as"),
        ("", "not one JSON object, such as"),
        ("u,i,t", "not one JSON object, such as"),
        ('{"u": "b", "i": 2, "t": 1}}', "not one JSON object, such as"),
        ('{"u": "\xff", "i": 2, "t": 1}', "not UTF-8 text: add its encoding to the source"),
    ],
)
def test_a_line_that_does_not_fit_is_named(here, line, reason):
    first = '{"u": "a", "i": 1, "t": 5}\n' * 3
    (here / "f").write_bytes(f"{first}{line}\n{first}".encode("latin-1"))
    assert said(here / "f").startswith(f"{here}/f:4: {reason}")


def test_a_key_that_comes_twice_is_refused(here):
    (here / "f").write_text('{"u": "a", "i": 1, "t": 5, "u": "b"}\n')
    assert "f:1: JSON parse error: Column(/u) was specified twice in row 0" in said(here / "f")


# An empty list of items is a user without interactions, no error: test_lists.py has lists.
VALUES = st.sampled_from([None, "a", "b\u00e9", "", 1, 20, 1.5, True, [[]], {}, "x" * 300])
ROWS = st.dictionaries(st.sampled_from(["u", "i", "t", "other"]), VALUES)
LINES = (
    st.just('{"u":"a","i":1,"t":2}') | ROWS.map(json.dumps) | st.sampled_from(["", "{}", "{} {}"])
)


def by_python(lines: list[str]) -> list[tuple[str, str, float]] | int:
    """The rows by Python's json module, or the number of the first bad line."""
    kinds: dict[str, type] = {}
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            return number
        for name in ("u", "i"):
            value = row.get(name)
            if type(value) not in (str, int) or not 1 <= len(str(value)) <= 256:
                return number
            if kinds.setdefault(name, type(value)) is not type(value):
                return number
        if type(row.get("t")) not in (int, float):
            return number
        rows.append((str(row["u"]), str(row["i"]), float(row["t"])))
    return rows


@settings(max_examples=200)
@given(st.lists(LINES, min_size=1, max_size=6), st.sampled_from([1, 40, 1 << 20]))
def test_rows_are_those_of_pythons_json_module(tmp_path_factory, lines, block_bytes):
    path = tmp_path_factory.getbasetemp() / "f.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    while lines and not lines[-1]:  # empty lines at the end are no rows
        lines = lines[:-1]
    expected = by_python(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        if isinstance(expected, list):
            assert read(path, LAYOUT) == expected
        else:
            assert int(said(path).removeprefix(f"{path}:").split(":")[0]) >= expected
