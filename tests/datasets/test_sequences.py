"""Filters, order and split."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from datasets.filters import k_core
from datasets.sequences import Sequences, from_interactions
from datasets.splitting.splits import leave_one_out
from datasets.splitting.targets import Targets


def frame(rows, columns=("user", "item", "timestamp")):
    return pd.DataFrame(rows, columns=list(columns))


def by_user(sequences: Sequences) -> dict[str, list[str]]:
    bounds = zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    return {
        str(user): sequences.item_ids[sequences.items[a:b]].tolist()
        for user, (a, b) in zip(sequences.user_ids, bounds, strict=True)
    }


def test_items_stand_in_time_order_and_ties_in_file_order():
    rows = [("b", "z", 3), ("a", "y", 9), ("b", "x", 1), ("a", "x", 9), ("a", "z", 2)]
    sequences = from_interactions(frame(rows))
    assert by_user(sequences) == {"a": ["z", "y", "x"], "b": ["x", "z"]}


def test_without_times_the_order_of_rows_counts():
    sequences = from_interactions(frame([("1", "b"), ("2", "c"), ("1", "a")], ("user", "item")))
    assert by_user(sequences) == {"1": ["b", "a"], "2": ["c"]}


def test_the_digest_depends_on_the_interactions_and_not_on_the_order_of_the_file():
    rows = [("a", "x", 1), ("a", "y", 2), ("b", "x", 1), ("b", "z", 2)]
    digest = from_interactions(frame(rows)).digest
    assert from_interactions(frame(rows[::-1])).digest == digest
    changed = [("a", "x", 2), ("a", "y", 1), *rows[2:]]
    assert from_interactions(frame(changed)).digest != digest
    renamed = [("a2", "x", 1), ("a2", "y", 2), *rows[2:]]
    assert from_interactions(frame(renamed)).digest != digest


interactions = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=80
)


@given(interactions, st.integers(1, 4), st.integers(1, 4))
def test_the_k_core_is_the_largest_part_in_which_all_have_k(rows, of_user, of_item):
    kept = k_core(frame(rows), of_user, of_item)
    counts = [kept[column].value_counts() for column in ("user", "item")]
    minima = (of_user, of_item)
    assert all((count >= k).all() for count, k in zip(counts, minima, strict=True))
    # Largest: peeling one row's user or item at a time, in any order, ends at the same rows.
    left = list(range(len(rows)))
    while True:
        users = pd.Series([rows[i][0] for i in left]).value_counts()
        items = pd.Series([rows[i][1] for i in left]).value_counts()
        bad = [i for i in left if users[rows[i][0]] < of_user or items[rows[i][1]] < of_item]
        if not bad:
            break
        left.remove(bad[0])
    assert kept.index.tolist() == left


@given(interactions)
def test_leave_one_out_uses_every_interaction_once(rows):
    rows = [*rows, *[(9, item, 0) for item in range(3)]]  # somebody to evaluate
    sequences = from_interactions(frame([(str(u), str(i), t) for u, i, t in rows]))
    split = leave_one_out(sequences)
    ranges = zip(split.train_starts, split.train_ends, strict=True)
    train = [np.arange(start, end) for start, end in ranges]
    parts = np.concatenate([*train, split.valid.positions, split.test.positions])
    assert sorted(parts.tolist()) == list(range(len(rows)))
    lengths = np.diff(sequences.offsets)
    assert split.test.users.tolist() == np.flatnonzero(lengths >= 3).tolist()
    # The validation item is the last of the history for test, and test is the user's last item.
    assert (split.test.positions == sequences.offsets[1:][split.test.users] - 1).all()
    assert (split.valid.positions == split.test.positions - 1).all()
    assert (split.valid.starts == sequences.offsets[:-1][split.valid.users]).all()
    assert split.users_not_evaluated == (lengths < 3).sum()


@given(st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=8), min_size=1, max_size=6))
def test_targets_that_repeat_an_item_of_their_history(users):
    items = np.concatenate([np.array(user) for user in users])
    ends = np.cumsum([len(user) for user in users])
    starts = ends - [len(user) for user in users]
    targets = Targets(np.arange(len(users)), starts, ends - 2, ends - 1)  # one item between them
    expected = [user[-1] in user[:-2] for user in users]
    assert targets.repeated(items).tolist() == expected


@given(interactions.filter(lambda rows: len({row[0] for row in rows}) > 1))
def test_baskets_are_interactions_of_one_user_at_one_time(rows):
    sequences = from_interactions(frame([(str(u), str(i), t) for u, i, t in rows]))
    # A history that a file gives for a target stands behind the interactions.
    extended = replace(sequences, items=np.append(sequences.items, [0, 0]))
    of_users = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
    places = [*zip(of_users.tolist(), sequences.timestamps.tolist(), strict=True), (), (1,)]
    for found, n in ((sequences.baskets, len(rows)), (extended.baskets, len(rows) + 2)):
        assert len(found) == n
        for before, after, step in zip(places[:n], places[1:n], np.diff(found), strict=False):
            assert step == (before != after)


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=8), min_size=2, max_size=6))
def test_the_share_of_training_interactions_that_repeat(users):
    rows = [(str(u), str(i), t) for u, items in enumerate(users) for t, i in enumerate(items)]
    sequences = from_interactions(frame(rows))
    training = [items[:-2] for items in users]
    repeated = sum(len(items) - len(set(items)) for items in training)
    expected = repeated / sum(map(len, training))
    assert leave_one_out(sequences).repeats_in_training(sequences) == expected
    extended = replace(sequences, items=np.append(sequences.items, [0, 0]))
    assert leave_one_out(extended).repeats_in_training(extended) == expected
