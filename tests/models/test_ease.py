"""EASE, compared with numpy's inverse and a plain loop over the history."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build
from models.baselines import inverse
from models.baselines.ease import EASE, LARGEST_CATALOGUE
from models.model import Histories
from tests.models.test_repeats import N_ITEMS, baskets, padded
from tests.models.test_slim import or_popularity


@settings(max_examples=30)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(EASE.variants),
    st.sampled_from([inverse.LARGEST_RESIDUAL, 0.0]),  # 0: so in double precision
)
def test_scores_are_those_of_the_closed_form(users, variant, residual):
    flat = [[item for basket in user for item in basket] for user in users]
    model = build("EASE", N_ITEMS, {})
    items = torch.tensor([item for user in flat for item in user])
    owners = torch.repeat_interleave(torch.arange(len(flat)), torch.tensor([*map(len, flat)]))
    model.count(items, owners)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverse, "LARGEST_RESIDUAL", residual)
        model.use(**variant)

    had = np.array([[item in user for item in range(N_ITEMS)] for user in flat], dtype=float)
    inverted = np.linalg.inv(had.T @ had + variant["ridge"] * np.eye(N_ITEMS))
    weights = -inverted / np.diag(inverted)
    np.fill_diagonal(weights, 0)
    expected = []
    for user in users:
        ages = {item: age for age in range(len(user))[::-1] for item in user[-1 - age]}
        expected.append(sum(variant["decay"] ** age * weights[i] for i, age in ages.items()))
    query = model.queries(padded(users, 24))
    found = torch.cat([model.scores(query, 0, 4), model.scores(query, 4, N_ITEMS)], 1)
    expected = or_popularity(np.stack(expected), users)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["EASE", "SLIM", "SLIST"])
def test_a_history_from_which_no_item_has_a_score_has_the_most_popular_items(name):
    """One that is empty, and one of an item that nobody had beside another."""
    model = build(name, N_ITEMS, {})
    model.count(torch.tensor([1, 3, 3, 2, 3, 1, 4]), torch.tensor([0, 0, 1, 1, 2, 2, 3]))
    model.use(**model.variants[0])
    histories = torch.tensor([[N_ITEMS], [4], [1]])
    query = model.queries(Histories.without_times(histories))
    best = model.scores(query, 0, N_ITEMS).argsort(dim=1, descending=True, stable=True)
    assert best[0, :2].tolist() == best[1, :2].tolist() == [3, 1]
    assert best[2, 0] == 3  # which shares two users with item 1
    # A state of before version 0.15 has no popularity, and its scores stay as they were.
    state = {k: v for k, v in model.state_dict().items() if k != "popularity"}
    old = build(name, N_ITEMS, {})
    old.load_state_dict(state)
    assert not old.scores(old.queries(Histories.without_times(histories[:2])), 0, N_ITEMS).any()


def test_a_catalogue_whose_square_is_too_large_is_refused():
    with pytest.raises(ValueError, match="at most 30,000 items; these data have 30,001"):
        EASE(LARGEST_CATALOGUE + 1)


def test_what_rounding_makes_indefinite_is_inverted_in_double_precision():
    """Two items with the same 2^26 users: with a ridge of 1, equal rows in single precision."""
    common = torch.full((2, 2), 2.0**26)
    found = inverse.inverse_of(common, 1.0)
    expected = np.linalg.inv(common.double().numpy() + np.eye(2))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
