"""``split: {temporal: ...}``: each choice of cut points and targets, against loops over users."""

import math
import random
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError
from datasets.prepare import load
from datasets.sequences import from_interactions
from datasets.specs import spec
from datasets.splitting.temporal import COLD, TARGETS, Temporal, read, temporal
from tests.conftest import card_of

rows = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from("uvwxyz"),
        st.one_of(st.integers(0, 9), st.integers(0, 1000)),
    ),
    min_size=10,
    max_size=60,
)
points = st.one_of(
    st.tuples(st.integers(1, 98), st.integers(1, 98))
    .filter(lambda pair: pair[0] < pair[1])
    .map(lambda pair: (pair[0] / 100, pair[1] / 100)),
    st.tuples(st.integers(1, 400), st.integers(401, 1000)),
)
choices = st.builds(
    lambda at, target, seed, users, items: Temporal(
        at[0], at[1], target, seed if target == "random" else None, users, items
    ),
    points,
    st.sampled_from(list(TARGETS)),
    st.integers(0, 99),
    st.sampled_from(["keep", "drop"]),
    st.sampled_from(["keep", "drop"]),
)


def at(point, times):
    """The point in time: the latest one with at most this share of all interactions before it."""
    if not 0 < point < 1:
        return point
    percent = round(100 * point)
    return max(t for t in times if 100 * sum(u < t for u in times) <= percent * len(times))


def slowly(rows, by):
    """{"train": {user: items}, part: {user: [(history, target), ...]}} by the definition.

    A random target is a list of all that it may be.
    """
    times = [time for _, _, time in rows]
    first, second = at(by.valid, times), at(by.test, times)
    known = {item for _, item, time in rows if time < first}
    found = {"train": {}, "valid": {}, "test": {}}
    for user in sorted({user for user, _, _ in rows}):
        own = sorted((row for row in rows if row[0] == user), key=lambda row: row[2])
        items = [item for _, item, _ in own]
        found["train"][user] = [item for _, item, time in own if time < first]
        if by.cold_users == "drop" and not found["train"][user]:
            continue
        for part, begin, end in (("valid", first, second), ("test", second, math.inf)):
            there = [n for n, (_, item, time) in enumerate(own) if begin <= time < end]
            if by.cold_items == "drop":
                there = [n for n in there if items[n] in known]
            chosen = {"first": there[:1], "last": there[-1:]}.get(by.target, there)
            found[part][user] = [(items[:n], items[n]) for n in chosen]
    return found


def in_same_form(sequences, targets):
    found = {}
    for user, start, end, position in zip(
        targets.users, targets.starts, targets.ends, targets.positions, strict=True
    ):
        history = sequences.item_ids[sequences.items[start:end]].tolist()
        target = str(sequences.item_ids[sequences.items[position]])
        found.setdefault(str(sequences.user_ids[user]), []).append((history, target))
    return found


def split_by(rows, by, whole_baskets=False):
    """(sequences, split), or (sequences, None) if there is nobody to evaluate."""
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    try:
        return sequences, temporal(sequences, whole_baskets, by)
    except DataError as error:
        if not re.search("has nobody to evaluate in|give points in this order", str(error)):
            raise
        return sequences, None


ONE_COLD = [
    *[("a", "uvw"[t % 3], t) for t in range(8)],
    ("a", "z", 8),
    ("a", "u", 9),
    ("a", "v", 9),
]


@settings(deadline=None)
@given(rows, choices)
@example(ONE_COLD, Temporal(0.8, 0.9, "successive", cold_items="drop"))
def test_training_and_targets_are_those_of_the_definition(rows, by):
    sequences, split = split_by(rows, by)
    expected = slowly(rows, by)
    # A target without a history is nobody's: of random ones, only if it was drawn.
    evaluated = {
        part: {
            user: [(history, item) for history, item in found if history]
            for user, found in expected[part].items()
            if any(history for history, _ in found)
        }
        for part in ("valid", "test")
    }
    if split is None:
        assert by.target == "random" or not all(evaluated.values())
        return
    trained = zip(sequences.user_ids, split.train_starts, split.train_ends, strict=True)
    assert expected["train"] == {
        str(user): sequences.item_ids[sequences.items[start:end]].tolist()
        for user, start, end in trained
    }
    for part, targets in (("valid", split.valid), ("test", split.test)):
        found = in_same_form(sequences, targets)
        if by.target != "random":
            assert found == evaluated[part]
            continue
        for user, (pair,) in ((user, pairs) for user, pairs in found.items()):
            assert pair in expected[part][user]
        surely = {u for u, of in expected[part].items() if of and all(h for h, _ in of)}
        assert surely <= set(found)


@settings(deadline=None, max_examples=50)
@given(rows, choices, st.booleans())
def test_nothing_is_trained_on_that_is_as_late_as_a_target(rows, by, whole_baskets):
    sequences, split = split_by(rows, by, whole_baskets)
    if split is None:
        return
    times = sequences.timestamps
    spans = zip(split.train_starts, split.train_ends, strict=True)
    trained = np.concatenate([times[start:end] for start, end in spans])
    for targets in (split.valid, split.test):
        assert trained.max(initial=-1) < times[targets.positions].min()
        assert (targets.starts < targets.ends).all()
        assert (targets.ends <= targets.positions).all()
        assert (np.diff(targets.positions) > 0).all()
        if whole_baskets:  # no history holds a part of the targets' own basket
            for start, end, position in zip(
                targets.starts, targets.ends, targets.positions, strict=True
            ):
                assert times[start:end].max() < times[position]
    assert times[split.valid.positions].max() < times[split.test.positions].min()


@settings(deadline=None, max_examples=50)
@given(rows, choices)
def test_cold_targets_and_users_are_counted(rows, by):
    sequences, split = split_by(rows, by)
    if split is None:
        return
    trained = slowly(rows, by)["train"]
    known = {item for items in trained.values() for item in items}
    pairs = in_same_form(sequences, split.test)
    targets = [item for of in pairs.values() for _, item in of]
    share = sum(item not in known for item in targets) / len(targets)
    cold_users = sum(not trained[user] for user in pairs)
    found = split.cold(sequences)
    assert found == {"cold_test_targets": pytest.approx(share), "cold_users": cold_users}
    assert by.cold_items == "keep" or not share
    assert by.cold_users == "keep" or not cold_users


@settings(deadline=None, max_examples=50)
@given(rows, choices)
def test_the_split_is_a_function_of_the_seed(rows, by):
    _, split = split_by(rows, by)
    random.seed(len(rows))
    np.random.seed(len(rows))
    _, again = split_by(rows, by)
    if split is not None:
        assert again is not None
        assert split.test.positions.tolist() == again.test.positions.tolist()
        assert split.valid.positions.tolist() == again.valid.positions.tolist()


def written(sequences, rows: dict[str, np.ndarray], told: dict[str, list[str]]) -> str:
    """A YAML file, and the files of a split with the rows at these positions; ``told`` are their
    histories, if the files have any."""
    owners = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
    columns = {"user": "u", "item": "i", "timestamp": "t"} | ({"history": "h"} if told else {})
    for part, at in rows.items():
        content = {
            "u": sequences.user_ids[owners[at]],
            "i": sequences.item_ids[sequences.items[at]],
            "t": sequences.timestamps[at],
        }
        if told:
            content["h"] = told.get(part, "")
        Path("data").mkdir(exist_ok=True)
        pd.DataFrame(content).to_csv(f"data/{part}.csv", index=False)
    described = {
        "title": "Mine",
        "sources": [{"reader": "csv", "columns": columns}],
        "split": {part: f"{part}.csv" for part in rows},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(described))
    return "mine.yaml"


RNG = np.random.default_rng(0)
MANY = [(f"u{u}", f"i{i}", int(t)) for u, i, t in RNG.integers(0, [9, 12, 60], (160, 3))]


def test_successive_targets_are_those_of_files_with_the_rows_of_each_period(here):
    sequences, split = split_by(MANY, Temporal(30, 45, "successive"))
    period = np.searchsorted([30, 45], sequences.timestamps, side="right")
    rows = {part: np.flatnonzero(period == n) for n, part in enumerate(("train", "valid", "test"))}
    described, of_files = load(written(sequences, rows, {}))
    given = described.split_of(of_files)
    assert of_files.items.tolist() == sequences.items.tolist()
    assert given.train_ends.tolist() == split.train_ends.tolist()
    for ours, theirs in ((split.valid, given.valid), (split.test, given.test)):
        assert len(ours.positions) > 30
        for name in ("users", "starts", "ends", "positions", "queries"):
            assert getattr(theirs, name).tolist() == getattr(ours, name).tolist()


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_those_of_files_that_give_their_histories(here, target):
    seed = 5 if target == "random" else None
    sequences, split = split_by(MANY, Temporal(30, 45, target, seed))
    ids = sequences.item_ids[sequences.items]
    targets = {"valid": split.valid, "test": split.test}
    told = {
        part: [" ".join(ids[s:e]) for s, e in zip(of.starts, of.ends, strict=True)]
        for part, of in targets.items()
    }
    rows = {"train": np.flatnonzero(sequences.timestamps < 30)}
    rows |= {part: of.positions for part, of in targets.items()}
    described, of_files = load(written(sequences, rows, told))
    given = described.split_of(of_files)
    assert in_same_form(of_files, given.valid) == in_same_form(sequences, split.valid)
    assert in_same_form(of_files, given.test) == in_same_form(sequences, split.test)


def test_seeds_draw_different_targets_and_each_one_equally_often():
    users = [f"u{n}" for n in range(400)]
    rows = [(user, f"i{t}", t) for user in users for t in range(12)]
    found = []
    for seed in (1, 2):
        sequences, split = split_by(rows, Temporal(4, 8, "random", seed))
        for targets in (split.valid, split.test):
            places = targets.positions - sequences.offsets[targets.users]
            counts = np.bincount(places % 4, minlength=4)  # each expected 100 times
            assert counts.min() > 60
            found.append((places % 4).tolist())
    assert len(set(map(tuple, found))) == 4


def test_whole_baskets_stand_where_the_target_is():
    rows = [
        ("a", item, time) for time, items in enumerate(["u", "vw", "xy", "uz"]) for item in items
    ]
    rows += [("b", "uvwxyz"[t], t) for t in range(3)]
    expected = {"first": {2: "xy"}, "last": {3: "uz"}, "successive": {2: "xy", 3: "uz"}}
    for target, baskets in expected.items():
        sequences, split = split_by(rows, Temporal(1, 2, target), True)
        assert split.test.n_users == 2
        mine = split.test.chosen(split.test.users == 0)
        items = sequences.item_ids[sequences.items[mine.positions]]
        assert "".join(items) == "".join(baskets.values())
        assert len(np.unique(mine.queries)) == len(baskets)


def test_every_variation_is_in_the_name_and_the_default_is_as_before():
    rows = [("ab"[t % 2], "xyz"[t % 3], 951_782_400 + t) for t in range(40)]
    begin = "temporal (training before 2000-02-29T00:00:32Z, test from 2000-02-29T00:00:36Z)"
    names = {
        begin: Temporal(),
        f"{begin}, target: last": Temporal(target="last"),
        f"{begin}, target: random (seed 3)": Temporal(target="random", seed=3),
        f"{begin}, target: every interaction": Temporal(target="successive"),
        f"{begin}, users without training dropped": Temporal(cold_users="drop"),
        f"{begin}, targets without training dropped": Temporal(cold_items="drop"),
    }
    for name, by in names.items():
        assert split_by(rows, by)[1].name == name
    same = Temporal(951_782_432.0, 951_782_436.0)
    assert split_by(rows, same)[1].name == begin
    other = split_by(rows, Temporal(0.5, 0.7))[1]
    assert other.name.startswith("temporal (training before 2000-02-29T00:00:20Z, test from ")


DATES = {"valid": "1997-10-20", "test": datetime(1997, 10, 25, 12, tzinfo=UTC)}


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"valid": 0.7, "test": 0.85},
        DATES | {"target": "last"},
        {"target": "random", "seed": 7, "cold_users": "drop", "cold_items": "drop"},
        {"valid": 0.5, "test": "1997-10-25"},
    ],
)
def test_the_card_s_configuration_gives_the_same_split(here, content):
    described = spec.read("demo").as_dict() | {"split": {"temporal": content}}
    Path("mine.yaml").write_text(yaml.safe_dump(described))
    found = spec.read("mine.yaml")
    assert found.split == "temporal"
    assert found.temporal == read(content)
    Path("again.yaml").write_text(yaml.safe_dump(found.as_dict()))
    assert spec.read("again.yaml").temporal == found.temporal


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"temporal": 3}, "split.temporal should be a mapping, not 3"),
        ({"temporal": {}, "train": "x"}, "split should have the key temporal alone"),
        ({"temporal": {"cut": 0.8}}, "unknown key 'cut' in split.temporal"),
        ({"temporal": {"valid": 80}}, "valid in split.temporal should be a share between 0 and 1"),
        ({"temporal": {"test": "soon"}}, "or a date such as 2000-12-31, not 'soon'"),
        ({"temporal": {"test": True}}, "or a date such as 2000-12-31, not True"),
        ({"temporal": {"test": "1e9"}}, "or a date such as 2000-12-31, not '1e9'"),
        ({"temporal": {"valid": 0.95}}, "valid should be before test, not 0.95 and 0.9"),
        ({"temporal": {"target": "next"}}, "target should be one of first, last, random, succ"),
        ({"temporal": {"target": "random"}}, "target: random needs a seed"),
        ({"temporal": {"seed": 3}}, "and no other target has one"),
        ({"temporal": {"target": "random", "seed": -1}}, "seed in split.temporal should be from 0"),
        ({"temporal": {"cold_items": "count"}}, "cold_items should be keep or drop, not 'count'"),
        ({"temporal": {"valid": 0.8, "test": "1969-01-01"}}, "give points in this order"),
        ({"temporal": {"valid": 0.8, "test": "1999-01-01"}}, "nobody to evaluate in test"),
    ],
)
def test_what_makes_no_sense_is_one_line(here, split, message):
    described = spec.read("demo").as_dict() | {"split": split}
    Path("mine.yaml").write_text(yaml.safe_dump(described))
    with pytest.raises(DataError) as caught:
        load("mine.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_dropping_every_target_names_the_key():
    rows = [*[("a", "u", t) for t in range(8)], ("a", "x", 8), ("a", "y", 9)]
    with pytest.raises(DataError, match="that cold_items: drop keeps; use data of a longer"):
        temporal(
            from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"])),
            by=Temporal(cold_items="drop"),
        )
    assert set(COLD) == {"cold_users", "cold_items"}


def test_cold_targets_stand_on_the_card(here):
    times = {"valid": "1970-01-01T00:00:04", "test": "1970-01-01T00:00:08"}
    described = spec.read("demo").as_dict() | {"split": {"temporal": times}}
    described["synthetic"] |= {"users": 60, "items": 150}
    Path("mine.yaml").write_text(yaml.safe_dump(described))
    found, sequences = load("mine.yaml")
    numbers = card_of(found, sequences).numbers
    assert 0 < numbers["cold_test_targets"] < 1
    line = (
        f"{numbers['cold_test_targets']:.1%} of test targets are items without training "
        "interactions; 0 users with test targets have no training interactions"
    )
    assert f"\ncold targets: {line}" in card_of(found, sequences).summary()
    assert f"**Cold targets:** {line}\n" in card_of(found, sequences).render()


def test_the_card_says_how_the_targets_are_chosen(here):
    described = spec.read("demo").as_dict() | {"split": {"temporal": {"target": "successive"}}}
    Path("mine.yaml").write_text(yaml.safe_dump(described))
    found, sequences = load("mine.yaml")
    page = card_of(found, sequences).render()
    assert "data set split at two points in time, target: every interaction and full sort" in page
    split = found.split_of(sequences)
    assert f"{len(split.test.positions):,} targets of {split.test.n_users:,} users for test" in (
        card_of(found, sequences).summary()
    )
