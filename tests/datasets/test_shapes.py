"""Data as people have them: `prepare --from FILE` describes a file, or says what is open."""

import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, prepare
from datasets.describing import guess
from datasets.prepare import load
from datasets.specs import spec

START = 1_600_000_000
ROWS = [(f"u{n % 6}", f"i{n * n % 11}", START + 60 * n) for n in range(120)]
"""Users, items and seconds since 1970, in time order."""


def reference() -> list[list[str]]:
    return [[item for user, item, _ in ROWS if user == f"u{u}"] for u in range(6)]


def prepared(here, *words: str) -> tuple[dict, str]:
    """Content of the YAML file that is written, and what is printed; the sequences are checked."""
    done = CliRunner().invoke(prepare.command, list(words))
    assert done.exit_code == 0, done.output
    path = done.output.split("written: ")[1].split("\n")[0]
    sequences = load(path)[1]
    bounds = zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    found = [sequences.item_ids[sequences.items[a:b]].tolist() for a, b in bounds]
    assert sorted(found) == sorted(reference())
    spec.read(path).split_of(sequences)
    return yaml.safe_load((here / path).read_text()), done.output


def refused(*words: str) -> str:
    done = CliRunner().invoke(prepare.command, list(words))
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    return done.output


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def test_iso_times(here):
    rows = [f"{user};{item};{iso(time)};4.5\n" for user, item, time in reversed(ROWS)]
    (here / "orders.csv").write_text("Customer ID;Product;Order Date;price\n" + "".join(rows))
    content, said = prepared(here, "--from", "orders.csv")
    assert content["title"] == "orders"
    assert content["sources"] == [
        {
            "file": "orders.csv",
            "reader": "csv",
            "columns": {"user": "Customer ID", "item": "Product", "timestamp": "Order Date"},
            "separator": ";",
            "timestamp_unit": "iso",
        }
    ]
    assert said.startswith(
        "orders.csv, from the first rows:\n- reader csv\n- separator ';'\n- user = Customer ID\n"
        "- item = Product\n- timestamp = Order Date\n- the times are ISO 8601 dates or times\n"
        "- not read: price\nwritten: orders.yaml\n"
    )


def test_json_lines(here):
    rows = [{"uid": u, "item_id": i, "ts": t * 1000, "page": {"x": [1]}} for u, i, t in ROWS]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (here / "clicks.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    content, said = prepared(here, "--from", "clicks.jsonl.gz")
    assert content["sources"][0]["reader"] == "jsonl"
    assert content["sources"][0]["timestamp_unit"] == "ms"
    assert "- the times are milliseconds since 1970\n- not read: page\n" in said


def test_an_event_log(here):
    log = [(u, i, t, e) for u, i, t in ROWS for e in ("view", "purchase")]
    frame = pd.DataFrame(log, columns=["user_id", "item_id", "time", "event"])
    frame.to_csv("log.csv", index=False)
    done = CliRunner().invoke(prepare.command, ["--from", "log.csv"])
    assert (
        "- all rows are kept, whatever their event ('view', 'purchase'): choose with filters: "
        "where: {event: purchase}\n" in done.output
    )
    with open("log.yaml", "a") as file:
        file.write("filters: {where: {event: purchase}}\n")
    assert load("log.yaml")[1].n_interactions == len(ROWS)


def test_one_sequence_a_line(here):
    """All are as long: the lines look like rows, unless one knows it."""
    (here / "sessions.txt").write_text("".join(f"{' '.join(s)}\n" for s in reference()))
    assert "(if each line is a sequence of items: " in refused("--from", "sessions.txt")
    content, said = prepared(here, "--from", "sessions.txt", "--columns", "item=1")
    assert content["sources"][0] == {
        "file": "sessions.txt",
        "reader": "sequences",
        "columns": {"item": 1},
    }
    assert "- reader sequences, separator ' '\n- the first field is an item, and the line" in said


def test_sequences_of_different_lengths(here):
    sequences = [*reference(), ["i1", "i2", "i3"], ["i2", "i1", "i1", "i3"], ["i5", "i5", "i1"]]
    for named, separator in ((True, "\t"), (False, " ")):
        lines = [separator.join([f"u{n}"] * named + s) for n, s in enumerate(sequences)]
        (here / "s.txt").write_text("\n".join(lines[3:]) + "\n")
        done = CliRunner().invoke(prepare.command, [f"s{named}.yaml", "--from", "s.txt"])
        assert done.exit_code == 0, done.output
        found = load(f"s{named}.yaml")[1]
        bounds = zip(found.offsets[:-1], found.offsets[1:], strict=True)
        assert [found.item_ids[found.items[a:b]].tolist() for a, b in bounds] == sequences[3:]
        first = "the user" if named else "an item, and the line is the user"
        assert f"- the first field is {first}\n" in done.output


def test_a_folder_of_parquet_parts(here):
    (here / "parts").mkdir()
    for number in range(3):
        rows = [(u, i, datetime.fromtimestamp(t, UTC)) for u, i, t in ROWS[number::3]]
        frame = pd.DataFrame(rows, columns=["visitorid", "itemid", "timestamp"])
        frame.to_parquet(here / f"parts/part-{number}.parquet")
    (here / "parts/_SUCCESS").touch()
    content, said = prepared(here, "--from", "parts")
    assert content["sources"][0]["file"] == "parts"
    assert "timestamp_unit" not in content["sources"][0]
    assert said.startswith("parts/part-0.parquet and 2 more, from the first rows:\n")
    content, _ = prepared(here, "other.yaml", "--from", f"{here}/parts/*.parquet")
    assert content["sources"][0]["files"] == ["parts/*.parquet"]


def test_a_tsv_file_without_a_header(here):
    lines = [f"{u[1:]}\t{i[1:]}\t5\t{t}\n" for u, i, t in ROWS]
    (here / "u.data").write_text("".join(lines))
    assert refused("--from", "u.data") == (
        "Error: u.data: no header line: which field is the user, and which the item? Say so with "
        "--columns, such as user=1,item=2,timestamp=4 (if each line is a sequence of items: "
        "describe the file in a YAML file with reader: sequences); the first row is "
        "['0', '0', '5', '1600000000']\n"
    )
    (here / "u.data").write_text("".join(f"{u}\t{i}\t5\t{t}\n" for u, i, t in ROWS))
    content, said = prepared(here, "--from", "u.data", "--columns", "user=1,item=2,timestamp=4")
    assert content["sources"][0]["columns"] == {"user": 1, "item": 2, "timestamp": 4}
    assert "- user = field 1\n- item = field 2\n- timestamp = field 4\n" in said


def test_a_csv_file_of_pandas_with_its_index(here):
    frame = pd.DataFrame(ROWS, columns=["user", "item", "timestamp"])
    frame.to_csv("frame.csv")
    content, said = prepared(here, "--from", "frame.csv")
    assert content["sources"][0]["columns"] == {
        "user": "user",
        "item": "item",
        "timestamp": "timestamp",
    }
    assert "- not read: a column without a name\n" in said


def test_columns_that_are_not_given_are_guessed(here):
    """One is called otherwise: the times are not lost for it."""
    table = pd.DataFrame(ROWS, columns=["Kundennr", "item", "Datum"]).sample(frac=1, random_state=1)
    table.assign(Datum=[iso(t) for t in table["Datum"]]).to_csv("a.csv", index=False)
    content, _ = prepared(here, "--from", "a.csv", "--columns", "user=Kundennr")
    assert content["sources"][0]["columns"] == {
        "user": "Kundennr",
        "item": "item",
        "timestamp": "Datum",
    }
    done = CliRunner().invoke(
        prepare.command, ["b.yaml", "--from", "a.csv", "--columns", "user=Kundennr,timestamp="]
    )
    assert done.exit_code == 0, done.output
    assert "- no times: each user's order is that of the rows\n" in done.output


def test_numbered_columns_leave_the_times_to_be_found(here):
    (here / "u.data").write_text("".join(f"{u}\t{i}\t5\t{t}\n" for u, i, t in ROWS))
    content, _ = prepared(here, "--from", "u.data", "--columns", "user=1,item=2")
    assert content["sources"][0]["columns"] == {"user": 1, "item": 2, "timestamp": 4}
    done = CliRunner().invoke(
        prepare.command, ["v.yaml", "--from", "u.data", "--columns", "user=1,item=2,timestamp="]
    )
    assert done.exit_code == 0, done.output
    assert "- not read: field 3, field 4" in done.output


def test_three_files_called_like_a_split_are_one(here):
    """Joined, in the order of their names, the targets would come first."""
    (here / "paper").mkdir()
    of = {"train": ROWS[:108], "val": ROWS[108:114], "test": ROWS[114:]}
    for name, rows in of.items():
        table = pd.DataFrame([row[:2] for row in rows], columns=["user", "item"])
        table.to_csv(here / f"paper/{name}.csv", index=False)
    for place in ("paper", "paper/*.csv"):
        content, said = prepared(here, "paper.yaml", "--from", place)
        assert content["split"] == {"train": "train.csv", "valid": "val.csv", "test": "test.csv"}
        assert "- the files are a split: train train.csv, valid val.csv, test test.csv\n" in said
        assert "given by files" in said


SPLITS = {
    "a folder for each": ["train/part-0.csv", "train/part-1.csv", "valid/part-0.csv", "test/x.csv"],
    "as datasets of Hugging Face": [
        "train-00000-of-00002.csv",
        "train-00001-of-00002.csv",
        "validation-00000-of-00001.csv",
        "test-00000-of-00001.csv",
    ],
    "with a name before": ["ml.train.csv", "ml.dev.csv", "ml.test.csv"],
}


@pytest.mark.parametrize("files", SPLITS.values(), ids=SPLITS)
def test_a_split_is_known_by_words_in_names(here, files):
    n_train = sum("train" in file for file in files)
    rows = [*np.array_split(np.arange(108), n_train), np.arange(108, 114), np.arange(114, 120)]
    for file, of_file in zip(files, rows, strict=True):
        (here / "paper" / file).parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame([ROWS[n] for n in of_file], columns=["user", "item", "time"])
        table.drop(columns="time").to_csv(here / "paper" / file, index=False)
    content, said = prepared(here, "--from", "paper")
    assert content["split"].keys() == {"train", "valid", "test"}
    assert "given by files" in said
    assert f"paper/{files[0]} and {len(files) - 1} more, from the first rows:" in said


@pytest.mark.parametrize(
    "names", [["train", "test"], ["train", "valid", "test", "all"], ["u.train", "v.train", "test"]]
)
def test_parts_of_a_split_are_never_joined(here, names):
    (here / "paper").mkdir()
    for name in names:
        (here / f"paper/{name}.csv").write_text("user,item\nu,i\nu,j\n")
    assert "by their names, some of the files are parts of a split, such as" in (
        refused("--from", "paper")
    )
    assert not (here / "paper.yaml").exists()


def test_the_yaml_file_may_stand_elsewhere(here):
    pd.DataFrame(ROWS, columns=["user", "item", "time"]).to_csv("a.csv", index=False)
    (here / "sub").mkdir()
    content, _ = prepared(here, "sub/mine.yaml", "--from", "a.csv")
    assert content["sources"][0]["file"] == f"{here}/a.csv"
    said = refused("sub/mine.yaml", "--from", "a.csv", "--columns", "user=item,item=user")
    assert said.startswith("Error: sub/mine.yaml: exists already, with other content: remove")
    prepared(here, "sub/mine.yaml", "--from", "a.csv")  # the same again


def test_another_file_of_that_name_is_not_read(here):
    pd.DataFrame(ROWS, columns=["user", "item", "time"]).to_csv("a.csv", index=False)
    (here / "named").mkdir()
    (here / "named/a.csv").write_text("user,item,time\nu,a,1\nu,b,2\nu,c,3\n")
    done = CliRunner().invoke(prepare.command, ["--from", "a.csv", "--data-dir", "named"])
    assert done.exit_code == 1
    assert "Error: a: named/a.csv would be read in place of a.csv: its folder is" in done.output


def test_published_layouts_are_recognised(here):
    head = "user_id:token\titem_id:token\ttimestamp:float\n"
    (here / "a.inter").write_text(head + "".join(f"{u}\t{i}\t{t}\n" for u, i, t in ROWS))
    assert prepared(here, "--from", "a.inter")[0]["sources"] == [
        {"file": "a.inter", "reader": "recbole"}
    ]
    (here / "b.dat").write_text("".join(f"{u}::{i}::5::{t}\n" for u, i, t in ROWS))
    assert prepared(here, "--from", "b.dat")[0]["sources"][0]["reader"] == "movielens-dat"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user,asin,parent_asin\na,b,c\n", "the column of the item may be 'asin' or 'parent_asin'"),
        ("who,item,time\na,b,1\n", "the column of the user is not clear: say so with --columns"),
        (
            "user,item,date\na,b,01/02/2020\n",
            "the times in date are neither ISO 8601 nor numbers of",
        ),
        ("user,item,date\na,b,20200102\n", "the times in date, such as '20200102', may be days"),
        ("user,item,when\na,b,01.02.2020\n", "when may be the times, such as '01.02.2020': write"),
        ("user,item,t1,t2\na,b,2020-01-01,2020-01-02\n", "of the timestamp may be 't1' or 't2'"),
        (
            "user,item,time\na,b,1600000000\na,c,1600000000000\n",
            "are neither ISO 8601 nor numbers of one unit, such as",
        ),
        ("a,b\nc,d\n", "is ['a', 'b'] a row, or are these names? Say so with --columns user=1"),
        ("0,1,2\n5,6,1600000000\n", "is ['0', '1', '2'] a row, or are these names? Say so"),
        (",0,1\n0,5,6\n1,5,7\n", "is ['', '0', '1'] a row, or are these names? Say so with"),
        ("a,b\na,c\n", "no header line: which field is the user, and which the item?"),
        ("user,item\na,b\na,b,c\na,d\n", "3: 3 fields with the separator ',', in most lines 2"),
        ("a b c\nb d e f\n", "is the first field, such as 'a', a user or an item? Say so with"),
        ("a\tb c\na\tb\tc\n", "the separators '\\t', ' ': a sequence a line should have one"),
        ("a\na\n", "no header line: which field is the user, and which the item? Say so with"),
        ('[{"user": 1}]', "a JSON array: write one object a line, which is JSON lines"),
        ('{"user": 1}\n[]\n', "f.x:2: not one JSON object: found '[]'"),
        ("", "the file is empty or starts with an empty line"),
        ("PAR1", "cannot be read as a Parquet file"),
        ('user,item,text\na,b,"c\nd"\na,c,"d\ne"\n', "f.x:2: a quote is not closed in its line"),
        ('user,item,text\na,b,c\na,d,e\na,c,"d\ne"\n', "f.x:4: a quote is not closed in its line"),
        ("user,item,time\n", "the file has a header line and no rows"),
        ("user,item,item,time\na,b,c,1\n", "the header names 'item' twice: rename one of them"),
        ("user,item\nä,b\n", "not UTF-8 text: describe it in a YAML file, with its encoding"),
    ],
)
def test_what_the_rows_leave_open_is_asked(here, content, message):
    (here / "f.x").write_bytes(content.encode("latin-1"))
    assert message in refused("--from", "f.x")
    assert not (here / "f.yaml").exists()


def test_a_header_is_no_interaction(here):
    (here / "f.csv").write_text("user_id,item_id\nu,i\nu,j\nu,k\n")
    assert refused("--from", "f.csv", "--columns", "user=1,item=2") == (
        "Error: f.csv:1: the first line names the columns: ['user_id', 'item_id']; give their "
        "names, such as --columns user=user_id,item=item_id\n"
    )
    source = "{file: f.csv, reader: csv, columns: {user: 1, item: 2}}"
    (here / "f.yaml").write_text(f"title: F\nsources: [{source}]\n")
    with pytest.raises(DataError, match=r"such as columns: \{user: user_id, item: item_id\}"):
        load("f.yaml", ".")


def test_a_spreadsheet_is_called_so(here):
    (here / "f.xlsx").write_bytes(b"PK\x03\x04 and so on")
    assert "f.xlsx: a spreadsheet: save it as CSV" in refused("--from", "f.xlsx")


@pytest.mark.parametrize(
    "text", ["", "user", "user=", "item=1,user=b", "user=1,item=2,user=3", "user=1", "who=1,item=2"]
)
def test_columns_that_make_no_sense_are_refused(text):
    with pytest.raises(DataError, match="--columns should be like user=customer,item=product"):
        guess.given_columns(text)


CELLS = st.sampled_from(["user", "item", "a", "b", "1", "1600000000", "2020-01-01", '"', "", "é"])
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=6)


@settings(max_examples=150)
@given(TABLES, st.sampled_from("\t,;| "), st.binary(max_size=3))
def test_any_file_is_described_or_refused_in_one_line(tmp_path_factory, rows, separator, more):
    path = tmp_path_factory.getbasetemp() / "guessed"
    path.write_bytes("\n".join(map(separator.join, rows)).encode() + more)
    message, source = "", {"reader": "recbole"}
    try:
        source = guess.guess(path).source
    except DataError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    spec.Source("f", **source).layout()
