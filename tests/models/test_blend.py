"""A network beside SLIST, compared with numpy on dense matrices."""

import numpy as np
import pytest
import torch

from benchmark.settings.settings import Settings
from models import build
from models.baselines.slist import SLIST
from models.blend import CHOSEN, FLOOR, VARIANTS, factors
from models.model import Histories
from tests.models.test_slim import dense

N_ITEMS = 30
NAMES = ("decay", "popularity", "offsets", "columns", "weights")  # of a linear model's state
HISTORIES = Histories.without_times(torch.tensor([[N_ITEMS, 3, 5, 8], [1, 2, 4, 9]]))


def interactions():
    """Of 200 users, who have 6 items each, some of them more often than others; item 29 never."""
    generator = torch.Generator().manual_seed(1)
    popularity = torch.arange(N_ITEMS, 0, -1.0)
    popularity[-1] = 0
    items = torch.multinomial(popularity.expand(200, -1), 6, generator=generator)
    return items.flatten(), torch.arange(200).repeat_interleave(6)


@pytest.fixture
def slist():
    model = SLIST(N_ITEMS)
    model.count(*interactions())
    model.use(**CHOSEN)
    return model


def model(name="BERT4Rec", **changes):
    torch.manual_seed(0)
    settings = Settings.of(model=name, hidden_size=8, **changes)
    return build(name, N_ITEMS, settings.as_dict()).eval()


def scores(model):
    with torch.inference_mode():
        query = model.queries(HISTORIES)
        parts = [model.scores(query, 0, 20), model.scores(query, 20, N_ITEMS)]
    return torch.cat(parts, 1).numpy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_are_the_networks_plus_a_multiple_of_the_logarithm_of_slists(slist, variant):
    blend = model()
    blend.count(*interactions())
    alone = scores(blend)
    blend.use(**variant)
    weights = dense(slist).numpy()
    expected = alone.copy()
    for row, history in enumerate([[3, 5, 8], [1, 2, 4, 9]]):
        counts = CHOSEN["decay"] ** np.arange(len(history))[::-1]
        sums = np.maximum(counts @ weights[history], 0)
        expected[row] += variant["weight"] * np.log(sums + FLOOR)
    np.testing.assert_allclose(scores(blend), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["BERT4Rec", "SASRec", "gSASRec", "GRU4Rec", "eSASRec", "HSTU"])
def test_without_a_weight_the_network_ranks_alone(name):
    alone = model(name, embeddings="random", blend="none")
    blend = model(name, embeddings="random")
    blend.count(*interactions())
    np.testing.assert_array_equal(scores(blend), scores(alone))


def test_the_start_is_nearest_to_slists_weights(slist):
    weights = dense(slist).numpy()
    symmetric = (weights + weights.T) / 2
    values, vectors = np.linalg.eigh(symmetric)
    kept = np.maximum(values[-8:], 0)
    nearest = vectors[:, -8:] * kept @ vectors[:, -8:].T
    found = factors(slist, 8).numpy()
    np.testing.assert_allclose(found @ found.T, nearest, atol=1e-4)
    every = factors(slist, 64).numpy()  # more columns than items
    assert every.shape == (N_ITEMS, 64)
    positive = vectors * np.maximum(values, 0) @ vectors.T
    np.testing.assert_allclose(every @ every.T, positive, atol=1e-4)


def test_items_without_neighbours_start_at_random():
    blend = model(blend="none")
    before = blend.items().detach().clone()
    blend.count(*interactions())
    moved = (blend.items() - before).detach()
    assert moved[-1].abs().max() == 0
    assert moved[:-1].abs().sum(1).min() > 0
    assert moved.std() == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("kind", ["slim", "slist"])  # slim: the default before version 0.13
def test_a_state_holds_the_weights_of_the_linear_model(kind):
    blend = model(embeddings=kind, blend=kind)
    blend.count(*interactions())
    blend.use(weight=2.0)
    buffers = {name for name in blend.state_dict() if name.startswith(f"{kind}.")}
    assert buffers == {f"{kind}.{name}" for name in NAMES}
    again = model(seed=2, embeddings=kind, blend=kind)
    again.load_state_dict(blend.state_dict())
    np.testing.assert_array_equal(scores(again), scores(blend))
