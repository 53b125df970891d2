"""Markov, against a plain implementation with exact ties."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from models.baselines.markov import Markov

N_ITEMS = 12


def random_sequences(seed, n_users=15):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, n_users)
    return [(rng.random(n) ** 2 * N_ITEMS).astype(int).tolist() for n in lengths]


def counted(model, users):
    lengths = torch.tensor([len(items) for items in users])
    items = torch.tensor([item for items in users for item in items])
    model.count(items, torch.repeat_interleave(torch.arange(len(users)), lengths))
    return model


def successors(users):
    """How often each item came next: {item: {next item: count}}."""
    found = {item: {} for item in range(N_ITEMS)}
    for items in users:
        for a, b in pairwise(items):
            found[a][b] = found[a].get(b, 0) + 1
    return found


@pytest.mark.parametrize("seed", range(20))
def test_items_are_ordered_by_their_count_and_equals_by_popularity(seed):
    users = random_sequences(seed)
    model = counted(Markov(N_ITEMS), users)
    popularity = [sum(items.count(i) for items in users) for i in range(N_ITEMS)]
    scores = model.scores(torch.arange(N_ITEMS + 1), 0, N_ITEMS)  # padding: no history
    for last, of in (successors(users) | {N_ITEMS: {}}).items():
        keys = [(of.get(item, -1), popularity[item]) for item in range(N_ITEMS)]
        for a in range(N_ITEMS):
            for b in range(N_ITEMS):
                assert (keys[a] < keys[b]) == bool(scores[last, a] < scores[last, b])


def test_a_large_share_does_not_hide_popularity():
    """Two successors with one share; their popularity differs by one interaction of 200,000."""
    users = [[0, 1], [0, 2], [2], [3] * 200_000]
    scores = counted(Markov(N_ITEMS), users).scores(torch.tensor([0]), 0, N_ITEMS)[0]
    assert scores.argsort(descending=True)[:3].tolist() == [2, 1, 3]
