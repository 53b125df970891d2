"""The recipes of CONTRIBUTING.md work as written: a test follows each one and tries the result."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forked import stand_in

pytestmark = pytest.mark.process

BLOCK = re.compile(r"<!-- (?P<order>.*?) -->\n```\w*\n(?P<content>.*?)```\n", re.DOTALL)
CHAPTER = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a part")[2].partition("\n## ")[0]
RECIPES = dict(part.split("\n", 1) for part in CHAPTER.split("### ")[1:])


def carry_out(order: str, content: str) -> None:
    """Apply one edit of a recipe to the project.

    With order ``new: FILE``, ``content`` is the new file. With ``edit: FILE`` it is a diff;
    its old lines have to occur in the file exactly once.
    """
    verb, _, name = order.partition(": ")
    path = Path(name)
    if verb == "new":
        assert not path.exists()
        path.write_text(content)
        return
    assert verb == "edit"
    lines = content.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    found = path.read_text()
    assert found.count(before) == 1, f"{name}: {before}"
    path.write_text(found.replace(before, after))


@pytest.mark.parametrize("name", RECIPES)
def test_a_part_is_added_as_written(project, store, monkeypatch, name):
    monkeypatch.setenv("PYTHONPATH", str(project))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for variable, value in stand_in(path).items():
        monkeypatch.setenv(variable, value)
    tried = 0
    for block in BLOCK.finditer(RECIPES[name]):
        if block["order"] != "try":
            carry_out(block["order"], block["content"])
            continue
        done = subprocess.run(
            ["bash", "-ec", block["content"]], capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        tried += 1
    assert tried


def test_every_table_has_a_recipe():
    parts = {"model", "setting", "metric", "report format", "search method", "command", "data set"}
    assert {name.split(" ", 1)[1] for name in RECIPES} == parts
