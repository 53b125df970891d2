"""Models outside this repository are loaded, or refused with one line."""

import sys

import pytest

import models
from models import outside
from models.outside import CodeSource, OutsideError

COUNTED = """
from models.counted import Counted
import torch

class Base(Counted):
    def count(self, items, users):
        self.weight = 1.0
    def queries(self, histories):
        return histories.items[:, -1]
    def scores(self, queries, first, last):
        return torch.arange(first, last).float().repeat(len(queries), 1)
"""


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr(outside, "_loaded", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        (None, "none.py:A", "none.py (relative paths begin at "),
        (None, "nowhere.models:A", "there is no module nowhere: it is looked for in "),
        ("", "a.py:", "'a.py:' names no model: it should be MODULE:CLASS or FILE.py:CLASS"),
        ("import nope", "a.py:A", "a.py:1: ModuleNotFoundError: No module named 'nope'"),
        ("\n1 / 0", "a.py:A", "a.py:2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no data')", "a.py:A", "a.py:2: SystemExit: no data"),
        ("from .b import B", "a.py:A", "a model of several files is given as PACKAGE.MODULE:CLASS"),
        ("def x(:", "a.py:A", "a.py:1: SyntaxError: invalid syntax"),
        (COUNTED, "a.py:A", "a.py has no class A; its models are: Base"),
        ("class A: pass", "a.py:A", "derives from models.model.LearnedModel or models.counted."),
        ("from models.counted import Counted as A", "a.py:A", "lacks methods: count, queries, sc"),
        (
            COUNTED + "class A(Base):\n def __init__(self): pass",
            "a.py:A",
            "the first argument of its constructor should be n_items",
        ),
        (
            COUNTED + "class A(Base):\n def __init__(self, n_items, **rest): pass",
            "a.py:A",
            "its constructor should name its settings, in place of **rest",
        ),
        (COUNTED + "class SASRec(Base): pass", "a.py:SASRec", "a model of seqrec is called SA"),
    ],
)
def test_what_is_no_model_is_one_line(tmp_path, code, name, message):
    if code is not None:
        (tmp_path / "a.py").write_text(code)
    with pytest.raises(OutsideError) as caught:
        outside.load(name)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_error_in_a_constructor_names_the_line(tmp_path):
    (tmp_path / "a.py").write_text(
        COUNTED + "class A(Base):\n    def __init__(self, n_items):\n        a, b = (1, 2, 3)"
    )
    with pytest.raises(ValueError, match=r"a.py:A cannot be built: .*a.py:14: ValueError: too ma"):
        models.build("a.py:A", 3, {})


def test_a_package_is_one_source_and_a_stored_one_takes_its_place(tmp_path, monkeypatch):
    package = tmp_path / "mine_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(COUNTED)
    (package / ".#base.py").symlink_to("me@here.1")  # the lock of an editor
    (package / "a.py").write_text("from mine_of_this_test.base import Base\nclass A(Base): old = 1")
    monkeypatch.syspath_prepend(tmp_path)
    first = outside.load("mine_of_this_test.a:A")
    assert sorted(first.source.files) == [
        f"mine_of_this_test/{name}.py" for name in ("__init__", "a", "base")
    ]
    newer = dict(first.source.files)
    newer["mine_of_this_test/a.py"] = newer["mine_of_this_test/a.py"].replace(b"old", b"new")
    second = outside.load_stored("mine_of_this_test.a:A", CodeSource(newer))
    assert second.source.digest != first.source.digest
    assert vars(second.model)["new"] == 1
    assert models.MODELS["mine_of_this_test.a:A"] is second.model
    assert outside.load_stored("mine_of_this_test.a:A", CodeSource(newer)) is second

    outside.forget_changed()  # the stored one is for its own trial alone
    assert "old" in vars(outside.load("mine_of_this_test.a:A").model)
    (package / "a.py").write_text(
        "from mine_of_this_test.base import Base\nclass A(Base): edited = 1"
    )
    outside.forget_changed()
    assert "edited" in vars(outside.load("mine_of_this_test.a:A").model)


def test_a_file_that_was_edited_is_read_again(tmp_path):
    """In a notebook, the process goes on."""
    (tmp_path / "a.py").write_text(COUNTED + "class A(Base): old = 1")
    first = outside.load("a.py:A")
    outside.forget_changed()
    assert outside.load("a.py:A") is first
    (tmp_path / "a.py").write_text(COUNTED + "class A(Base): new = 1")
    outside.forget_changed()
    assert "new" in vars(outside.load("a.py:A").model)
