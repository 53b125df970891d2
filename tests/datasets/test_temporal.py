"""``split: temporal``: two points in time for all users; training data precede all targets."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError, prepare
from datasets.prepare import load
from datasets.sequences import from_interactions
from datasets.specs import spec
from datasets.splitting.splits import temporal

# Few users, and few timestamps (many ties) or many.
rows = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from("uvwxyz"),
        st.one_of(st.integers(0, 9), st.integers(0, 1000)),
    ),
    min_size=10,
    max_size=80,
)
# User b starts between the two points in time: no training interactions, but a history for test.
LATE_COMER = [*[("a", "x", t) for t in range(17)], ("b", "u", 17), ("b", "v", 18), ("a", "y", 19)]


def slowly(interactions: pd.DataFrame) -> dict[str, dict]:
    """The definition, user by user: training items, and (history, target) of evaluated users."""
    times = interactions["timestamp"]

    def latest_with_at_most(percent: int) -> int:
        return max(t for t in times if 100 * (times < t).sum() <= percent * len(times))

    first, second = latest_with_at_most(80), latest_with_at_most(90)
    found = {"train": {}, "valid": {}, "test": {}}
    for user, own in interactions.groupby("user"):
        own = own.sort_values("timestamp", kind="stable")
        early = own[own["timestamp"] < first]
        between = own[(own["timestamp"] >= first) & (own["timestamp"] < second)]
        late = own[own["timestamp"] >= second]
        before = pd.concat([early, between])
        found["train"][user] = early["item"].tolist()
        if len(early) and len(between):
            found["valid"][user] = (early["item"].tolist(), between["item"].iloc[0])
        if len(before) and len(late):
            found["test"][user] = (before["item"].tolist(), late["item"].iloc[0])
    return found


def split_of(rows):
    """(sequences, split), or (sequences, None) if there is nobody to evaluate."""
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    try:
        return sequences, temporal(sequences)
    except DataError as error:
        if "has nobody to evaluate in" not in str(error):
            raise
        return sequences, None


@settings(deadline=None)
@given(rows)
@example(LATE_COMER)
def test_the_split_is_that_of_its_definition(rows):
    sequences, split = split_of(rows)
    expected = slowly(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    if split is None:
        assert not expected["valid"] or not expected["test"]
        return

    def items(start, end):
        return sequences.item_ids[sequences.items[start:end]].tolist()

    spans = zip(sequences.user_ids, split.train_starts, split.train_ends, strict=True)
    assert {str(user): items(start, end) for user, start, end in spans} == expected["train"]
    for part in ("valid", "test"):
        targets = getattr(split, part)
        users = sequences.user_ids[targets.users]
        assert {
            str(user): (items(start, at), *items(at, at + 1))
            for user, start, at in zip(users, targets.starts, targets.positions, strict=True)
        } == expected[part]
    assert split.users_not_evaluated == sequences.n_users - len(expected["test"])


@settings(deadline=None)
@given(rows)
@example(LATE_COMER)
def test_nothing_is_trained_on_that_is_as_late_as_a_target(rows):
    sequences, split = split_of(rows)
    if split is None:
        return
    times = sequences.timestamps
    spans = zip(split.train_starts, split.train_ends, strict=True)
    trained = np.concatenate([times[start:end] for start, end in spans])
    assert len(trained) <= 0.8 * len(times)
    for targets in (split.valid, split.test):
        assert trained.max() < times[targets.positions].min()
        for start, at in zip(targets.starts, targets.positions, strict=True):
            assert times[start:at].max() < times[at]
    assert times[split.valid.positions].max() < times[split.test.positions].min()


def test_without_ties_the_shares_are_exact_and_the_points_are_named():
    ten = [("ab"[i % 2], "xyz"[i % 3], 951_782_400 + i / 2) for i in range(10)]
    _, split = split_of(ten)
    assert (split.train_ends - split.train_starts).sum() == 8
    assert (split.valid.users.tolist(), split.test.users.tolist()) == ([0], [1])
    assert split.name == (
        "temporal (training before 2000-02-29T00:00:04Z, test from 2000-02-29T00:00:04.500000Z)"
    )


def described(here, rows: str, reader: str = "amazon-2018") -> str:
    content = {
        "title": "Mine",
        "sources": [{"file": "mine.txt", "reader": reader}],
        "split": "temporal",
    }
    (here / "mine.yaml").write_text(yaml.safe_dump(content))
    (here / "data").mkdir()
    (here / "data/mine.txt").write_text(rows)
    return "mine.yaml"


def csv(times, users="ab") -> str:
    return "".join(f"i{i % 3},{users[i % len(users)]},5,{t}\n" for i, t in enumerate(times))


@pytest.mark.parametrize(
    ("rows", "reader", "message"),
    [
        (
            "".join(f"u i{n}\n" for n in range(9)),
            "user-item-text",
            "needs timestamps, and these data have none: use a file",
        ),
        (csv([7] * 9), "amazon-2018", "nobody to evaluate in validation: no user has interactions"),
        (csv(range(10), "aaaaaaaaba"), "amazon-2018", "nobody to evaluate in validation: no user"),
        (csv(range(10), "aaaaaaaaab"), "amazon-2018", "nobody to evaluate in test: no user has"),
        (
            csv(range(-(10**12), -(10**12) + 10)),
            "amazon-2018",
            "in seconds since 1970, not -999999999992",
        ),
    ],
)
def test_what_cannot_be_split_by_time_is_said(here, rows, reader, message):
    with pytest.raises(DataError, match=message) as caught:
        load(described(here, rows, reader))
    assert str(caught.value).startswith("data/mine.txt: split: temporal ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("times", [True, False])
def test_the_cache_keeps_the_times(here, monkeypatch, times):
    name = described(here, csv([5, 3, 9, 4, 1, 2, 8, 7, 6, 0]))
    if not times:
        content = yaml.safe_load((here / name).read_text())
        content |= {"split": "leave-one-out"}
        content["sources"][0]["reader"] = "user-item-text"
        (here / name).write_text(yaml.safe_dump(content))
        (here / "data/mine.txt").write_text("a x\na y\na z\n")
    _, first = load(name)
    monkeypatch.setattr(prepare, "prepare", None)  # preparing again would fail
    _, again = load(name)
    assert again.digest == first.digest
    if times:
        assert again.timestamps.dtype == np.float64
        assert again.timestamps.tolist() == first.timestamps.tolist()
        assert first.timestamps.tolist() == [1, 5, 6, 8, 9, 0, 2, 3, 4, 7]  # a's, then b's
    else:
        assert again.timestamps is first.timestamps is None


def test_the_digest_is_that_of_the_order_whatever_the_split(here):
    content = yaml.safe_load((spec.SPECS_FOLDER / "demo.yaml").read_text())
    Path("timed.yaml").write_text(yaml.safe_dump(content | {"split": "temporal"}))
    assert load("timed.yaml")[1].digest == load("demo")[1].digest


def test_a_trial_is_trained_and_tracked_on_a_split_by_time(train_here, store):
    content = yaml.safe_load((spec.SPECS_FOLDER / "demo.yaml").read_text()) | {"split": "temporal"}
    content["synthetic"] |= {"users": 90, "items": 30}
    Path("timed.yaml").write_text(yaml.safe_dump(content))
    described, sequences = load("timed.yaml")
    split = described.split_of(sequences)
    done = train_here("--dataset", "timed.yaml", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    trained = (split.train_ends - split.train_starts).sum()
    valid, test = len(split.valid.users), len(split.test.users)
    assert (
        f"{split.name}: {trained:,} interactions for training, {valid} users for validation, "
        f"{test} for test\n{90 - test} users have no interaction before 1970-01-01T00:00:"
    ) in done.stdout

    (experiment,) = store.search_experiments(filter_string="name = 'timed'")
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.data.tags["protocol"].startswith(f"{split.name}; every item a candidate; ")
    entries = {entry.tags[0].value: entry.dataset for entry in run.inputs.dataset_inputs}
    profile = json.loads(entries["training"].profile)
    extra = {"num_rows": trained, "users_not_evaluated": 90 - test, "tied_test_targets": 0.0}
    extra |= {"repeated_test_targets": split.test.repeated(sequences.items).mean()}
    extra |= split.cold(sequences)
    assert profile == sequences.statistics | extra
    for part, users in (("valid", valid), ("test", test)):
        ranks = store.download_artifacts(run.info.run_id, f"ranks/{part}.parquet")
        assert len(pd.read_parquet(ranks)) == users
