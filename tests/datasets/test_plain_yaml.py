"""Any YAML file gives a value, or one line that says what is wrong and where."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.checking import plain_yaml
from datasets.errors import LONGEST_QUOTE, quoted
from datasets.specs import spec

DESCRIPTIONS = [
    (spec.SPECS_FOLDER / f"{name}.yaml").read_bytes()
    for name in ("demo", "amazon-books-2023-last-out")
]
MINE = "title: Mine\nsources: [{file: mine.csv, reader: amazon-2018}]\n"
WALKS = (
    "title: T\nsynthetic: "
    "{users: 9, items: 9, seed: 1, successors: 2, follow: 0.5, shortest: 3, longest: 4}"
)
LAUGHS = (
    "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b]\n"
)


def said(here, content: str | bytes, read=plain_yaml.read) -> str:
    (here / "f.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read(here / "f.yaml")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    return str(caught.value).removeprefix(f"{here}/")


def test_plain_values_are_taken(here):
    (here / "f.yaml").write_text("\ufeffa: [1, 1.5, x, null]\nb: {c: 2020-01-01}\n'1': |\n  two\n")
    found = plain_yaml.read(here / "f.yaml")
    assert found["a"] == [1, 1.5, "x", None]
    assert str(found["b"]["c"]) == "2020-01-01"
    assert found["1"] == "two\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "f.yaml:1: cannot be read as YAML: references (&a, *a) are not supported"),
        ("a: 1\nb: *a\n", "f.yaml:2: cannot be read as YAML: references (&a, *a) are not"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: cannot be read as YAML: duplicate key a in"),
        ("1: a\n0x1: b\n", "f.yaml:2: cannot be read as YAML: duplicate key 1 in"),
        ("a:\n  b: 1\n  b: 1\n", "f.yaml:3: cannot be read as YAML: duplicate key b in"),
        ("a: !!python/object/apply:os.system [true]", "f.yaml:1: cannot be read as YAML: could"),
        ("a: 2020-02-30", "f.yaml:1: cannot be read as YAML: day is out of range for month"),
        ("a: " + "1" * 5000, "f.yaml:1: cannot be read as YAML: a number or date of more than"),
        ("a: 1" + ":59" * 9999, "f.yaml:1: cannot be read as YAML: a number or date of more than"),
        ("a: !!int ''", "f.yaml:1: cannot be read as YAML: no value of tag:yaml.org,2002:int"),
        ("a: !!bool x", "f.yaml:1: cannot be read as YAML: no value of tag:yaml.org,2002:bool"),
        ("[" * 100_000, "f.yaml: cannot be read as YAML: nested too deeply"),
        ("- " * 100_000, "f.yaml: cannot be read as YAML: nested too deeply"),
        ("a: \x00", "f.yaml: cannot be read as YAML: unacceptable character #x0000"),
        (b"a: \xff", "f.yaml: cannot be read as YAML: not UTF-8 text"),
        ("a: [", "f.yaml:1: cannot be read as YAML: expected the node content"),
        ("? [a]\n: 1", "f.yaml:1: cannot be read as YAML: found unhashable key"),
        (b"#" * 1_000_001, "f.yaml: cannot be read: it has more than 1,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_one_line(here, content, message):
    assert said(here, content).startswith(message)


def test_what_is_no_file_is_one_line(here):
    for path, message in ((here, "cannot be read: Is a directory"), (here / "no", "no such file")):
        with pytest.raises(DataError, match=message):
            plain_yaml.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title: T\nsources: 5", "sources should be a list, not 5"),
        (f"{MINE}links: abc", "links should be a list, not 'abc'"),
        (f"{MINE}links: [1]", "links should be lines of text, not 1"),
        (f'{MINE}links: ["a\\nb"]', "links should be lines of text, not 'a\\nb'"),
        (f'{MINE}card: "\\e[31m"', "card in the file should be one line of text, not '\\x1b[31m'"),
        (f"{MINE}filters: {{rating: {{min: .nan}}}}", "filters.rating should have numbers"),
        (WALKS.replace("users: 9", "users: 0"), "users in synthetic should be at least 1"),
        (WALKS.replace("0.5", ".nan"), "synthetic should have seed >= 0, follow from 0 to 1"),
        (WALKS.replace("items: 9", "items: 0xffffffffff"), "synthetic is too large: users times"),
        (f"{'x' * 900}: 1\ntitle: T", "unknown key 'xxxx"),
        (f"title: [{'x, ' * 5000}]", "title in the file should be text, not ['x', 'x'"),
    ],
)  # fmt: skip
def test_what_no_data_set_has_is_one_line(here, content, message):
    assert said(here, content, lambda path: spec.read(str(path))).startswith(f"f.yaml: {message}")


def test_a_long_value_is_cut_in_a_message():
    assert quoted("a\nb") == "'a\\nb'"
    assert len(quoted("x" * 10_000)) == LONGEST_QUOTE
    assert quoted("x" * 10_000).endswith("x...")


def read_or_refuse(path, content: bytes) -> None:
    path.write_bytes(content)
    message = ""
    try:
        spec.read(str(path))
    except DataError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@settings(max_examples=200)
@given(st.binary() | st.text("ab:-?[]{}&*!|>'\"#%,1.~ \n\t").map(str.encode))
@example(b"!!timestamp x")
@example(b"<<: {a: 1}\na: 2")
def test_any_bytes_are_a_data_set_or_an_error(tmp_path_factory, content):
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.yaml", content)


@settings(max_examples=200)
@given(st.sampled_from(DESCRIPTIONS), st.data(), st.integers(0, 9), st.binary(max_size=9))
def test_a_damaged_description_is_a_data_set_or_an_error(tmp_path_factory, whole, data, gone, new):
    start = data.draw(st.integers(0, len(whole)))
    content = whole[:start] + new + whole[start + gone :]
    read_or_refuse(tmp_path_factory.getbasetemp() / "fuzz.yaml", content)
