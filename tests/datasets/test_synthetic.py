"""The synthetic walks: what the last item tells, what the last two tell, and the limits."""

from dataclasses import replace

import pytest

from datasets import DataError
from datasets.specs import spec
from datasets.synthetic import MOST, Walks

WALKS = Walks(users=500, items=20, seed=1, successors=4, follow=1.0, shortest=3, longest=9)


def steps(walks: Walks):
    """Each walk's steps: columns previous, last and following, int; previous is the item before
    the last."""
    rows = walks.generate()
    items = rows["item"].str.removeprefix("i").astype(int)
    by_user = items.groupby(rows["user"])
    table = {"previous": by_user.shift(2), "last": by_user.shift(1), "following": items}
    return rows.assign(**table)[list(table)].dropna().astype(int)


def test_the_last_two_items_say_what_comes_next_and_the_last_one_does_not():
    table = steps(WALKS)
    table["kind"] = table["previous"] // 5  # 4 kinds of 5 items each
    assert (table.groupby(["last", "kind"])["following"].nunique() == 1).all()
    after_last = table.groupby("last")["following"].nunique()
    assert after_last.between(2, 4).all()  # some of the 4 successors are alike
    most_frequent = table.groupby("last")["following"].agg(lambda f: f.value_counts(True).iloc[0])
    assert most_frequent.mean() < 0.5


def test_without_follow_every_item_is_a_jump():
    table = steps(replace(WALKS, follow=0.0))
    assert table.groupby("last")["following"].nunique().mean() > 15  # of 20


def test_users_items_and_lengths_are_as_described():
    rows = replace(WALKS, follow=0.5).generate()
    assert (rows["user"].nunique(), rows["item"].nunique()) == (500, 20)
    lengths = rows.groupby("user").size()
    assert (lengths.min(), lengths.max()) == (3, 9)
    assert rows["timestamp"].tolist() == [
        time for n in lengths[rows["user"].unique()] for time in range(n)
    ]


def test_the_seed_decides_everything():
    assert WALKS.generate().equals(WALKS.generate())
    assert not WALKS.generate().equals(replace(WALKS, seed=2).generate())


@pytest.mark.parametrize("successors", [1, 3, 50])
@pytest.mark.parametrize("longest", [1, 2, 3])
def test_small_and_uneven_sizes_are_generated(successors, longest):
    walks = replace(WALKS, items=7, successors=successors, shortest=1, longest=longest)
    assert walks.generate().groupby("user").size().max() == longest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"successors": 0}, "successors in synthetic should be at least 1"),
        ({"shortest": 0}, "shortest in synthetic should be at least 1"),
        ({"seed": -1}, "synthetic should have seed >= 0, follow from 0 to 1, and shortest <= "),
        ({"follow": 1.1}, "synthetic should have seed >= 0, follow from 0 to 1"),
        ({"shortest": 10}, "synthetic should have seed >= 0, .* shortest <= longest"),
        ({"users": MOST}, "synthetic is too large: users times longest, and items times succ"),
        ({"items": MOST}, "too large: .* should be at most 100,000,000"),
        ({"successors": MOST}, "synthetic is too large"),
    ],
)
def test_sizes_without_such_walks_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(WALKS, **changes)


def test_an_unknown_key_is_named_beside_the_known_ones(here):
    text = (spec.SPECS_FOLDER / "demo.yaml").read_text()
    (here / "old.yaml").write_text(text.replace("  items: 200", "  items: 200\n  topics: 10"))
    known = "users, items, seed, successors, follow, shortest, longest"
    with pytest.raises(DataError, match=f"unknown key 'topics' in synthetic .known: {known}"):
        spec.read("old.yaml")
