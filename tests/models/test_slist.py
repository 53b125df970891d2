"""SLIST, compared with the paper's matrices, row by row, and numpy's solution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build, slist
from models.slist import SLIST
from tests.models.test_repeats import N_ITEMS, baskets, padded
from tests.models.test_slim import had, interactions


def past_and_future(users):
    """S and T of the paper: a row for each place but the last."""
    past, future = [], []
    for user in users:
        items = [item for basket in user for item in basket]
        for t in range(len(items) - 1):
            past.append(np.zeros(N_ITEMS))
            future.append(np.zeros(N_ITEMS))
            for place, item in enumerate(items):
                row = past[-1] if place <= t else future[-1]
                row[item] += SLIST.PAST ** (t - place if place <= t else place - t - 1)
    return np.reshape(past, (-1, N_ITEMS)), np.reshape(future, (-1, N_ITEMS))


@settings(max_examples=30)
@given(st.lists(baskets, min_size=2, max_size=6), st.sampled_from(SLIST.variants))
def test_scores_are_those_of_the_closed_form(users, variant):
    model = build("SLIST", N_ITEMS, {})
    model.count(*interactions(users))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slist, "PAIRS_PER_CHUNK", 8)
        model.use(**variant)

    sets, (past, future) = had(users), past_and_future(users)
    share = variant["share"]
    system = share * sets.T @ sets + (1 - share) * past.T @ past
    target = share * sets.T @ sets + (1 - share) * past.T @ future
    weights = np.linalg.solve(system + variant["ridge"] * np.eye(N_ITEMS), target)
    expected = []
    for user in users:
        ages = {item: age for age in range(len(user))[::-1] for item in user[-1 - age]}
        expected.append(sum(variant["decay"] ** age * weights[i] for i, age in ages.items()))
    found = model.scores(model.queries(padded(users, 24)), 0, N_ITEMS)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-4, atol=1e-6)
