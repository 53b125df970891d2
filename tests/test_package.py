"""The package `seqrec`: built, installed, and used from another folder, as docs/python.md shows."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.process

SOURCES = ("benchmark", "datasets", "models", "spaces", "suites")
PAGE = (ROOT / "docs/python.md").read_text()
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)
BUILD = """
from setuptools import build_meta
build_meta.build_sdist("dist")
build_meta.build_editable("dist")
"""
# Packages that others have under these names. They are imported first, and must not be asked.
FOREIGN = 'raise AttributeError(f"a foreign {__name__} has no {name}")'


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder in which the package is installed: from a source archive, by way of a wheel."""
    clone = tmp_path_factory.mktemp("clone")
    for name in SOURCES:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    beside = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "hyper.test")
    for path in [ROOT / name for name in beside] + list(ROOT.glob("requirements*.txt")):
        shutil.copy(path, clone)
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no editable installation is possible"), done.stderr
    (archive,) = (clone / "dist").glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "--no-input", "--no-cache-dir"]
    alone = ["--no-deps", "--no-build-isolation", "--no-index"]
    built = tmp_path_factory.mktemp("built")
    subprocess.run([*pip, "wheel", *alone, "-w", str(built), str(archive)], check=True)
    (wheel,) = built.glob("seqrec-*.whl")
    with zipfile.ZipFile(wheel) as content:
        tops = {name.split("/")[0] for name in content.namelist()}
        metadata = next(name for name in content.namelist() if name.endswith("/METADATA"))
        needed = re.findall(r"^Requires-Dist: (.*)$", content.read(metadata).decode(), re.MULTILINE)
    assert tops == {"seqrec", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert needed == [line for line in pinned if not line.startswith("#")]
    site = tmp_path_factory.mktemp("site")
    subprocess.run([*pip, "install", *alone, "--target", str(site), str(wheel)], check=True)
    return site


def run(site: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a command in the working directory, with the package and foreign ones beside it."""
    for name in ("datasets", "models"):
        Path("foreign", name).mkdir(parents=True, exist_ok=True)
        code = f"def __getattr__(name):\n    {FOREIGN}\n"
        Path("foreign", name, "__init__.py").write_text(code)
    path = os.pathsep.join([str(Path.cwd() / "foreign"), str(site)])
    return subprocess.run(
        words, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=900
    )


def masked(output: str) -> list[list[str]]:
    """The words of each line; digests, run ids and numbers with decimals differ by machine."""
    plain = re.sub(r"\b[0-9a-f]{12,32}\b|[+-]?\d+\.\d+(e-\d+)?%?|\d+e-\d+", "#", output)
    return [line.split() for line in plain.strip().splitlines()]


def test_the_page_runs_from_another_folder_beside_foreign_packages(site, here):
    blocks = list(BLOCK.finditer(PAGE))
    assert len(blocks) == PAGE.count("```python\n") == 8
    script = "import datasets, models\n"
    for block in blocks:
        script += f'print("\\f", end="")\n{block["code"]}'
    script += f"""
import sys
assert seqrec.__file__ == {str(site / "seqrec/__init__.py")!r}
assert "foreign" in datasets.__file__ and "foreign" in models.__file__
assert not any(name.startswith("benchmark") for name in sys.modules)
(run,) = table[table["run_id"] == sasrec.run_id].to_dict("records")
assert run["test ndcg@10"] == sasrec.test["ndcg@10"]
print("\\f", end="")
"""
    Path("page.py").write_text(script)
    done = run(site, sys.executable, "page.py")
    assert done.returncode == 0, done.stderr
    for block, output in zip(blocks, done.stdout.split("\f")[1:], strict=False):
        assert masked(output) == masked(block["output"]), block["code"]
    done = run(site, str(site / "bin/seqrec"), "report", "--experiment", "shop")
    assert done.returncode == 0, done.stderr
    assert "`seqrec train --dataset=data/frames/" in Path("reports/shop.md").read_text()


def test_the_command_has_the_commands_of_a_clone(site, here):
    command = str(site / "bin/seqrec")
    help_page = run(site, command, "train", "--help").stdout
    assert help_page.startswith("Usage: seqrec train [OPTIONS]")
    assert run(site, sys.executable, "-m", "seqrec").stdout.startswith("Usage: seqrec COMMAND")
    done = run(site, command, "prepare", "demo.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: demo.yaml: no such file")


def test_no_text_of_the_package_names_a_command_that_is_not_there(site):
    wrong = re.compile(r"python -m (benchmark|datasets)|pip install -r")
    found = [
        f"{path.relative_to(site)}:{number}: {line}"
        for path in (site / "seqrec").rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if wrong.search(line)
    ]
    assert not found
