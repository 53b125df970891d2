"""``targets: last-tied``: every item of a basket is a target. Checked against loops over users."""

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datasets import DataError
from datasets.ids import Ids
from datasets.prepare import load
from datasets.sequences import Sequences, from_interactions
from datasets.splitting import baskets
from datasets.splitting.splits import leave_one_out, temporal
from tests.conftest import card_of

# Few users and few times: most baskets have several items, and some an item twice.
rows = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz"), st.integers(0, 12)),
    min_size=3,
    max_size=90,
)


def baskets_of(rows):
    """{user: [(time, items in the order of the rows), ...] by time}, by loops."""
    found = {}
    for user, item, time in rows:
        found.setdefault(user, {}).setdefault(time, []).append(item)
    return {user: sorted(of.items()) for user, of in found.items()}


def joined(baskets):
    return [item for basket in baskets for item in basket]


def last_baskets(rows):
    """Leave-one-out by its definition: {part: {user: (history, set of targets)}}."""
    found = {"train": {}, "valid": {}, "test": {}}
    for user, dated in baskets_of(rows).items():
        baskets = [basket for _, basket in dated]
        held_out = 2 if len(baskets) >= 3 else 0
        found["train"][user] = joined(baskets[: len(baskets) - held_out])
        if held_out:
            found["valid"][user] = (joined(baskets[:-2]), set(baskets[-2]))
            found["test"][user] = (joined(baskets[:-1]), set(baskets[-1]))
    return found


def baskets_since(rows):
    """The temporal split by its definition, in the same form."""
    times = [time for _, _, time in rows]

    def latest_with_at_most(percent):
        return max(t for t in times if 100 * sum(u < t for u in times) <= percent * len(times))

    first, second = latest_with_at_most(80), latest_with_at_most(90)
    found = {"train": {}, "valid": {}, "test": {}}
    for user, dated in baskets_of(rows).items():
        early = [basket for time, basket in dated if time < first]
        between = [basket for time, basket in dated if first <= time < second]
        late = [basket for time, basket in dated if time >= second]
        found["train"][user] = joined(early)
        if early and between:
            found["valid"][user] = (joined(early), set(between[0]))
        if early + between and late:
            found["test"][user] = (joined(early + between), set(late[0]))
    return found


def as_sets(sequences, split):
    """A split in the form of the definitions."""

    def items(start, end):
        return sequences.item_ids[sequences.items[start:end]].tolist()

    spans = zip(sequences.user_ids, split.train_starts, split.train_ends, strict=True)
    found = {"train": {str(user): items(*span) for user, *span in spans}, "valid": {}, "test": {}}
    for part in ("valid", "test"):
        targets = getattr(split, part)
        assert (np.diff(targets.users) >= 0).all()
        assert (np.diff(targets.positions) > 0).all()
        of = zip(targets.users, targets.starts, targets.ends, targets.positions, strict=True)
        for user, start, end, at in of:
            name = str(sequences.user_ids[user])
            history, wanted = found[part].setdefault(name, (items(start, end), set()))
            assert history == items(start, end)
            (item,) = items(at, at + 1)
            assert item not in wanted, "a target twice"
            wanted.add(item)
    return found


@pytest.mark.parametrize(
    ("split_by", "definition"), [(leave_one_out, last_baskets), (temporal, baskets_since)]
)
@given(rows=rows)
def test_the_split_is_that_of_its_definition(split_by, definition, rows):
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    expected = definition(rows)
    try:
        split = split_by(sequences, True)
    except DataError:  # nobody to evaluate
        assert not expected["valid"] or not expected["test"]
        return
    assert as_sets(sequences, split) == expected
    assert split.users_not_evaluated == sequences.n_users - len(expected["test"])
    assert split.test.n_users == len(expected["test"])


@pytest.mark.parametrize("split_by", [leave_one_out, temporal])
@given(rows=rows)
def test_without_equal_times_baskets_are_single_items(split_by, rows):
    rows = [(user, item, 100 * time + n) for n, (user, item, time) in enumerate(rows)]
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    try:
        single = split_by(sequences)
    except DataError:
        return
    baskets = split_by(sequences, True)
    assert np.array_equal(single.train_ends, baskets.train_ends)
    for part in ("valid", "test"):
        for name in ("users", "starts", "ends", "positions"):
            ours = getattr(getattr(baskets, part), name)
            assert np.array_equal(ours, getattr(getattr(single, part), name))


CSV = "".join(
    f"{user},{item},{day}\n"
    for user, days in {"a": "uv w vwx xyy", "b": "u v", "c": "xy u v"}.items()
    for day, basket in enumerate(days.split())
    for item in basket
)


@pytest.fixture
def described(here):
    """``described(targets="last-tied")`` writes the YAML file of CSV, and gives its name."""
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text("user,item,day\n" + CSV)
    columns = {"user": "user", "item": "item", "timestamp": "day"}

    def write(columns=columns, **keys):
        source = {"file": "mine.csv", "reader": "csv", "columns": columns}
        (here / "mine.yaml").write_text(yaml.safe_dump({"title": "M", "sources": [source]} | keys))
        return "mine.yaml"

    return write


def test_the_yaml_names_the_targets_and_the_protocol_says_so(described):
    found, sequences = load(described(targets="last-tied"))
    split = found.split_of(sequences)
    assert split.name == "leave-one-out, all items of the target's time"
    assert as_sets(sequences, split)["test"] == {
        "a": (list("uvwvwx"), {"x", "y"}),
        "c": (list("xyu"), {"v"}),
    }
    single, same = load(described(targets="last"))
    assert single.split_of(same).name == "leave-one-out"
    assert same.digest == sequences.digest  # of the sequences: the protocol tells results apart
    assert single.split_of(same).test.positions.tolist() == [8, 14]
    both, shuffled = load(described(targets="last-tied", ties="random"))
    assert both.split_of(shuffled).name == (
        "leave-one-out, all items of the target's time, equal times in random order"
    )


def test_output_and_card_count_users_and_targets_and_leave_out_what_is_no_danger(described):
    found, sequences = load(described(targets="last-tied"))
    text = card_of(found, sequences).summary()
    assert (
        "leave-one-out, all items of the target's time: 7 interactions for training, 4 targets of "
        "2 users for validation, 3 targets of 2 users for test\n"
        "1 users have interactions at fewer than three times: used for training, not evaluated\n"
    ) in text
    page = card_of(found, sequences).render()
    assert (
        "chronological arrangement, leave one out split data set, all items of the target's time "
        "and full sorting"
    ) in page
    assert "targets: last-tied\n" in page
    assert "which of them is the target" not in text + page
    assert "copies of another one" not in text + page
    single, _ = load(described(targets="last"))
    assert "2 users for validation, 2 for test" in card_of(single, sequences).summary()
    assert "which of them is the target" in card_of(single, sequences).summary()


@pytest.mark.parametrize("split", ["leave-one-out", "temporal"])
def test_without_times_there_are_no_baskets(described, split):
    name = described({"user": "user", "item": "item"}, targets="last-tied", split=split)
    what = "split: temporal" if split == "temporal" else "targets: last-tied"
    with pytest.raises(DataError, match=f"^data/mine.csv: {what} needs timestamps, and these data"):
        load(name)


def test_keys_of_baskets_and_items_do_not_wrap():
    """Beyond 2^31, keys that wrap would be equal, and targets would be lost."""
    n_items, n = 1 << 16, (1 << 16) + 10
    user_ids, item_ids = (Ids.of(np.arange(10**6, 10**6 + m).astype(str)) for m in (n, n_items))
    users = np.arange(n)
    items = (users % n_items).astype(np.int32)  # the last ten users have the items of the first
    sequences = Sequences(items, np.arange(n + 1), user_ids, item_ids, users.astype(np.float64))
    found = baskets.targets(sequences, users, users, sequences.baskets)
    assert len(found.positions) == n


def test_another_word_is_refused(described):
    with pytest.raises(DataError, match="targets should be one of last, last-tied, not 'basket'"):
        load(described(targets="basket"))
