"""EASE, compared with numpy's inverse and a plain loop over the history."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build, inverse
from models.ease import EASE, LARGEST_CATALOGUE
from tests.models.test_repeats import N_ITEMS, baskets, padded


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
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-4, atol=1e-6)


def test_a_catalogue_whose_square_is_too_large_is_refused():
    with pytest.raises(ValueError, match="at most 30,000 items; these data have 30,001"):
        EASE(LARGEST_CATALOGUE + 1)


def test_what_rounding_makes_indefinite_is_inverted_in_double_precision():
    """Two items with the same 2^26 users: with a ridge of 1, equal rows in single precision."""
    common = torch.full((2, 2), 2.0**26)
    found = inverse.inverse_of(common, 1.0)
    expected = np.linalg.inv(common.double().numpy() + np.eye(2))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
