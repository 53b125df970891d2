"""SLIM, compared with numpy's solutions of the single systems, and with EASE."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import build
from models.baselines import linear, neighbourhoods, neighbours
from models.baselines.neighbours import pairs_in_common
from models.baselines.slim import SLIM
from tests.models.test_repeats import N_ITEMS, baskets, padded


def interactions(users):
    """``items`` and ``users`` of ``Counted.count``."""
    flat = [[item for basket in user for item in basket] for user in users]
    owners = torch.repeat_interleave(torch.arange(len(flat)), torch.tensor([*map(len, flat)]))
    return torch.tensor([item for user in flat for item in user]), owners


def had(users):
    """[users, items] float: 1 where the user has the item."""
    sets = [{item for basket in user for item in basket} for user in users]
    return np.array([[item in some for item in range(N_ITEMS)] for some in sets], dtype=float)


def most_similar(common, item, k):
    """The k items with the highest cosines; of equals the more popular, then the smaller number."""
    size = np.diag(common).astype(int)

    def key(other):
        return -Fraction(int(common[item, other]) ** 2, int(size[other])), -size[other], other

    others = (i for i in range(N_ITEMS) if i != item and common[item, i])
    return sorted(others, key=key)[:k]


def local_weights(users, ridge, k, gram, target):
    """From the neighbours of each item to it, [N_ITEMS, N_ITEMS], by least squares."""
    common = had(users).T @ had(users)
    found = np.zeros((N_ITEMS, N_ITEMS))
    for item in range(N_ITEMS):
        near = most_similar(common, item, k)
        system = gram[np.ix_(near, near)] + ridge * np.eye(len(near))
        found[near, item] = np.linalg.solve(system, target[near, item])
    return found


def scores_by(weights, users, decay):
    """[users, N_ITEMS]: of histories whose items weigh decay ** age."""
    found = []
    for user in users:
        ages = {item: age for age in range(len(user))[::-1] for item in user[-1 - age]}
        found.append(sum(decay**age * weights[item] for item, age in ages.items()))
    return np.stack(found)


def or_popularity(scores, users):
    """The scores [users, N_ITEMS]; those below 0, by popularity, where a history gives none."""
    counts = np.bincount(
        [item for user in users for basket in user for item in basket], minlength=N_ITEMS
    )
    levels = np.unique(counts)
    below = np.searchsorted(levels, counts) / len(levels) - 1
    return np.where(np.abs(scores).max(1, keepdims=True) < 1e-6, below, scores)


def dense(model):
    """The weights of a ``SparseLinear`` from row to column, [n_items, n_items]."""
    rows = torch.repeat_interleave(torch.arange(model.n_items), model.offsets.diff())
    found = torch.zeros(model.n_items, model.n_items)
    found[rows, model.columns] = model.weights
    return found


@settings(max_examples=30)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(SLIM.variants),
    st.integers(1, N_ITEMS + 1),
)
def test_scores_are_those_of_the_closed_form(users, variant, k):
    model = build("SLIM", N_ITEMS, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SLIM, "NEIGHBOURS", k)
        patch.setattr(neighbourhoods, "ENTRIES_PER_BATCH", 16)
        patch.setattr(neighbourhoods, "POPULAR", N_ITEMS // 2)
        patch.setattr(neighbours, "PAIRS_PER_CHUNK", 8)
        model.count(*interactions(users))
        model.use(**variant)

    common = had(users).T @ had(users)
    weights = local_weights(users, variant["ridge"], k, common, common)
    expected = or_popularity(scores_by(weights, users, variant["decay"]), users)
    query = model.queries(padded(users, 24))
    found = torch.cat([model.scores(query, 0, 4), model.scores(query, 4, N_ITEMS)], 1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_weights_from_all_items_are_those_of_ease():
    users = np.random.default_rng(0).integers(0, N_ITEMS, (20, 1, 3)).tolist()
    ease = build("EASE", N_ITEMS, {})
    ease.count(*interactions(users))
    ease.use(ridge=20.0, decay=1.0)
    slim = build("SLIM", N_ITEMS, {})  # it has more neighbours than there are items
    slim.count(*interactions(users))
    slim.use(ridge=20.0, decay=1.0)
    torch.testing.assert_close(dense(slim), ease.weights)


@pytest.mark.parametrize("n_items", [20, 2000])  # 2,000: the pairs are sorted, not counted
@pytest.mark.parametrize("per_chunk", [50, 10_000])
@pytest.mark.parametrize("by_rows", [False, True])
def test_pairs_are_those_of_the_matrix_product(n_items, per_chunk, by_rows, monkeypatch):
    monkeypatch.setattr(neighbours, "PAIRS_PER_CHUNK", per_chunk)
    monkeypatch.setattr(neighbours, "VALUES_PER_PAIR", 10**9 if by_rows else 0)
    monkeypatch.setattr(neighbours, "ROWS_PER_CHUNK", 7 if per_chunk == 50 else n_items)
    rng = np.random.default_rng(1)
    items, users = rng.integers(0, n_items, 200), np.sort(rng.integers(0, 30, 200))
    of_users = np.zeros((30, n_items), dtype=int)
    of_users[users, items] = 1
    common = of_users.T @ of_users
    np.fill_diagonal(common, 0)
    found = list(pairs_in_common(torch.tensor(items), torch.tensor(users), n_items))
    assert (len(found) == 1) == (per_chunk == 10_000)
    rows, columns, both = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    expected = common.nonzero()
    assert np.array_equal(rows, expected[0])
    assert np.array_equal(columns, expected[1])
    assert np.array_equal(both, common[expected])


@settings(max_examples=20)
@given(st.lists(baskets, min_size=linear.MANY, max_size=linear.MANY + 4), st.randoms())
def test_many_histories_score_as_each_alone(users, random):
    """Many are scored by a matrix, few by sparse weights: also after the weights have changed."""
    model = build("SLIM", N_ITEMS, {})
    for _ in range(2):
        pairs = random.sample(range(N_ITEMS**2), 20)
        rows, columns = np.divmod(pairs, N_ITEMS)
        values = torch.tensor([random.uniform(-1, 1) for _ in pairs])
        model.fill(torch.from_numpy(rows), torch.from_numpy(columns), values)
        model.decay.fill_(0.5)
        together = model.queries(padded(users, 24))
        alone = torch.cat([model.queries(padded([user], 24)) for user in users])
        torch.testing.assert_close(together, alone)


def test_small_systems_are_not_padded_to_the_size_of_large_ones(monkeypatch):
    """One user has 40 items, and each of 300 others has two of their own."""
    sizes = []
    lower = neighbourhoods._Lookup.lower

    def seen(self, near, by_search):
        sizes.append((int((near < 640).sum(1).min()), near.shape[1]))
        return lower(self, near, by_search)

    monkeypatch.setattr(neighbourhoods._Lookup, "lower", seen)
    model = build("SLIM", 640, {})
    model.count(
        torch.arange(640),
        torch.cat([torch.zeros(40), torch.arange(1, 301).repeat_interleave(2)]).long(),
    )
    assert sorted(sizes) == [(1, 1), (39, 39)]
