"""Models that score from the last item alone, against plain implementations with exact ties."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmark.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from models import counted as counted_models
from models.item_knn import ItemKNN
from models.markov import Markov
from tests.conftest import one_each

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


def cosines(users):
    """The neighbours of each item: {item: {neighbour: squared cosine}}; exact fractions."""
    had = [{user for user, items in enumerate(users) if i in items} for i in range(N_ITEMS)]
    popularity = [sum(items.count(i) for items in users) for i in range(N_ITEMS)]
    found = {}
    for a in range(N_ITEMS):
        squares = {
            b: Fraction(len(had[a] & had[b]) ** 2, len(had[a]) * len(had[b]))
            for b in range(N_ITEMS)
            if a != b and had[a] & had[b]
        }
        best = sorted(squares, key=lambda b: (-squares[b], -popularity[b], b))
        found[a] = {b: squares[b] for b in best[: ItemKNN.NEIGHBOURS]}
    return found


def successors(users):
    """How often each item came next: {item: {next item: count}}."""
    found = {item: {} for item in range(N_ITEMS)}
    for items in users:
        for a, b in pairwise(items):
            found[a][b] = found[a].get(b, 0) + 1
    return found


@pytest.mark.parametrize(("kind", "entries"), [(ItemKNN, cosines), (Markov, successors)])
@pytest.mark.parametrize("seed", range(20))
def test_items_are_ordered_by_their_entry_and_equals_by_popularity(
    kind, entries, seed, monkeypatch
):
    monkeypatch.setattr(ItemKNN, "NEIGHBOURS", 4)
    monkeypatch.setattr(counted_models, "ITEMS_PER_CHUNK", 5)
    users = random_sequences(seed)
    model = counted(kind(N_ITEMS), users)
    popularity = [sum(items.count(i) for items in users) for i in range(N_ITEMS)]
    scores = model.scores(torch.arange(N_ITEMS + 1), 0, N_ITEMS)  # padding: no history
    for last, of in (entries(users) | {N_ITEMS: {}}).items():
        keys = [(of.get(item, -1), popularity[item]) for item in range(N_ITEMS)]
        for a in range(N_ITEMS):
            for b in range(N_ITEMS):
                assert (keys[a] < keys[b]) == bool(scores[last, a] < scores[last, b])


def test_a_large_share_does_not_hide_popularity():
    """Two successors with one share; their popularity differs by one interaction of 200,000."""
    users = [[0, 1], [0, 2], [2], [3] * 200_000]
    scores = counted(Markov(N_ITEMS), users).scores(torch.tensor([0]), 0, N_ITEMS)[0]
    assert scores.argsort(descending=True)[:3].tolist() == [2, 1, 3]


def test_item_knn_s_ranks_on_real_data_are_those_of_float64(shared_data):
    spec, sequences = load("ml-100k", str(shared_data))
    split = spec.split_of(sequences)
    trainer = Trainer(Settings.of(model="ItemKNN", dataset="ml-100k"), sequences, split)
    list(trainer.epochs())
    found = trainer.final_ranks()["test"]

    n = sequences.n_items
    training = [
        sequences.items[a:b] for a, b in zip(split.train_starts, split.train_ends, strict=True)
    ]
    had = np.zeros((len(training), n))
    for user, items in enumerate(training):
        had[user, items] = 1
    popularity = np.bincount(np.concatenate(training), minlength=n)
    size = np.maximum(had.sum(0), 1)
    ranks = []
    for position in split.test.positions:
        last, target = sequences.items[position - 1], sequences.items[position]
        cosine = np.round((had.T @ had[:, last]) / np.sqrt(size * size[last]), 12)
        cosine[last] = 0
        neighbours = np.lexsort((np.arange(n), -popularity, -cosine))[:100]
        entry = np.full(n, -1.0)
        entry[neighbours] = np.where(cosine[neighbours] > 0, cosine[neighbours], -1)
        key = np.stack([entry, popularity])
        below = (key[0] < key[0, target]) | ((key[0] == key[0, target]) & (key[1] < key[1, target]))
        ranks.append(n - below.sum())
    assert found.tolist() == ranks
    assert one_each(found)["ndcg@10"] == pytest.approx(one_each(np.array(ranks))["ndcg@10"])
