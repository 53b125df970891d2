"""Interactions at the same time: their order, its effect, and copies of rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from datasets import DataError, card, prepare, ties
from datasets.prepare import load
from datasets.sequences import from_interactions
from datasets.specs import spec
from datasets.splitting.splits import leave_one_out
from tests.conftest import card_of

COLUMNS = ["user", "item", "timestamp"]
DAY = 86_400
rows = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz"), st.integers(0, 2)),
    min_size=1,
    max_size=60,
)


def frame(interactions, columns=COLUMNS) -> pd.DataFrame:
    return pd.DataFrame(interactions, columns=columns)


def noise(seed: int = 0) -> list[tuple[str, str, int]]:
    """Six random items of 100 on each of two days for each of 600 users, in random order."""
    rng = np.random.default_rng(seed)
    found = [
        (f"u{user}", f"i{item:02}", DAY * day)
        for user in range(600)
        for day in (1, 2)
        for item in rng.integers(0, 100, 6)
    ]
    return [found[row] for row in rng.permutation(len(found))]


def described(name: str, interactions, **keys: str) -> str:
    """A data set of these rows in a CSV file; the path of its YAML file."""
    columns = dict(zip(COLUMNS, COLUMNS, strict=True))
    source = {"file": f"{name}.csv", "reader": "csv", "columns": columns}
    Path(f"{name}.yaml").write_text(yaml.safe_dump({"title": name, "sources": [source], **keys}))
    Path("data").mkdir(exist_ok=True)
    frame(interactions).to_csv(f"data/{name}.csv", index=False)
    return f"{name}.yaml"


def prepared(path: str) -> str:
    done = CliRunner().invoke(prepare.command, [path])
    assert done.exit_code == 0, done.output
    return done.output


@given(rows, st.randoms(use_true_random=False))
def test_random_ties_do_not_depend_on_the_order_of_rows(interactions, shuffled):
    """Also with copies of rows, and with 0.0 and -0.0, which are the same time."""
    sequences = from_interactions(frame(interactions), "random")
    others = [(user, item, float(time) or -0.0) for user, item, time in interactions]
    shuffled.shuffle(others)
    assert from_interactions(frame(others), "random").digest == sequences.digest
    in_order = frame(interactions).sort_values(["user", "timestamp"])
    assert sequences.timestamps.tolist() == in_order["timestamp"].tolist()
    assert sorted(zip(in_order["item"], in_order["timestamp"], strict=True)) == sorted(
        zip(sequences.item_ids[sequences.items], sequences.timestamps, strict=True)
    )


def test_random_ties_of_a_user_do_not_depend_on_other_users():
    own = [("b", item, 1) for item in "uvwxyz"]
    alone = from_interactions(frame(own), "random")
    among = from_interactions(frame([("a", "a", 1), *own, ("c", "zz", 5)]), "random")
    assert among.item_ids[among.items[1:7]].tolist() == alone.item_ids[alone.items].tolist()


def test_copies_are_not_kept_together():
    """Kept together, a model that repeats the last item would predict every copy."""
    rows = [(f"u{user}", item, 1) for user in range(500) for item in "uvwuvw"]
    items = from_interactions(frame(rows), "random").items.reshape(500, 6)
    repeated = (items[:, 1:] == items[:, :-1]).mean()
    assert 0.15 < repeated < 0.25  # 1 of the 5 others


def test_times_without_ties_have_one_order():
    rows = [("ab"[n % 2], "xyz"[n % 3], n) for n in range(12)]
    assert from_interactions(frame(rows)).digest == from_interactions(frame(rows), "random").digest


def test_the_digest_of_file_order_is_that_of_the_rows_at_equal_times():
    rows = [("a", "x", 1), ("a", "y", 1), ("b", "x", 1), ("b", "z", 2)]
    digest = from_interactions(frame(rows)).digest
    assert from_interactions(frame([*rows[2:], *rows[:2]])).digest == digest
    assert from_interactions(frame([rows[1], rows[0], *rows[2:]])).digest != digest


def test_a_random_order_needs_times(here):
    name = described("mine", [("a", item, 1) for item in "xyz"], ties="random")
    content = yaml.safe_load(Path(name).read_text())
    del content["sources"][0]["columns"]["timestamp"]
    Path(name).write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match=r"^data/mine\.csv: ties: random needs timestamps"):
        load(name)
    Path(name).write_text(yaml.safe_dump(content | {"ties": "rows"}))
    with pytest.raises(DataError, match="ties should be one of file, random, not 'rows'"):
        load(name)


@given(rows, st.booleans())
def test_repeats_copies_and_ties_are_counted(interactions, random):
    known = frame(interactions)
    sequences = from_interactions(known, "random" if random else "file")
    numbers = sequences.statistics
    pairs = known[["user", "item"]].drop_duplicates()
    assert numbers["pairs"] == len(pairs)
    possible = known["user"].nunique() * known["item"].nunique()
    assert numbers["sparsity"] == pytest.approx(1 - len(pairs) / possible)
    assert numbers["copies"] == known.duplicated().sum()
    tied = [
        (a == b).tolist()
        for _, times in known.sort_values("timestamp").groupby("user")["timestamp"]
        for a, b in [(times.to_numpy()[1:], times.to_numpy()[:-1])]
    ]
    flat = [one for user in tied for one in user]
    assert numbers["tied_neighbours"] == pytest.approx(np.mean(flat) if flat else 0)


def test_tied_targets_are_those_that_the_order_of_rows_decides():
    rows = [
        *[("a", item, time) for item, time in zip("xyz", (1, 2, 2), strict=True)],
        *[("b", item, time) for item, time in zip("xyz", (1, 1, 2), strict=True)],
        *[("c", item, time) for item, time in zip("xyz", (2, 3, 4), strict=True)],
    ]
    sequences = from_interactions(frame(rows))
    split = leave_one_out(sequences)
    assert split.tied_targets(sequences) == pytest.approx(1 / 3)
    assert split.valid.tied(sequences).tolist() == [True, True, False]
    assert split.test.tied(sequences).tolist() == [True, False, False]
    without = from_interactions(frame(rows).drop(columns="timestamp"))
    assert leave_one_out(without).tied_targets(without) is None


def slowly(items, users, times) -> float:
    """The definition of ``ties.successor_hits`` in this order."""
    successors: dict[int, dict[int, int]] = {}
    hits = []
    pairs = list(zip(zip(users, items, times), zip(users[1:], items[1:], times[1:])))  # noqa: B905
    for (user, item, _), (other, following, _) in pairs:
        if user == other and user % 2 == 0:
            row = successors.setdefault(item, {})
            row[following] = row.get(following, 0) + 1
    for (user, item, time), (other, following, then) in pairs:
        if user == other and user % 2 and time == then:
            row = successors.get(item, {})
            count = row.get(following)
            more = sum(n > count for n in row.values()) if count else 0
            equal = sum(n == count for n in row.values())
            hits.append(count is not None and more + (equal + 1) / 2 <= ties.CUT_OFF)
    return float(np.mean(hits)) if hits else 0.0


@given(st.integers(0, 1000), st.integers(2, 30))
def test_successors_are_counted_as_defined(seed, n_items):
    rng = np.random.default_rng(seed)
    users = np.sort(rng.integers(0, 4, 200))
    offsets = np.searchsorted(users, np.arange(5))
    times = np.concatenate([np.sort(rng.integers(0, 30, n)) for n in np.diff(offsets)])
    items = rng.integers(0, n_items, 200)
    numbers = ties.successor_hits(items, offsets, times)
    assert numbers.get("successors_in_order", 0.0) == slowly(items.tolist(), users, times)


def test_an_order_that_predicts_items_is_said(here, run_verb, store):
    """Pure noise: rows that are sorted by item are predicted four times as well as by chance."""
    shuffled = noise()
    by_item = sorted(shuffled, key=lambda row: row[1])
    names = {
        "shuffled": described("shuffled", shuffled),
        "by_item": described("by_item", by_item),
        "random": described("random", by_item, ties="random"),
    }
    said = {name: prepared(path) for name, path in names.items()}
    shares = "equal times: 90.9% of neighbouring interactions, 100.0% of test targets; their order"
    depends = "warning: 100.0% of the test targets have the same time as another interaction"
    predicts = "warning: the order of the file's rows predicts items at equal times"
    for name, text in said.items():
        page = Path(text.splitlines()[-1].removeprefix("card: ")).read_text()
        order = "random" if name == "random" else "that of the file"
        assert f"\n{shares} is {order}\n" in text
        assert f"\n**Order:** {shares} is {order}\n" in page
        assert (depends in text) == (name != "random")
        assert (predicts in text) == (name == "by_item")
        for line in text.splitlines():
            if line.startswith("warning: "):
                assert f"**Warning:** {line.removeprefix('warning: ')}\n" in page

    recall = {}
    for name in ("by_item", "random"):
        done = run_verb("train", "--dataset", names[name], "--model", "Markov", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        recall[name] = float(done.stdout.split("recall@10 ")[1].split()[0])
        report = run_verb("report", "--experiment", name, "--output", f"{name}.md")
        assert report.returncode == 0, report.stderr
        page = Path(f"{name}.md").read_text()
        assert "neighbours at equal times" in page
        assert ("the test targets have the same time" in page) == (name != "random")
        assert ("predicts items at equal times" in page) == (name == "by_item")
        split = "leave-one-out" + ", equal times in random order" * (name == "random")
        runs = store.search_runs([store.get_experiment_by_name(name).experiment_id])
        (protocol,) = {run.data.tags.get("protocol") for run in runs} - {None}
        assert protocol.startswith(f"{split}; every item a candidate; ")
    assert recall["by_item"] > 0.25
    assert recall["random"] < 0.17


def test_rows_that_are_sorted_by_item_are_noticed_in_a_large_catalogue():
    """Successors are too rare to be counted there, but a model can learn the order of ids."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{n % 300}", f"i{item:06}", 1) for n, item in enumerate(rng.integers(10**6, size=3000))
    ]
    demo = spec.read("demo")

    def said(rows, order):
        sequences = from_interactions(frame(rows), order)
        name = replace(demo, ties=order).split_of(sequences).name
        numbers = card_of(demo, sequences).numbers
        return [text for text in card.warnings(numbers, name) if "sorted" in text]

    by_item = sorted(rows, key=lambda row: row[1])
    assert said(by_item, "file")[0].startswith(
        "the rows at equal times are sorted by item: 100.0% of neighbours are in the order"
    )
    assert said(by_item[::-1], "file")
    assert not said(rows, "file")
    assert not said(by_item, "random")


def test_the_order_of_a_file_without_times_is_said(here):
    Path("data").mkdir()
    Path("data/mine.txt").write_text("".join(f"u{n % 5} i{n}\n" for n in range(40)))
    source = {"file": "mine.txt", "reader": "user-item-text"}
    Path("mine.yaml").write_text(yaml.safe_dump({"title": "Mine", "sources": [source]}))
    said = prepared("mine.yaml")
    text = "no times: the order of each user's interactions is that of the file\n"
    assert text in said
    assert f"**Order:** {text}" in Path(said.splitlines()[-1].removeprefix("card: ")).read_text()


def test_every_row_twice_is_said(here):
    rows = [(f"u{n // 9}", f"i{n % 23}", n) for n in range(360)]
    said = prepared(described("twice", [*rows, *rows]))
    assert "40 users, 23 items, 720 interactions, sparsity 60.87%" in said
    assert "repeats: 50.0% of interactions, 100.0% of test targets are an item that the u" in said
    assert "; 360 interactions are copies (same time)\n" in said
    assert "warning: 50.0% of the interactions are copies of another one" in said
    once = prepared(described("once", rows))
    assert not any(word in once for word in ("repeats", "warning", "equal times"))


def test_metrics_that_every_model_has_are_said():
    demo = spec.read("demo")
    sequences = from_interactions(frame([("u", f"i{n}", n) for n in range(10)]))
    (warning,) = card.warnings(card_of(demo, sequences).numbers, "leave-one-out")
    assert warning.startswith("with 10 items, every item is among the first 10")
    more = from_interactions(frame([("u", f"i{n}", n) for n in range(11)]))
    assert not card.warnings(card_of(demo, more).numbers, "leave-one-out")


NAMES = ("items", "interactions", "copies", "tied_test_targets", "successors_asked")
NAMES += ("tied_neighbours", "tied_ascending", "successors_in_order", "successors_in_random_order")


@given(st.fixed_dictionaries({name: st.floats(-1e15, 1e15) for name in NAMES}))
def test_numbers_that_anybody_logged_give_no_error(numbers):
    assert all(isinstance(text, str) for text in card.warnings(numbers, "leave-one-out"))
