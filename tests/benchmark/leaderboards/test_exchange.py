"""Boards as JSON files: what is written is read back, and anything else is one line of error."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.leaderboards import exchange, gather, html
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome
from benchmark.leaderboards.merge import merged, with_own_titles
from benchmark.leaderboards.overall import overall
from benchmark.leaderboards.texts import render_csv, render_latex, render_markdown
from benchmark.leaderboards.verdict import verdict
from tests.benchmark.reporting.test_comparison import USERS, log


def outcome(seed: int, value: float, run: str = "a") -> Outcome:
    test = {"ndcg@10": value, "recall@10": value / 2}
    return Outcome(f"{run}{seed}", seed, test, "abc", "train", "http://server/#/runs/a", 1.5)


def small(origin: str = "", first: float = 0.3) -> Board:
    """Two data sets; with a failed cell, an interval and costs."""
    cells = {
        Entry("SASRec", "learned"): Cell(
            (outcome(1, first, f"{origin}a"), outcome(2, first + 0.01, f"{origin}a")),
            settings="lr=0.001",
            points_tried=8,
            seconds=12.5,
            memory_mb=600.0,
            parameters=1000.0,
            device="CPU",
            interval=(0.29, 0.32),
            level=True,
        ),
        Entry("EASE", "counted"): Cell((outcome(1, 0.2, f"{origin}b"),)),
        Entry("GRU4Rec", "learned"): Cell(failure="failed: out of memory"),
    }
    columns = (
        Column("a", "Set A", "leave-one-out", "d1", False, {"users": 3}, cells, "report-a.html"),
        Column("b", "Set B", "temporal", "d2", True, {}, {}, "", "not downloaded"),
    )
    return Board("ndcg@10", columns, "Mine", "0.9.0", "2026-11-27T00:00:00+00:00", origin)


@pytest.fixture
def file(tmp_path):
    def write(content: object) -> exchange.Path:
        path = tmp_path / "team.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_board_is_read_as_it_was_written(file):
    board = small("lab")
    assert exchange.load(file(exchange.dump(board))) == board
    assert exchange.load(file(exchange.dump(small()))).origin == "team"  # the file's name


def test_a_board_without_data_sets_is_shown(file):
    board = exchange.load(file(exchange.dump(replace(small("lab"), columns=()))))
    assert "No trial has a result." in html.render(board, None, verdict(board, None))


def test_columns_of_one_title_get_what_tells_them_apart(file):
    column = small().columns[0]
    protocols = ("by time; ties last", "by time; masked; ties last", "")
    twins = [replace(column, protocol=protocol) for protocol in protocols]
    assert [each.title for each in with_own_titles(twins[:2])] == ["Set A", "Set A (masked)"]
    twins.append(replace(column, digest="sha256:0123456789", protocol=""))
    twins.append(replace(column, dataset="b", digest="d3", protocol=""))
    board = replace(small(), columns=tuple(with_own_titles(twins)))
    assert [each.title for each in board.columns] == [
        "Set A (0)",
        "Set A (masked)",
        "Set A (2)",
        "Set A (01234567)",
        "Set A (b)",
    ]
    assert exchange.load(file(exchange.dump(board))).columns == board.columns


def test_a_byte_order_mark_is_no_error_and_a_key_twice_is(tmp_path):
    text = exchange.dump(small("lab"))
    path = tmp_path / "board.json"
    path.write_text(text, encoding="utf-8-sig")
    assert exchange.load(path) == small("lab")
    path.write_text(text.replace('"metric":', '"metric": "x", "metric":', 1))
    with pytest.raises(UserError, match="a mapping has the key 'metric' twice"):
        exchange.load(path)


def test_unknown_keys_are_ignored(file):
    content = json.loads(exchange.dump(small("lab")))
    content["later"] = content["columns"][0]["cells"][0]["later"] = {"x": 1}
    assert exchange.load(file(content)) == small("lab")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("schema"), "schema should be 'seqrec.leaderboard', not None"),
        (lambda c: c.update(schema_version=2), "schema_version is 2; this version"),
        (lambda c: c.update(metric="fame@10"), "metric 'fame@10' is unknown"),
        (lambda c: c.update(columns={}), "the file: columns should be a list, not {}"),
        (lambda c: c["columns"][0].pop("digest"), "columns[0] should have 'digest'"),
        (lambda c: c["columns"][1].update(title="Set A"), "two columns have one title"),
        (
            lambda c: c["columns"][1].update(digest="d1", protocol="leave-one-out"),
            "two columns have one digest and one protocol",
        ),
        (
            lambda c: c["columns"][0]["cells"][0].update(kind="magic"),
            "columns[0].cells[0]: kind should be one of learned, counted, scored, published, not",
        ),
        (
            lambda c: c["columns"][0]["cells"][1].update(model="SASRec", kind="learned"),
            "columns[0].cells[1]: SASRec has a cell already",
        ),
        (
            lambda c: c["columns"][0]["cells"][0]["outcomes"][1]["test"].update({"ndcg@10": 1.5}),
            "columns[0].cells[0].outcomes[1].test: ndcg@10 is 1.5, which is no value from 0 to 1",
        ),
        (
            lambda c: c["columns"][0]["cells"][0].update(seconds=-1),
            "columns[0].cells[0]: seconds should be a number from 0 on, not -1",
        ),
        (
            lambda c: c["columns"][0]["cells"][0]["outcomes"].append(
                c["columns"][0]["cells"][0]["outcomes"][0]
            ),
            "columns[0].cells[0]: an outcome is there twice",
        ),
        (
            lambda c: c["columns"][0]["cells"][0]["outcomes"][0].update(test={}),
            "columns[0].cells[0].outcomes[0].test should have metrics",
        ),
        (
            lambda c: c["columns"][0]["cells"][0].update(interval=[0.9, 0.1]),
            "columns[0].cells[0]: interval should be two numbers, the smaller first, not",
        ),
        (
            lambda c: c["columns"][0]["cells"][0].update(model=" "),
            "columns[0].cells[0]: model should be the name of a model",
        ),
        (
            lambda c: c["columns"][0]["cells"][0].update(level=1),
            "columns[0].cells[0]: level should be true or false, not 1",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where(file, change, message):
    content = json.loads(exchange.dump(small()))
    change(content)
    with pytest.raises(UserError) as caught:
        exchange.load(path := file(content))
    assert str(caught.value).startswith(f"{path}: no leaderboard: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"schema": NaN}',
        "\ud800".encode("utf-8", "replace").decode(),
    ],
)
def test_what_is_no_json_object_is_one_line(file, text):
    with pytest.raises(UserError) as caught:
        exchange.load(file(text))
    assert len(str(caught.value).splitlines()) == 1


def places(content: object, path: tuple = ()) -> list[tuple]:
    """The paths of all values inside."""
    inside = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in inside:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


CONTENT = json.loads(exchange.dump(small("lab")))
HOSTILE = [
    "",
    "</script>",
    "=1+1",
    "javascript:x",
    "../../x",
    "\x1b[31m",
    "a\nb",
    "|",
    "\u202e",
]
TEXTS = st.sampled_from(HOSTILE)
VALUES = TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.just([]) | st.just({})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(places(CONTENT)), VALUES)
@example(("columns", 1, "protocol"), "</script>")  # in a comment of LaTeX
@example(("columns", 0, "cells", 0, "outcomes", 1, "command"), "</script>")
def test_any_value_anywhere_is_refused_or_shown(file, path, value):
    content = json.loads(json.dumps(CONTENT))
    inside = content
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    try:
        board = exchange.load(file(content))
    except UserError as error:
        message = str(error)
    else:
        message = ""
    assert message.isprintable()
    assert len(message) < 1000
    if message:
        return
    shown = merged(small(), [replace(board, origin="x")]) if board.metric == "ndcg@10" else board
    found = overall(shown)
    sentences = verdict(shown, found)
    texts = [render_markdown(shown, found, sentences), render_latex(shown, found, sentences)]
    assert "<" not in re.sub("`[^`]*`", "", "".join(texts))  # in a span of code it is a character
    page = html.render(shown, found, sentences)
    assert "\x1b" not in "".join([*texts, render_csv(shown, found), page])
    links = [outcome.link for _, _, cell in shown.results() for outcome in cell.outcomes]
    assert set(links) <= {"", "http://server/#/runs/a"}


def test_boards_share_the_columns_of_the_same_data_and_protocol():
    theirs = small("lab", first=0.4)
    other = replace(theirs.columns[0], protocol="temporal", title="Set A")
    board = merged(small(), [replace(theirs, columns=(theirs.columns[0], other))])
    assert [column.title for column in board.columns] == [
        "Set A (leave-one-out)",
        "Set A (temporal)",
        "Set B",
    ]
    shared = board.columns[0]
    assert [entry.name for entry in shared.cells] == [
        "SASRec", "EASE", "GRU4Rec", "SASRec from lab", "EASE from lab",
    ]  # fmt: skip
    # Theirs is the best: no test compares ours with it.
    assert [e.name for e, cell in shared.cells.items() if cell.level] == ["SASRec from lab"]


def test_trials_that_are_here_are_not_shown_twice():
    """One's own export, or that of a colleague with the same server."""
    board = merged(small(), [replace(small(), origin="mine")])
    names = [entry.name for entry in board.columns[0].cells]
    assert names == ["SASRec", "EASE", "GRU4Rec"]
    assert [column.title for column in board.columns] == ["Set A", "Set B"]
    # A colleague's page that shows one's own rows has them by their origin.
    colleague = merged(small("lab", first=0.4), [replace(small(), origin="us")])
    names = [entry.name for entry in merged(small(), [colleague]).columns[0].cells]
    assert names == ["SASRec", "EASE", "GRU4Rec", "SASRec from lab", "EASE from lab"]


def test_a_title_has_the_whole_number_of_a_sample():
    first = replace(small().columns[0], protocol="leave-one-out; a fixed sample of 10,000 users")
    second = replace(first, protocol="leave-one-out; all users")
    titles = [column.title for column in with_own_titles([first, second])]
    assert titles[0] == "Set A (a fixed sample of 10,000 users)"


@pytest.mark.parametrize("value", [-1, -0.5])
def test_what_others_logged_does_not_make_the_file_unreadable(store, file, value):
    ranks = np.arange(1, USERS + 1)
    run = log(store, "EASE", ranks, seed=int(value) if value == -1 else 1, rate=None)
    store.log_metric(run, "peak_memory_mb", value, step=2)
    found = gather.groups(store, ["e"])
    board = gather.board(store, found, "ndcg@10", "t", title="Ours", origin="")
    assert exchange.load(file(exchange.dump(board))).columns[0].digest == "d1"


def test_boards_that_rank_by_other_metrics_or_have_one_origin_are_refused():
    with pytest.raises(UserError, match="lab ranks by recall@10, this one by ndcg@10: give"):
        merged(small(), [replace(small("lab"), metric="recall@10")])
    with pytest.raises(UserError, match="two leaderboards have the origin lab"):
        merged(small("lab"), [small("lab")])
