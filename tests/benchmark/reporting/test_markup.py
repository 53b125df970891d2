"""Text of anybody's runs is text: no links that a browser runs, no formulas, no control codes."""

import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.recbole import links
from benchmark.reporting.formats import page
from benchmark.reporting.formats.markdown import _code
from benchmark.reporting.formats.numbers import harmless
from benchmark.tracking import schema
from datasets.errors import visible
from tests.benchmark.reporting.test_report import log

SCRIPT = "javascript:alert(1)"
ODD = "\x1b[2J\u202e\n# x\t\x9b"
TEXT = st.text() | st.text(alphabet="\\\\]()[<>`|&#58; :jJ\t\n\x1b\u202e!*_")
TARGETS = TEXT | st.sampled_from(
    [
        SCRIPT,
        f" {SCRIPT}",
        "JavaScript\t:x",
        "javascript&colon;x",
        "javascript\\:x",
        "data:text/html,x",
    ]
)


@given(TEXT, TARGETS)
def test_a_link_goes_to_the_web_whatever_its_text(text, target):
    """Inside the link's text no bracket, code span or tag begins or ends."""
    found = page._link(visible(text), visible(target))
    link = re.fullmatch(r"\[((?:[^\\\[\]<`]|\\.)*)\]\(([^\s\\<>()]*)\)", found)
    if link:
        assert links.is_web(link[2])
        assert not re.search(r"&[#\w]+;", link[2])
    else:
        assert re.fullmatch(r"(?:[^\\\[\]<`]|\\.)*", found)


@given(TEXT)
def test_visible_text_is_one_printable_line(text):
    shown = visible(text)
    assert "".join(c for c in shown if not c.isspace()).isprintable()
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
    assert not text.isprintable() or shown == text


@given(st.text(alphabet="ab `|\\\\", min_size=1))
def test_a_command_is_a_code_span_that_nothing_in_it_ends(command):
    span = _code(command)
    marks = re.match("`+", span)[0]
    inside = span[len(marks) : -len(marks)]
    assert marks not in re.findall("`+", inside)
    assert inside.strip(" ").replace("\\|", "|") == command.strip(" ")


@pytest.fixture
def report(run_verb):
    return lambda *options: run_verb("report", "--experiment", "e", "--no-log", *options)


def test_names_tags_and_reasons_are_harmless_in_every_format(report, store, here):
    title = f"x\\\\]({SCRIPT}) {ODD}"
    tags = {schema.DATASET_TITLE: title, schema.DATASET_CARD: SCRIPT, schema.MODEL_LINK: SCRIPT}
    run_id = log(store, "e", 0.1, 0.3, **tags, protocol=ODD, **{schema.COMMAND: f"a  `b` {ODD}"})
    store.log_param(run_id, "extra", "=cmd|' /C calc'!A0")
    other = log(store, "e", -0.2, 0.2, **tags, protocol=ODD)
    store.log_param(other, "extra", f"@{ODD}")
    log(store, "e", 0.3, None, status="FAILED", failure=f"{ODD} [a]({SCRIPT})")
    kept = {}
    for form in ("markdown", "html", "csv", "json", "latex"):
        done = report("--format", form)
        assert done.returncode == 0, done.stderr
        assert "not ranked: 1 failed: \\x1b[2J\\u202e\\n# x\\t\\x9b" in done.stdout
        kept |= {path.suffix: path.read_text() for path in (here / "reports").glob("e.*")}
        assert not re.search("[\x1b\x9b\u202e]", done.stdout + done.stderr)
    assert len(kept) == 5
    assert not re.search("[\x1b\x9b\u202e]", "".join(kept.values()))
    assert not re.search(rf"(?<!\\)(\\\\)*\]\({SCRIPT[:10]}", kept[".md"])
    assert f'href="{SCRIPT[:10]}' not in kept[".html"]
    table = pd.read_csv(io.StringIO(kept[".csv"]))
    assert table["extra"].tolist() == ["'=cmd|' /C calc'!A0", f"'@{visible(ODD)}"]
    assert table["learning_rate"].tolist() == [0.1, -0.2]
    assert table["test/ndcg@10"].tolist() == [0.3, 0.2]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" +1", "' +1"),
        ("a;=1+1", "a;'=1+1"),  # a spreadsheet that splits at semicolons
        ("a;;-1;b", "a;;'-1;b"),
        ('a; "=1+1', "a;' \"=1+1"),
        ("a\t=1\n@b", "a\t'=1\n'@b"),
        ("\uff1d1", "'\uff1d1"),
        ("a=b+c-d@e", "a=b+c-d@e"),
        ("1e-05; 2", "1e-05; 2"),
        ("x\t-1", "x\t'-1"),
        ("-5 to 3", "'-5 to 3"),
        (-0.5, -0.5),
        (-1e-5, -1e-5),
        (float("nan"), ""),
        (None, None),
    ],
)
def test_no_part_of_a_csv_cell_is_a_formula(value, cell):
    assert harmless(value) == cell


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("[a](http://x) <https://y> [00:07<00:00, 3.51s/trial] a < b", True),
        ("[a](../md/x.md)", True),
        (f"see [a]({SCRIPT})", False),
        (f"see [a](< {SCRIPT}>)", False),
        (f"[a]: {SCRIPT}", False),
        (f"<{SCRIPT}>", False),
        ("[a](java&#115;cript:x)", False),
        ("[a](javascript\\:x)", False),
        ('<a href="javascript:x">', False),
        ("a\x1b[2J", False),
        ("a\u202eb", False),
        ("\ufeff\ta\r\nb\n", True),
    ],
)
def test_a_page_is_given_back_only_if_its_links_go_to_the_web(text, safe):
    assert links.harmless(text) is safe
