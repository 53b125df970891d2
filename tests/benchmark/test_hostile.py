"""Hostile search spaces and pages give one line of error: nothing is evaluated, nothing hangs."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.recbole import page
from benchmark.recbole.contradictions import contradictions
from benchmark.recbole.published_page import PageError
from benchmark.sweeps import space
from benchmark.sweeps.space_files import SpaceError
from tests.benchmark.recbole.test_published import BEST_RESULT, PAGE, VALID

SPACE = b"learning_rate choice [1e-3, 0.01]\ndropout uniform 0.1, 0.5\nnorm choice ['pre', post]\n"
SPACE_YAML = b"learning_rate: {loguniform: [1e-4, 1.0e-2]}\nnorm: [pre, post]\nlayers: [1, 2]\n"
BEST_PARAMS = "{'hidden_sizes': '[64, 32]', 'learning_rate': 0.0005}"


def refused(read, error, path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error) as caught:
        read(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("layers\x1b[31m choice [1]", ":1: 'layers\\x1b[31m': no such setting"),
        (f"{'x' * 5000} choice [1]", ":1: 'xxxxxx"),
        ("layers\x85 choice [1]", ":1: expected 'NAME choice [VALUE, ...]'"),
        (f"layers choice [{'x' * 5000}]", ":1: layers cannot be 'xxxxx"),
        (f"norm choice [{'x' * 5000}]", ":1: norm cannot be 'xxxxx"),
        (f"dropout uniform {'1, ' * 5000}1", ":1: dropout: uniform needs low, high: found 1, 1, 1"),
        (f"dropout choice [1{'0' * 400}]", ":1: dropout cannot be 10"),
        (f"dropout uniform 0, 1{'0' * 400}", ":1: dropout: a bound is too large"),
        (f"layers choice [1{'0' * 5000}]", ":1: layers cannot be inf: it should be an integer"),
        ("x" * 1_000_001, ": the search space cannot be read: it has more than 1,000,000 bytes"),
        (b"layers choice [1]\0".ljust(99, b"\xff"), ": the search space cannot be read: 'utf-8'"),
    ],
)  # fmt: skip
def test_a_hostile_space_is_one_line(here, content, message):
    said = refused(space.read, SpaceError, here / "hyper.test", content)
    assert said.startswith(f"{here / 'hyper.test'}{message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('"a\\nb": [1]', ": 'a\\nb': no such setting"),
        ('"a\\eb": 1', ": 'a\\x1bb': expected [VALUE, ...]"),
        ("layers: &a [1]\nheads: *a", ":1: cannot be read as YAML: references"),
        ("layers: [1]\nlayers: [2]", ":2: cannot be read as YAML: duplicate key layers in"),
        ("layers: [2020-02-30]", ":1: cannot be read as YAML: day is out of range"),
        (f'dropout: ["1{"0" * 400}"]', ": dropout cannot be 10"),
        (b"layers: [\xff]", ": cannot be read as YAML: not UTF-8 text"),
    ],
)
def test_a_hostile_space_in_yaml_is_one_line(here, content, message):
    said = refused(space.read, SpaceError, here / "f.yaml", content)
    assert said.startswith(f"{here / 'f.yaml'}{message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[CosRec]", "[Cos\x1b[31mRec]", ":5: expected text without control characters, found"),
        ("[CosRec]", "[Cos\x9bRec]", ":5: expected text without control characters, found"),
        ("[CosRec]", "[CosRec]" + "x" * 1_000_000, ": the page cannot be read: it has more than"),
        (VALID, f"recall@10 : {'1' * 300_000}x", ":34: expected figures such as recall@10"),
        ("3.51s/trial\n", f"{'1' * 300_000}x\n", ":7: expected a time cost such as 12.34s/trial"),
        ("rate: 5e-4", f"rate{' ' * 300_000}5e-4", ":19: expected a parameter such as"),
    ],
)  # fmt: skip
def test_a_hostile_page_is_one_line_and_takes_no_quadratic_time(here, old, new, message):
    assert old in PAGE
    said = refused(page.read, PageError, here / "page.md", PAGE.replace(old, new, 1))
    assert said.startswith(f"{here / 'page.md'}{message}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2/2 [00:07<00:00,", "2/2 [::<00:00,"),
        ("2/2 [", f"{'2' * 5000}/2 ["),
        ("3.51s/trial, best", f"0.{'0' * 200}1trial/s, best"),
        ("2/2 [00:07<00:00,", "|1/1 [1:11<" * 30_000),
        (BEST_PARAMS, "best params:{" * 30_000),
        (BEST_PARAMS, "{" * 100_000),
        (BEST_PARAMS, "{" + "-" * 2_900 + "1}"),
        (BEST_PARAMS, "{[]: 1}"),
        (BEST_PARAMS, "{'learning_rate': 0x" + "f" * 2_900 + "}"),
        (BEST_PARAMS, "{'learning_rate': 0x" + "f" * 9_900 + "}"),
        (BEST_PARAMS, "{'learning_rate': __import__('os').system('true')}"),
        (BEST_RESULT, "{'best_valid_score': --, 'x': 1.2.3}"),
        (BEST_RESULT, "'best_valid_result': OrderedDict([('ndcg@10', 1.2.3)])"),
        (BEST_RESULT, "'test_result': OrderedDict([" * 10_000),
    ],
)  # fmt: skip
def test_a_hostile_block_of_results_is_not_compared_and_takes_no_quadratic_time(here, old, new):
    assert old in PAGE
    (here / "page.md").write_text(PAGE.replace(old, new), encoding="utf-8")
    found = page.read(here / "page.md")
    assert len(found.trials) == 2
    for line in contradictions(found):
        assert len(line.splitlines()) == 1


# --- any bytes


@st.composite
def damaged(draw, whole: bytes):
    start = draw(st.integers(0, len(whole)))
    end = start + draw(st.integers(0, 20))
    new = draw(st.binary(max_size=9) | st.just(whole[start:end] * 3))
    return whole[:start] + new + whole[end:]


def once(read, error, path, content: bytes) -> None:
    """Read ``content``. This gives a result, or the documented error in one line."""
    path.write_bytes(content)
    message = ""
    try:
        read(path)
    except error as found:
        message = str(found)
    assert len(message.splitlines()) <= 1


@settings(max_examples=200)
@given(st.binary() | damaged(SPACE))
@example(b"dropout choice [1" + b"0" * 400 + b"]")
def test_any_bytes_are_a_space_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.test"
    once(lambda path: space.lines(space.read(path)), SpaceError, path, content)


@settings(max_examples=200)
@given(st.binary() | damaged(SPACE_YAML))
def test_any_bytes_are_a_space_in_yaml_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.yaml"
    once(lambda path: space.lines(space.read(path)), SpaceError, path, content)


@settings(max_examples=300)
@given(st.binary() | damaged(PAGE.encode()))
def test_any_bytes_are_a_page_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "hostile.md"
    once(lambda path: contradictions(page.read(path)), PageError, path, content)
