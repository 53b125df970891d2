"""STAN, compared with a plain loop over sessions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build
from models.baselines import stan
from models.baselines.stan import STAN
from tests.models.test_repeats import N_ITEMS, baskets, padded
from tests.models.test_slim import interactions


def neighbours(weights, sessions):
    """The similarity and the session of each neighbour, the most similar first."""
    found = []
    for session in sessions:
        shared = sum(weights.get(item, 0) for item in set(session))
        if shared:
            found.append((shared / len(set(session)) ** 0.5, session))
    return sorted(found, key=lambda pair: -pair[0])


@settings(max_examples=50)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(STAN.variants),
    st.integers(1, 7),
)
def test_scores_are_sums_over_the_neighbours_and_the_others_follow_by_popularity(users, variant, k):
    model = build("STAN", N_ITEMS, {})
    model.count(*interactions(users))
    model.use(**variant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(STAN, "NEIGHBOURS", k)
        patch.setattr(stan, "ROWS_PER_CHUNK", 2)
        found = model.scores(model.queries(padded(users, 24)), 0, N_ITEMS).numpy()

    sessions = [[item for basket in user for item in basket] for user in users]
    popularity = np.bincount(np.concatenate(sessions), minlength=N_ITEMS)
    for user, scores in zip(users, found, strict=True):
        ages = {item: age for age in range(len(user))[::-1] for item in user[-1 - age]}
        near = neighbours({i: variant["decay"] ** age for i, age in ages.items()}, sessions)
        if len(near) > k and near[k - 1][0] < near[k][0] * (1 + 1e-5):
            continue  # equally similar: any of them may be the neighbour
        expected = np.zeros(N_ITEMS)
        for similar, session in near[:k]:
            places = {item: place for place, item in enumerate(session)}
            latest = max(place for item, place in places.items() if item in ages)
            for item, place in places.items():
                expected[item] += similar * variant["near"] ** abs(place - latest)
        np.testing.assert_allclose(np.maximum(scores, 0), expected, rtol=1e-5)
        others = expected == 0
        above = popularity[others][:, None] > popularity[others]
        assert np.array_equal(scores[others][:, None] > scores[others], above)
