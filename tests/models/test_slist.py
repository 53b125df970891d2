"""SLIST, compared with the paper's matrices, row by row, and numpy's solution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build
from models.baselines import neighbourhoods, slist
from models.baselines.all_items import AllItems
from models.baselines.neighbourhoods import Neighbourhoods
from models.baselines.slist import SLIST
from tests.models.test_repeats import N_ITEMS, baskets, padded
from tests.models.test_slim import dense, had, interactions, local_weights, or_popularity, scores_by


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


def expected_weights(users, share, ridge, k=None):
    """From ``k`` neighbours of each item; None: from all items."""
    sets, (past, future) = had(users), past_and_future(users)
    system = share * sets.T @ sets + (1 - share) * past.T @ past
    target = share * sets.T @ sets + (1 - share) * past.T @ future
    if k:
        weights = local_weights(users, ridge, k, system, target)
    else:
        weights = np.zeros((N_ITEMS, N_ITEMS))
        for item in range(N_ITEMS):
            others = np.delete(np.arange(N_ITEMS), item)
            ridged = system[np.ix_(others, others)] + ridge * np.eye(len(others))
            weights[others, item] = np.linalg.solve(ridged, target[others, item])
    again = (1 - share) * np.diag(past.T @ future)
    return weights + np.diag(again / (np.diag(system) + ridge))


@settings(max_examples=30)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(SLIST.variants),
    st.integers(1, N_ITEMS + 1),
    st.sampled_from([0, 10**9]),  # pairs of items that are not popular: searched, or passed over
)
def test_scores_are_those_of_the_closed_form(users, variant, k, passes):
    model = build("SLIST", N_ITEMS, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slist, "PAIRS_PER_CHUNK", 8)
        patch.setattr(SLIST, "ALL_ITEMS", 0)
        patch.setattr(SLIST, "NEIGHBOURS", k)
        patch.setattr(neighbourhoods, "POPULAR", N_ITEMS // 2)
        patch.setattr(neighbourhoods, "PASSES_PER_SEARCH", passes)
        model.count(*interactions(users))
        model.use(**variant)

    weights = expected_weights(users, variant["share"], variant["ridge"], k)
    expected = or_popularity(scores_by(weights, users, variant["decay"]), users)
    found = model.scores(model.queries(padded(users, 24)), 0, N_ITEMS)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


@settings(max_examples=30)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(SLIST.variants),
    st.integers(1, N_ITEMS + 1),
)
def test_in_a_small_catalogue_the_largest_weights_from_all_items_are_kept(users, variant, k):
    model = build("SLIST", N_ITEMS, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SLIST, "KEPT", k)
        patch.setattr(SLIST, "NEIGHBOURS", 0)  # few pairs are many
        model.count(*interactions(users))
    model.use(**variant)

    expected = expected_weights(users, variant["share"], variant["ridge"])
    rows = torch.repeat_interleave(torch.arange(N_ITEMS), model.offsets.diff())
    assert len(torch.unique(rows * N_ITEMS + model.columns)) == len(rows)
    found = dense(model).numpy()
    kept = found != 0
    np.testing.assert_allclose(found[kept], expected[kept], rtol=1e-3, atol=1e-6)
    for weights in (found, expected):
        np.fill_diagonal(weights, 0)  # those of items to themselves are kept beside the others
    largest, those = (-np.sort(-np.abs(weights), axis=0)[:k] for weights in (expected, found))
    np.testing.assert_allclose(those, largest, rtol=1e-3, atol=1e-6)
    assert np.count_nonzero(found, axis=0).max() <= k


@pytest.mark.parametrize(
    ("n_items", "pairs", "systems"),
    [
        (10_000, 3_010_000, AllItems),
        (10_000, 3_000_000, Neighbourhoods),
        (10_001, 3_010_000, Neighbourhoods),
    ],
)
def test_systems_of_all_items_are_those_of_a_small_catalogue_of_dense_data(n_items, pairs, systems):
    """Of an item more than 300 others have users in common with it, in the mean."""
    users = torch.arange(pairs // 100**2).repeat_interleave(100)  # each has 100 interactions
    items = torch.arange(100).repeat(len(users) // 100)
    model = build("SLIST", n_items, {})
    assert isinstance(model.systems(items, users), systems)
    assert (model.cost(pairs) is not None) == (systems is AllItems)
    assert isinstance(build("SLIM", n_items, {}).systems(items, users), Neighbourhoods)


def test_places_far_apart_add_nothing_that_counts():
    """Beyond ``REACH``: the sums are those of all pairs to single precision."""
    rng = np.random.default_rng(0)
    users = [[[int(item)] for item in rng.integers(0, N_ITEMS, 90)] for _ in range(3)]
    model = build("SLIST", N_ITEMS, {})
    assert model.NEIGHBOURS * N_ITEMS < 3 * 90**2  # dense: weights from all items
    model.count(*interactions(users))
    model.use(share=0.2, ridge=20.0, decay=1.0)
    expected = expected_weights(users, 0.2, 20.0)
    np.testing.assert_allclose(dense(model).numpy(), expected, rtol=1e-5, atol=1e-7)


def test_a_state_of_version_1_scores_as_it_did():
    weights = torch.randn(N_ITEMS, N_ITEMS)
    buffers = {"decay": 0.5, "share": 0.2, "ridge": 20.0}
    state = {name: torch.tensor(value) for name, value in buffers.items()} | {"weights": weights}
    model = build("SLIST", N_ITEMS, {})
    model.load_state_dict(state)
    assert torch.equal(dense(model), weights)
    users = [[[1], [2, 3]], [[0], [0], [4]]]
    found = model.scores(model.queries(padded(users, 24)), 0, N_ITEMS)
    np.testing.assert_allclose(found, scores_by(weights.numpy(), users, 0.5), rtol=1e-5)
