"""``split: {train: FILE, valid: FILE, test: FILE}``: a split that others made is used as it is."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError, prepare
from datasets.prepare import load
from datasets.specs import spec
from datasets.splitting.split_files import from_files, of_part
from datasets.splitting.splits import given_split

COLUMNS = {"user": "u", "item": "i", "timestamp": "t"}
FILES = {"train": "a.csv", "valid": "b.csv", "test": "c.csv"}


def described(here, *files: str, columns=COLUMNS, **changes) -> str:
    """A YAML file of three CSV files with that content, below a header of ``columns``."""
    source = {"reader": "csv", "columns": columns}
    content = {"title": "Mine", "sources": [source], "split": FILES, **changes}
    (here / "mine.yaml").write_text(yaml.safe_dump(content))
    (here / "data").mkdir(exist_ok=True)
    for name, rows in zip(FILES.values(), files, strict=True):
        header = ",".join(columns.values())
        (here / "data" / name).write_text("\n".join([header, *rows.split()]).replace("_", " "))
    return "mine.yaml"


def found(name: str) -> dict[str, list[tuple[str, str, str]]]:
    """The training sequences, and (user, history, target) of each target."""
    described_as, sequences = load(name)
    return in_words(sequences, described_as.split_of(sequences))


def in_words(sequences, split) -> dict[str, list]:
    """See ``found``."""

    def ids(start, end):
        return "".join(sequences.item_ids[sequences.items[start:end]])

    spans = zip(split.train_starts, split.train_ends, strict=True)
    result = {"train": [ids(start, end) for start, end in spans]}
    for part in ("valid", "test"):
        at = getattr(split, part)
        users = sequences.user_ids[at.users].tolist()
        places = zip(at.starts, at.ends, at.positions, strict=True)
        past = [(ids(start, end), ids(p, p + 1)) for start, end, p in places]
        result[part] = [(user, *row) for user, row in zip(users, past, strict=True)]
    return result


def test_a_target_s_history_is_what_its_user_has_before_it(here):
    name = described(
        here,
        "u,b,2 u,a,1 v,a,1",
        "u,c,3 w,a,3",  # w has no history: no target
        "u,e,5 u,d,4 w,b,9 x,a,1 x,b,2",
    )
    assert found(name) == {
        "train": ["ab", "a", "", ""],
        "valid": [("u", "ab", "c")],
        "test": [("u", "abc", "d"), ("u", "abcd", "e"), ("w", "a", "b"), ("x", "a", "b")],
    }
    read, sequences = load(name)
    split = read.split_of(sequences)
    assert split.name == "given by files (history: the user's rows before the target)"
    assert split.users_not_evaluated == 1  # v


def test_a_history_of_the_files_is_used_where_it_is_another_one(here, capsys):
    name = described(
        here,
        "u,a,1, u,b,2,a u,c,3,a_b v,a,1,",
        "u,d,4,a_b_c v,b,2,a",  # what they have before: nothing is other
        "u,e,5,c_d u,f,6,z_a u,g,7, w,a,1,b_a v,c,9,a_b",
        columns=COLUMNS | {"history": "h"},
    )
    assert found(name) == {
        "train": ["abc", "a", ""],
        "valid": [("u", "abc", "d"), ("v", "a", "b")],
        "test": [("u", "cd", "e"), ("u", "za", "f"), ("v", "ab", "c"), ("w", "ba", "a")],
    }
    read, sequences = load(name)
    assert sequences.n_interactions == 11
    assert len(sequences.items) == 11 + 2 + 2  # z a, b a: no rows are like this
    assert read.split_of(sequences).name == "given by files (history: a column of the files)"
    assert sequences.statistics["histories_of_files"] == 4
    assert sequences.statistics["targets_without_history"] == 1
    assert "data: 11 rows read, 3 files\n" in capsys.readouterr().out


def test_a_column_that_says_what_the_rows_say_changes_nothing(here):
    rows = ["u,a,1 u,b,2 v,b,1", "u,c,3 v,a,3", "u,d,4 v,d,5 v,a,6"]
    _, plain = load(described(here, *rows))
    histories = ["u,a,1, u,b,2,a v,b,1,", "u,c,3,a_b v,a,3,b", "u,d,4,a_b_c v,d,5,b_a v,a,6,b_a_d"]
    read, told = load(described(here, *histories, columns=COLUMNS | {"history": "h"}))
    assert told.digest == plain.digest
    assert read.split_of(told).name == "given by files (history: the user's rows before the target)"
    # The training file may lack the column. Without times, the rows have the files' order.
    columns = {"user": "who", "item": "what", "history": "h"}
    name = described(here, "", "u,c,a_b v,a,b", "u,d,a_b_c v,d,b_a v,a,b_a_d", columns=columns)
    (here / "data/a.csv").write_text("what,who\na,u\nb,u\nb,v\n")
    assert load(name)[1].digest == plain.digest


@pytest.mark.parametrize("longest_first", [False, True])
def test_rows_of_prefixes_are_whole_sessions(here, longest_first):
    """Tools that make one row of each prefix leave out the first item."""
    rows = ["s,b,a", "s,c,a_b", "s,d,a_b_c", "t,c,b"]
    train = " ".join(rows[::-1] if longest_first else rows)
    columns = {"user": "u", "item": "i", "history": "h"}
    name = described(here, train, "v,b,a v,c,a_b", "w,c,d", columns=columns)
    assert found(name) == {
        "train": ["abcd", "bc", "", ""],
        "valid": [("v", "a", "b"), ("v", "ab", "c")],
        "test": [("w", "d", "c")],
    }


TWO = ["u,a,1 u,b,2", "u,c,3"]
WITH_HISTORY = COLUMNS | {"history": "h"}


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ([*TWO, "v,a,1"], {}, "data: split: nobody to evaluate in test: no row of this file has a"),
        ([*TWO, "u,d,4"], {"filters": {"k_core": 2}}, "the filters would remove 4 rows and change"),
        (
            [*TWO, "u,d,4"],
            {"filters": {"timestamp": {"max": 3}}},
            "the filters would remove 1 rows and change the split that the files give: remove",
        ),
        ([*TWO, "u,d,4"], {"targets": "last-tied"}, "last-tied"),
        ([*TWO, "u,d,x"], {}, "data/c.csv:2: timestamp is not a number"),
        (
            ["u,a,1, u,b,2,z_a", "u,c,3,a", "u,d,4,a"],
            {"columns": WITH_HISTORY},
            "1 rows of the file train have a longer history than what stands before them, such as "
            "one of user 'u': give one row for each interaction",
        ),
        (
            ["u,a,1,z", "u,c,3,z_a", "u,d,4,a"],
            {"columns": WITH_HISTORY, "ties": "random"},
            "ties: random needs a time for each interaction, and 1 stand in the history of a",
        ),
        (
            ["u,a,1,", "u,c,3," + "z" * 257, "u,d,4,a"],
            {"columns": WITH_HISTORY},
            "split: a history has the id 'zzzzz",
        ),
    ],
)
def test_what_cannot_be_used_is_said(here, files, changes, message):
    with pytest.raises(DataError) as caught:
        load(described(here, *files, **changes))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"split": {"train": "a", "valid": "b"}}, "split should have 'test'"),
        ({"split": FILES | {"dev": "d"}}, "unknown key 'dev' in split"),
        ({"split": FILES | {"test": "b.csv"}}, "split should name three different files"),
        (
            {"split": FILES | {"test": "../c"}, "sources": [{"reader": "recbole", "url": "u"}]},
            "file should be a path below the data folder",
        ),
        ({"split": FILES | {"test": 3}}, "test in split should be text, not 3"),
        ({"split": FILES, "sources": []}, "split: {train: FILE, ...} needs sources"),
        (
            {"split": "files", "sources": [{"file": "a", "reader": "recbole"}]},
            "split should be one of leave-one-out, temporal, or {train: FILE",
        ),
        (
            {"split": FILES, "sources": [{"reader": "recbole", "sha256": "0"}]},
            "files, size and sha256 cannot stand with split: {train: FILE, ...}",
        ),
        (
            {"sources": [{"reader": "recbole", "split": FILES}]},
            "split should stand beside sources, not in them",
        ),
        (
            {"sources": [{"file": "a", "reader": "csv", "columns": WITH_HISTORY}]},
            "columns: history is for split: {train: FILE, ...}",
        ),
    ],
)
def test_a_description_that_does_not_fit_is_one_line(here, content, message):
    whole = {"title": "Mine", "sources": [{"reader": "recbole"}]} | content
    (here / "mine.yaml").write_text(yaml.safe_dump(whole))
    with pytest.raises(DataError) as caught:
        spec.read("mine.yaml")
    assert f"mine.yaml: {message}" in str(caught.value)


def test_a_file_that_is_missing_is_named(here):
    name = described(here, *TWO, "u,d,4")
    (here / "data/c.csv").unlink()
    with pytest.raises(DataError, match=r"data/c.csv: this part of the data does not exist"):
        load(name)
    (here / "data/c.csv").write_text("u,i,t\nu,d,4\n")
    content = yaml.safe_load((here / name).read_text())
    content["sources"][0]["columns"]["history"] = "h"
    (here / name).write_text(yaml.safe_dump(content))
    (here / "data/b.csv").write_text("u,i,t,h\nu,c,3,a\n")
    with pytest.raises(DataError, match=r"data/c.csv:1: the header should name 'h' once"):
        load(name)


def test_parquet_files_have_histories(here):
    (here / "data").mkdir()
    files = {part: f"{part}.parquet" for part in FILES}
    source = {"reader": "parquet", "columns": {"user": "u", "item": "i", "history": "h"}}
    content = {"title": "Mine", "sources": [source], "split": files}
    (here / "mine.yaml").write_text(yaml.safe_dump(content))
    pq.write_table(pa.table({"u": [1, 1], "i": [1, 2]}), here / "data/train.parquet")
    for part, item, history in (("valid", 3, "1 2"), ("test", 4, "2\x1b")):
        columns = {"u": [1, 2], "i": [item, item], "h": [history, None]}
        pq.write_table(pa.table(columns), here / "data" / files[part])
    with pytest.raises(DataError, match=r"split: a history has the id '2\\x1b': ids should be"):
        load("mine.yaml")
    for history in (["2", "1"], [[2], [1]]):  # text, or lists
        test = pa.table({"u": [1, 2], "i": [4, 3], "h": history})
        pq.write_table(test, here / "data/test.parquet")
        assert found("mine.yaml") == {
            "train": ["12", ""],
            "valid": [("1", "12", "3")],
            "test": [("1", "2", "4"), ("2", "1", "3")],
        }


def test_what_the_files_have_is_counted(here):
    name = described(
        here,
        "u,a,1 u,b,2 v,a,5",
        "u,b,2 v,b,4 v,c,6",  # u's b stands in train, v's b is before v's a
        "u,d,9 w,a,1 w,e,2 v,c,6",
    )
    _, sequences = load(name)
    expected = {
        "rows_in_two_files": 2,
        "targets_before_history": 1,
        "targets_without_history": 1,
        "users_without_training": 1,
        "items_without_training": 3,
        "targets_without_training": 4,
    }
    numbers = sequences.statistics
    assert {key: numbers[key] for key in expected} == expected
    out = CliRunner().invoke(prepare.command, [name]).output
    sentence = (
        "2 rows in two of the files; 1 targets earlier than their history; 1 targets without a "
        "history: not evaluated; 1 users without training; 3 items without training, with 4 "
        "targets: candidates like all others"
    )
    assert f"split by files: {sentence}\n" in out
    assert "warning: 2 rows stand in two of the files: a target that was trained on" in out
    assert "warning: 1 targets are earlier than an interaction of their history" in out
    assert ": 3 interactions for training, 3 targets of 2 users for validation, 3 for test\n" in out
    assert "users have no row with a history" not in out
    card = (here / out.split("card: ")[1].strip()).read_text()
    assert f"**Split by files:** {sentence}\n" in card
    assert "chronological arrangement, split given by files and full sorting" in card
    (here / "again.yaml").write_text(card.split("```yaml\n")[1].split("```")[0])
    assert load("again.yaml")[1].digest == sequences.digest


def test_the_cache_keeps_parts_and_histories_and_the_digest_has_them(here, monkeypatch):
    rows = ["u,a,1, u,b,2,a", "u,c,3,b_a", "u,d,4,c_c"]
    name = described(here, *rows, columns=WITH_HISTORY)
    before = found(name)
    digest = load(name)[1].digest
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "prepare", None)  # preparing again would fail
        assert found(name) == before
        assert load(name)[1].digest == digest
    other = described(here, *rows[:2], "u,d,4,c_b", columns=WITH_HISTORY)
    assert load(other)[1].digest != digest
    plain = load(described(here, "u,a,1 u,b,2", "u,c,3", "u,d,4"))[1].digest
    assert load(described(here, "u,a,1", "u,b,2 u,c,3", "u,d,4"))[1].digest != plain


# --- against the definition

ROW = st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd"), st.integers(0, 5))
TARGET = st.tuples(ROW, st.none() | st.text("abcd\u00a0é", max_size=4))


def slowly(files: list[list], told: bool) -> tuple[dict, list[list[str]]]:
    """The definition, row by row: ``found``'s parts, and the content of each file's column history.

    ``files`` have pairs of a row and its history; None is what its user has before it. Without
    ``told``, all are None.
    """
    result = {"train": [], "valid": [], "test": []}
    columns = [[""] * len(rows) for rows in files]
    for user in sorted({row[0] for rows in files for row, _ in rows}):
        before = ""
        for part, rows in zip(result, range(3), strict=True):
            mine = [n for n, (row, _) in enumerate(files[rows]) if row[0] == user]
            for n in sorted(mine, key=lambda n: files[rows][n][0][2]):
                (_, item, _), history = files[rows][n]
                history = history if told and rows and history is not None else before
                columns[rows][n] = " ".join(history)
                if rows and history:
                    result[part].append((user, history, item))
                before += item
            if part == "train":
                result["train"].append(before)
    return result, columns


@settings(max_examples=300, deadline=None)
@given(st.lists(ROW, min_size=1), st.lists(TARGET), st.lists(TARGET), st.booleans())
@example([("u", "a", 1)], [(("u", "b", 0), None)], [(("u", "a", 0), "e")], True)
def test_the_split_is_that_of_its_definition(train, valid, test, told):
    files = [[(row, None) for row in train], valid, test]
    expected, histories = slowly(files, told)
    batches = []
    for part, rows in enumerate(files):
        users, items, times = ([row[k] for row, _ in rows] for k in range(3))
        columns = {
            "user": pa.array(users, pa.string()),
            "item": pa.array(items, pa.string()),
            "timestamp": pa.array(times, pa.float64()),
        }
        if told:
            columns["history"] = pa.array(histories[part], pa.string())
        batches.append(of_part(pa.RecordBatch.from_pydict(columns), part))
    sequences = from_files(pa.Table.from_batches(batches).to_pandas(), "file")
    assert sequences.n_interactions == len(train) + len(valid) + len(test)
    if not expected["valid"] or not expected["test"]:
        with pytest.raises(DataError, match="nobody to evaluate"):
            given_split(sequences)
        return
    assert in_words(sequences, given_split(sequences)) == expected


TEXTS = st.lists(st.none() | st.text(max_size=9), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.just([""]) | TEXTS, TEXTS)
def test_any_text_is_a_history_or_an_error(train, test):
    batches = []
    for part, histories in enumerate((train, ["i0"], [*test, "i0"])):
        n = len(histories)
        columns = {
            "user": pa.array(["u"] * n, pa.string()),
            "item": pa.array([f"i{k}" for k in range(n)], pa.string()),
            "history": pa.array(histories, pa.string()),
        }
        batches.append(of_part(pa.RecordBatch.from_pydict(columns), part))
    message = ""
    try:
        sequences = from_files(pa.Table.from_batches(batches).to_pandas(), "file")
    except DataError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert message.isprintable()
    if not message:
        found = in_words(sequences, given_split(sequences))["test"]
        told = [re.sub(r"[ \t-\r]", "", text or "") for text in [*test, "i0"]]
        assert [history for _, history, _ in found] == [text for text in told if text]
