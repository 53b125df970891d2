"""A fixed sample of users: it follows from their ids, and the protocol says its size."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.settings.settings import Settings
from benchmark.training.evaluation import evaluated, protocol, sample
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out

N_USERS = 40
RNG = np.random.default_rng(0)
SEQUENCES = Sequences(
    items=RNG.integers(0, 9, N_USERS * 5).astype(np.int32),
    offsets=np.arange(N_USERS + 1) * 5,
    user_ids=Ids.of(np.char.add("user ", np.arange(N_USERS).astype(str))),
    item_ids=Ids.of(np.arange(9).astype(str)),
)
SPLIT = leave_one_out(SEQUENCES)


def names(sequences, n: int) -> set[str]:
    targets = leave_one_out(sequences).test
    users = targets.users[sample(sequences, targets, n)]
    return set(sequences.user_ids[users])


def test_a_sample_has_the_same_users_in_other_data():
    """Their places and their neighbours do not matter."""
    turned = replace(SEQUENCES, user_ids=SEQUENCES.user_ids.chosen(np.arange(N_USERS)[::-1]))
    assert names(SEQUENCES, 7) == names(turned, 7)
    assert len(names(SEQUENCES, 7)) == 7


def test_the_rule_never_changes():
    """Results of samples are compared over versions."""
    assert names(SEQUENCES, 3) == {"user 0", "user 10", "user 34"}


def test_a_larger_sample_includes_a_smaller_one():
    assert names(SEQUENCES, 7) < names(SEQUENCES, 8)


def test_the_split_and_the_protocol_are_those_of_the_sample():
    found = evaluated("ranked", SEQUENCES, SPLIT, 7)
    assert found.test.n_users == found.valid.n_users == 7
    assert np.array_equal(found.train_ends, SPLIT.train_ends)
    full = protocol("ranked", SEQUENCES, SPLIT)
    assert protocol("ranked", SEQUENCES, SPLIT, 7) == f"{full}; a fixed sample of 7 users"
    novel = evaluated("novel", SEQUENCES, SPLIT, 7)
    kept = ~found.test.repeated(SEQUENCES.items)
    assert np.array_equal(novel.test.positions, found.test.positions[kept])
    left_out = int((~kept).sum())
    assert f", {left_out} of test)" in protocol("novel", SEQUENCES, SPLIT, 7)


@pytest.mark.parametrize("n", [0, N_USERS, N_USERS + 1])
def test_a_sample_of_all_users_is_none(n):
    assert evaluated("ranked", SEQUENCES, SPLIT, n) is SPLIT
    assert protocol("ranked", SEQUENCES, SPLIT, n) == protocol("ranked", SEQUENCES, SPLIT)


def test_the_setting_is_recorded_where_it_is_used():
    assert "evaluate_users" not in Settings.of(model="SASRec").as_dict()
    assert Settings.of(model="SASRec", evaluate_users=5).as_dict()["evaluate_users"] == 5
    with pytest.raises(ValueError, match="evaluate_users"):
        Settings.of(model="SASRec", evaluate_users=-1)
