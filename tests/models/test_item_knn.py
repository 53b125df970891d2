"""ItemKNN, compared with exact cosines of tiny data, and with dense matrices of real data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.settings.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from models import build
from models.baselines import neighbours
from models.baselines.item_knn import ItemKNN
from models.model import Histories
from tests.conftest import one_each
from tests.models.test_repeats import N_ITEMS, baskets, padded
from tests.models.test_slim import had, interactions, most_similar


@settings(max_examples=30)
@given(
    st.lists(baskets, min_size=2, max_size=6),
    st.sampled_from(ItemKNN.variants),
    st.integers(1, N_ITEMS + 1),
)
def test_scores_are_sums_of_cosines_and_the_others_follow_by_popularity(users, variant, k):
    model = build("ItemKNN", N_ITEMS, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ItemKNN, "NEIGHBOURS", k)
        patch.setattr(neighbours, "PAIRS_PER_CHUNK", 8)
        model.count(*interactions(users))
    model.use(**variant)

    common = had(users).T @ had(users)
    size = np.diag(common)
    found = model.scores(model.queries(padded(users, 24)), 0, N_ITEMS).numpy()
    for user, scores in zip(users, found, strict=True):
        ages = {item: age for age in range(len(user))[::-1] for item in user[-1 - age]}
        expected = np.zeros(N_ITEMS)
        for item, age in ages.items():
            for near in most_similar(common, item, k):
                cosine = common[item, near] / np.sqrt(size[item] * size[near])
                expected[near] += variant["decay"] ** age * cosine
        np.testing.assert_allclose(np.maximum(scores, 0), expected, rtol=1e-5)
        others = expected == 0
        popularity = np.bincount(interactions(users)[0], minlength=N_ITEMS)[others]
        above = popularity[:, None] > popularity
        assert np.array_equal(scores[others][:, None] > scores[others], above)


def test_ranks_on_real_data_are_those_of_float64(shared_data, monkeypatch):
    monkeypatch.setattr(ItemKNN, "variants", ({"decay": 0.75},))
    spec, sequences = load("ml-100k", str(shared_data))
    split = spec.split_of(sequences)
    trainer = Trainer(Settings.of(model="ItemKNN", dataset="ml-100k"), sequences, split)
    list(trainer.epochs())
    found = trainer.final_ranks()["test"]

    n = sequences.n_items
    users = np.zeros((len(split.train_starts), n))
    for row, start, end in zip(users, split.train_starts, split.train_ends, strict=True):
        row[sequences.items[start:end]] = 1
    size = users.sum(0)
    cosine = np.round(users.T @ users / np.sqrt(np.maximum(np.outer(size, size), 1)), 12)
    np.fill_diagonal(cosine, 0)
    for row in cosine:
        row[np.lexsort((np.arange(n), -size, -row))[100:]] = 0
    ranks = []
    for start, position in zip(split.test.starts, split.test.positions, strict=True):
        ages = sequences.baskets[position - 1] - sequences.baskets[start:position]
        weight = np.zeros(n)  # the last occurrence of an item is written last
        weight[sequences.items[start:position]] = 0.75**ages
        scores = weight @ cosine
        scores = np.where(scores > 0, scores, size - size.max() - 1)  # no item repeats here
        ranks.append(n - (scores < scores[sequences.items[position]]).sum())
    # Sums in float32 order some that are nearly equal otherwise.
    assert np.mean(np.abs(found - ranks) > 1) < 0.01
    assert one_each(found)["ndcg@10"] == pytest.approx(one_each(np.array(ranks))["ndcg@10"], 1e-3)


def test_a_state_of_version_2_scores_by_the_last_item():
    """Its buffers were those of Markov: places in the order of the entries."""
    items, users = torch.tensor([0, 1, 0, 1, 0, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
    old = build("Markov", 3, {})
    old.count(items, users)
    new = build("ItemKNN", 3, {})
    new.load_state_dict(old.state_dict())
    histories = Histories.without_times(torch.tensor([[0]])).last(new.max_length)
    expected = old.scores(old.queries(histories), 0, 3)
    assert torch.equal(new.scores(new.queries(histories), 0, 3), expected)
    assert new.max_length == 1
