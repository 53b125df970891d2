"""Recommended items, compared with a plain sort and with the ranks of the evaluation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import models
from models import MODELS, batches, ranking
from models.batches import Interactions
from models.model import Histories
from models.ranking import rank, recommend
from tests.models.test_models import N_ITEMS, build, counted


class Table(torch.nn.Module):
    """A model with one row of scores for each last item of a history."""

    max_length = 2
    memory = 0

    def __init__(self, scores):
        super().__init__()
        self.table = torch.tensor(scores, dtype=torch.float32)
        self.n_items = self.table.shape[1]

    def queries(self, histories):
        return histories.items[:, -1]

    def scores(self, queries, first, last):
        return self.table[queries][:, first:last].clone()


def alone(items):
    return Interactions.without_times(torch.tensor(items, dtype=torch.int64))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_scores_of_half_precision_have_whole_ranks(kind):
    """A sum in their own type would count 4,095 items as 4,096, and the best rank would be 0."""
    n = 4_096
    model = Table([[0.0] * n])
    model.table = model.table.to(kind)
    model.table[0, 5] = 1.0
    found = rank(model, torch.tensor([0]), torch.tensor([5]))
    assert found.tolist() == [1]
    assert rank(model, torch.tensor([0]), torch.tensor([6])).tolist() == [n]


def test_histories_of_long_users_come_in_small_batches(monkeypatch):
    monkeypatch.setattr(batches, "MOST_VALUES", 20)
    ends = np.cumsum([1, 2, 3, 30, 4, 2])
    starts = np.concatenate([[0], ends[:-1]])
    items = Interactions.without_times(torch.arange(ends[-1]))
    found = list(batches.histories(items, starts, ends, max_length=100, batch_size=4, pad=99))
    assert sorted(np.concatenate([rows for rows, _ in found]).tolist()) == [0, 1, 2, 3, 4, 5]
    assert all(past.items.numel() <= 20 or len(rows) == 1 for rows, past in found)
    for rows, past in found:
        for row, history in zip(rows, past.items.tolist(), strict=True):
            kept = [item for item in history if item != 99]
            assert kept == list(range(starts[row], ends[row]))


# Each table has one row for each item, and a last row for empty histories.
tables = st.integers(1, 9).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=n + 1, max_size=n + 1
    )
)


@given(tables, st.integers(1, 10), st.integers(1, 12), st.booleans(), st.data())
def test_the_best_items_are_those_of_a_stable_sort_in_any_chunks(table, chunk, k, exclude, data):
    n = len(table[0])
    pasts = data.draw(st.lists(st.lists(st.integers(0, n - 1), max_size=4), max_size=6))
    ends = np.cumsum([len(past) for past in pasts], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
    items = torch.tensor([item for past in pasts for item in past], dtype=torch.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "ITEMS_PER_CHUNK", chunk)
        patch.setattr(ranking, "USERS_PER_CHUNK", 2)
        best, scores = recommend(
            Table(table), Interactions.without_times(items), starts, ends, k, exclude
        )
    assert best.shape == scores.shape == (len(pasts), min(k, n))
    for past, found, theirs in zip(pasts, best.tolist(), scores.tolist(), strict=True):
        row = table[past[-1] if past else n]
        candidates = [item for item in range(n) if not (exclude and item in past)]
        expected = sorted(candidates, key=lambda item: (-row[item], item))[:k]
        missing = min(k, n) - len(expected)
        assert found == expected + [-1] * missing
        assert theirs == [row[item] for item in expected] + [-np.inf] * missing


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("exclude", [False, True])
def test_an_item_stands_where_evaluation_ranks_it(name, exclude, monkeypatch):
    monkeypatch.setattr(ranking, "ITEMS_PER_CHUNK", 16)
    rng = np.random.default_rng(1)
    pasts = [rng.integers(0, N_ITEMS, n) for n in rng.integers(1, 13, 30)]
    model = build(name) if models.learns(name) else counted(name, pasts)
    ends = np.cumsum([len(past) for past in pasts])
    starts = ends - [len(past) for past in pasts]
    items = torch.from_numpy(np.concatenate(pasts))
    best, scores = recommend(
        model, Interactions.without_times(items), starts, ends, N_ITEMS, exclude
    )
    for past, found, score in zip(pasts, best, scores, strict=True):
        found, score = found[found >= 0], score[found >= 0]
        history = torch.from_numpy(past[None, -model.max_length :])
        seen = torch.stack([torch.zeros(len(past), dtype=torch.int64), torch.from_numpy(past)])
        with torch.inference_mode():
            queries = model.queries(Histories.without_times(history))
            ranks = [
                int(rank(model, queries, torch.tensor([item]), seen if exclude else None))
                for item in found
            ]
        # In evaluation a target ranks behind all items of the same score; excluded items rank last.
        assert ranks == [int((score >= s).sum()) for s in score]
        assert not exclude or not set(found) & set(past)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_an_answer_to_no_history(name):
    pasts = [[3, 5, 7], [5, 7, 3], [5, 8]]
    model = build(name) if models.learns(name) else counted(name, pasts)
    ends = np.array([0, 3, 3])
    best, scores = recommend(model, alone([3, 5, 7]), np.array([0, 0, 3]), ends, 5)
    empty, _ = recommend(model, alone([]), ends[:1], ends[:1], 5)
    assert np.isfinite(scores).all()
    assert best[0].tolist() == best[2].tolist() == empty[0].tolist()
    if name in ("Markov", "ItemKNN", "Popularity"):
        assert best[0].tolist() == [5, 3, 7, 8, 0]
