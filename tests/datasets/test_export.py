"""A split in the files of other libraries is the split of seqrec: training rows, histories and
targets, under every protocol."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from datasets import DataError, export_formats
from datasets.export import check, command, export
from datasets.prepare import load

COLUMNS = {"user": "u", "item": "i", "timestamp": "t"}
RULES = {
    "leave-one-out": {"split": "leave-one-out"},
    "in random order": {"split": "leave-one-out", "ties": "random"},
    "baskets": {"split": "leave-one-out", "targets": "last-tied"},
    "temporal": {"split": "temporal"},
}


def describe(name: str, rows: pd.DataFrame, **rules: str) -> str:
    """A data set of these rows: the path of its YAML file."""
    Path("data").mkdir(exist_ok=True)
    rows.to_csv(f"data/{name}.csv", index=False)
    source = {"file": f"{name}.csv", "reader": "csv", "columns": COLUMNS}
    Path(f"{name}.yaml").write_text(yaml.safe_dump({"title": name, "sources": [source]} | rules))
    return f"{name}.yaml"


def plays() -> pd.DataFrame:
    """40 users with 3 to 12 interactions, many of them at equal times, and some repeated."""
    draw = np.random.default_rng(1)
    rows = [
        (f"u{user}", f"i{draw.integers(25)}", 1_600_000_000 + int(draw.integers(60)))
        for user in range(40)
        for _ in range(draw.integers(3, 13))
    ]
    return pd.DataFrame(rows, columns=["u", "i", "t"])


def split_by_files() -> str:
    """Users with several targets, histories that are not the rows, and a user without training."""
    Path("data").mkdir()
    Path("data/train.csv").write_text("u,i,t,h\na,x,1,\na,y,2,x\nb,y,1,\nb,z,3,y\n")
    Path("data/valid.csv").write_text("u,i,t,h\na,z,3,x y\nb,x,4,z\n")
    Path("data/test.csv").write_text("u,i,t,h\na,w,4,x y z\na,x,5,x y z w\nb,w,5,y z x\nc,x,6,v\n")
    source = {"reader": "csv", "columns": COLUMNS | {"history": "h"}}
    parts = {part: f"{part}.csv" for part in ("train", "valid", "test")}
    content = {"title": "Files", "sources": [source], "split": parts}
    Path("files.yaml").write_text(yaml.safe_dump(content))
    return "files.yaml"


@pytest.fixture(params=[*RULES, "files"])
def data(here, request):
    """(spec, sequences, split) of tiny data under one of the protocols."""
    rules = RULES.get(request.param)
    spec, sequences = load(describe("mine", plays(), **rules) if rules else split_by_files())
    return spec, sequences, spec.split_of(sequences)


def trained(sequences, split) -> list[tuple[str, list[str]]]:
    """Each user's training items."""
    ids = sequences.item_ids[sequences.items]
    spans = zip(sequences.user_ids, split.train_starts, split.train_ends, strict=True)
    return [(user, ids[start:end].tolist()) for user, start, end in spans if start < end]


def asked(sequences, targets) -> list[tuple[str, str, int, list[str]]]:
    """(user, item, query, history) of each target."""
    ids = sequences.item_ids[sequences.items]
    rows = zip(targets.users, targets.positions, targets.queries, strict=True)
    spans = zip(targets.starts, targets.ends, strict=True)
    return [
        (sequences.user_ids[user], ids[at], int(query), ids[start:end].tolist())
        for (user, at, query), (start, end) in zip(rows, spans, strict=True)
    ]


def by(rows: pd.DataFrame, user: str, item: str) -> list[tuple[str, list[str]]]:
    return [(name, part[item].tolist()) for name, part in rows.groupby(user, sort=False)]


@pytest.fixture(params=[60, 1 << 22])
def chunks(request, monkeypatch):
    """Files are written in one chunk, or in several."""
    monkeypatch.setattr(export_formats, "IDS_PER_CHUNK", request.param)


def test_csv_files_have_each_target_with_its_history(data, chunks):
    spec, sequences, split = data
    folder, _ = export(spec, sequences, "csv", Path("out"))
    train = pd.read_csv(folder / "train.csv", dtype=str)
    assert by(train, "user", "item") == trained(sequences, split)
    for part, targets in (("valid", split.valid), ("test", split.test)):
        rows = pd.read_csv(folder / f"{part}.csv")
        lists = rows["history"].str.split()
        found = zip(rows["user"], rows["item"], rows["query"], lists, strict=True)
        assert [*found] == asked(sequences, targets)
        if "timestamp" in rows:
            assert (rows["timestamp"] == sequences.timestamps[targets.positions]).all()


def test_recbole_files_have_a_row_for_each_training_interaction_with_a_past(data, chunks):
    spec, sequences, split = data
    folder, _ = export(spec, sequences, "recbole", Path("out"), max_length=2)

    def rows(part: str) -> list[tuple[str, str, list[str]]]:
        read = pd.read_csv(folder / f"recbole.{part}.inter", sep="\t", dtype=str)
        lists = read["item_id_list:token_seq"].str.split(" ")
        return [*zip(read["user_id:token"], read["item_id:token"], lists, strict=True)]

    assert rows("train") == [
        (user, items[at], items[max(0, at - 2) : at])
        for user, items in trained(sequences, split)
        for at in range(1, len(items))
    ]
    for part, targets in (("valid", split.valid), ("test", split.test)):
        assert rows(part) == [(u, item, h[-2:]) for u, item, _, h in asked(sequences, targets)]
    catalogue = pd.read_csv(folder / "recbole.item", dtype=str)["item_id:token"]
    assert catalogue.tolist() == sequences.item_ids.tolist()
    settings = yaml.safe_load((folder / "recbole.yaml").read_text())
    assert settings["MAX_ITEM_LIST_LENGTH"] == 2


def test_rectools_files_give_the_history_of_each_query_in_the_order_of_time(data, chunks):
    spec, sequences, split = data
    folder, _ = export(spec, sequences, "rectools", Path("out"))
    train = pd.read_parquet(folder / "train.parquet")
    assert list(train) == ["user_id", "item_id", "weight", "datetime"]
    ordered = train.sort_values("datetime", kind="stable")
    assert sorted(by(ordered, "user_id", "item_id")) == sorted(trained(sequences, split))
    for part, targets in (("valid", split.valid), ("test", split.test)):
        rows = pd.read_parquet(folder / f"{part}-histories.parquet")
        rows = rows.sort_values("datetime", kind="stable")
        expected = {query: (user, h) for user, _, query, h in asked(sequences, targets)}
        several = len(expected) > targets.n_users
        found = by(rows, "query", "item_id")
        assert sorted(found) == [(query, h) for query, (_, h) in expected.items()]
        owner = rows.groupby("query")["user_id"].agg(lambda users: users.unique().item())
        assert owner.tolist() == [q if several else user for q, (user, _) in expected.items()]


def test_the_suite_reads_its_own_files_as_the_same_split(here):
    spec, sequences = load(describe("mine", plays()))
    split = spec.split_of(sequences)
    export(spec, sequences, "csv", Path("data"))
    columns = {"user": "user", "item": "item", "timestamp": "timestamp", "history": "history"}
    source = {"file": "mine/csv", "reader": "csv", "columns": columns}
    parts = {part: f"{part}.csv" for part in ("train", "valid", "test")}
    content = {"title": "Again", "sources": [source], "split": parts}
    Path("again.yaml").write_text(yaml.safe_dump(content))
    read, again = load("again.yaml")
    given = read.split_of(again)
    assert again.items.tolist() == sequences.items.tolist()
    assert asked(again, given.test) == asked(sequences, split.test)
    assert asked(again, given.valid) == asked(sequences, split.valid)


def test_files_of_another_split_are_recognised(here):
    spec, sequences = load(describe("mine", plays()))
    split = spec.split_of(sequences)
    folder, content = export(spec, sequences, "csv", Path("out"))
    check(folder, sequences, split)
    assert json.loads((folder / "exported.json").read_text()) == content
    other, changed = load(describe("other", plays().iloc[:-1]))
    with pytest.raises(DataError, match="another split: their data_digest is"):
        check(folder, changed, other.split_of(changed))
    (folder / "exported.json").write_text("[]")
    with pytest.raises(DataError, match="it is no file of"):
        check(folder, sequences, split)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        check(Path("elsewhere"), sequences, split)


def test_ids_that_a_format_cannot_hold_are_refused(here):
    rows = plays().replace({"i": {"i1": "i 1", "i2": "NA"}})
    path = describe("mine", rows)
    for to, reason in (("csv", "item id 'i 1' has a space"), ("recbole", "the id 'NA' as missing")):
        Path(f"exported/mine/{to}").mkdir(parents=True)
        Path(f"exported/mine/{to}/exported.json").write_text("of an earlier export")
        done = CliRunner().invoke(command, [path, "--to", to])
        assert done.exit_code == 1
        assert reason in done.output
        # An earlier export is as it was.
        assert [file.name for file in Path(f"exported/mine/{to}").iterdir()] == ["exported.json"]
        assert [file.name for file in Path("exported/mine").glob(".*")] == []
    done = CliRunner().invoke(command, [path, "--to", "rectools"])
    assert done.exit_code == 0, done.output
    assert "exported to exported/mine/rectools:" in done.output
    items = pd.read_parquet("exported/mine/rectools/train.parquet")["item_id"]
    assert {"i 1", "NA"} <= set(items)


def test_a_file_without_rows_is_refused(here):
    """RecBole's training rows have an interaction before them: here no user has two."""
    rows = pd.DataFrame({"u": list("aaabbb"), "i": list("xyzyzx"), "t": [1, 2, 3] * 2})
    name = describe("few", rows)
    done = CliRunner().invoke(command, [name, "--to", "recbole"])
    assert done.exit_code == 1
    assert "need users with two training interactions" in done.output


def test_a_folder_that_cannot_be_written_is_one_line(here):
    Path("taken").write_text("")
    done = CliRunner().invoke(
        command, [describe("mine", plays()), "--to", "csv", "--output", "taken"]
    )
    assert done.exit_code != 0
    assert "taken" in done.output
    assert "Traceback" not in done.output
