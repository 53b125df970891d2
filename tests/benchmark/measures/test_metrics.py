"""Metrics and ranks, compared with an independent library and with their definitions."""

import math

import ir_measures
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, P, R, Success, nDCG

from benchmark.measures import metrics
from benchmark.training import evaluation
from benchmark.training.evaluation import rank
from datasets.splitting.targets import Targets
from models import ranking
from models.batches import Interactions
from models.ranking import MISS, ScoresError

K = 10
THEIRS = {
    "recall": R @ K,
    "mrr": RR @ K,
    "ndcg": nDCG @ K,
    "hit": Success @ K,
    "precision": P @ K,
}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_metrics_equal_an_independent_library(ranks):
    relevance = [ir_measures.Qrel(str(user), "target", 1) for user in range(len(ranks))]
    run = [
        ir_measures.ScoredDoc(str(user), "target" if place == true else f"d{place}", -place)
        for user, true in enumerate(ranks)
        for place in range(1, 41)
    ]
    theirs = ir_measures.calc_aggregate(THEIRS.values(), relevance, run)
    ours = metrics.means(np.array(ranks), np.arange(len(ranks)), K)
    for name, measure in THEIRS.items():
        assert ours[f"{name}@{K}"] == pytest.approx(theirs[measure], abs=1e-9)


def test_golden_values():
    assert metrics.means(np.array([1, 2, 10, 11]), np.arange(4)) == pytest.approx(
        {
            "recall@10": 0.75,
            "mrr@10": (1 + 1 / 2 + 1 / 10) / 4,
            "ndcg@10": (1 + 1 / np.log2(3) + 1 / np.log2(11)) / 4,
            "hit@10": 0.75,
            "precision@10": 0.075,
        }
    )


def slow_metrics(ranks_of_user, k):
    """The metrics of one user, from the set of the targets' ranks."""
    hits = sorted(rank for rank in ranks_of_user if rank <= k)
    ideal = sum(1 / math.log2(1 + place) for place in range(1, min(k, len(ranks_of_user)) + 1))
    return {
        f"recall@{k}": len(hits) / len(ranks_of_user),
        f"mrr@{k}": 1 / hits[0] if hits else 0,
        f"ndcg@{k}": sum(1 / math.log2(1 + rank) for rank in hits) / ideal,
        f"hit@{k}": 1 if hits else 0,
        f"precision@{k}": len(hits) / k,
    }


@given(
    st.lists(st.sets(st.integers(1, 30), min_size=1, max_size=15), min_size=1, max_size=9),
    st.integers(1, 12),
)
def test_metrics_are_means_over_users_of_their_definitions(ranks, k):
    users = np.repeat(np.arange(len(ranks)), [len(of) for of in ranks])
    found = metrics.means(np.array([rank for of in ranks for rank in of]), users, k)
    slow = [slow_metrics(of, k) for of in ranks]
    assert found == pytest.approx({name: np.mean([of[name] for of in slow]) for name in slow[0]})


class Scorer:
    """A model with given scores: its queries are the rows of the score matrix."""

    def __init__(self, n_items):
        self.n_items = n_items

    def scores(self, queries, first, last):
        return queries[:, first:last]


def ranked(scores, targets):
    scores = torch.tensor(scores, dtype=torch.float32)
    return rank(Scorer(scores.shape[1]), scores, torch.tensor(targets)).tolist()


matrices = st.integers(1, 12).flatmap(
    lambda n: st.lists(
        st.tuples(st.lists(st.integers(-3, 3), min_size=n, max_size=n), st.integers(0, n - 1)),
        min_size=1,
        max_size=6,
    )
)


SCORES_CACHED = st.sampled_from([0, 1 << 20])  # the catalogue is scored twice, or once


@given(matrices, st.integers(1, 13), SCORES_CACHED)
def test_rank_is_the_number_of_items_not_below_the_target_in_any_chunks(rows, chunk, cached):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "ITEMS_PER_CHUNK", chunk)
        patch.setattr(ranking, "CACHED_SCORES", cached)
        found = ranked([scores for scores, _ in rows], [target for _, target in rows])
    assert found == [sum(s >= scores[target] for s in scores) for scores, target in rows]


@given(matrices, st.integers(1, 13), SCORES_CACHED, st.data())
def test_items_of_a_masked_history_are_no_candidates_and_a_target_among_them_is_a_miss(
    rows, chunk, cached, data
):
    n_items = len(rows[0][0])
    items = st.integers(0, n_items - 1)
    seen = [data.draw(st.lists(items, max_size=5)) for _ in rows]
    pairs = [(row, item) for row, past in enumerate(seen) for item in past]
    scores = torch.tensor([scores for scores, _ in rows], dtype=torch.float32)
    targets = torch.tensor([target for _, target in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "ITEMS_PER_CHUNK", chunk)
        patch.setattr(ranking, "CACHED_SCORES", cached)
        found = rank(
            Scorer(n_items), scores, targets, torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T
        )
    assert found.tolist() == [
        MISS
        if target in past
        else sum(s >= scores[target] for i, s in enumerate(scores) if i not in past)
        for (scores, target), past in zip(rows, seen, strict=True)
    ]


@given(matrices, st.integers(1, 13), SCORES_CACHED, st.booleans(), st.data())
def test_several_targets_of_a_history_rank_as_each_alone(rows, chunk, cached, masked, data):
    n_items = len(rows[0][0])
    items = st.integers(0, n_items - 1)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, len(rows) - 1), items), max_size=9))
    seen = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T if masked else None
    asked = data.draw(st.lists(st.tuples(st.integers(0, len(rows) - 1), items), min_size=1))
    of, targets = torch.tensor(asked).T
    scores = torch.tensor([scores for scores, _ in rows], dtype=torch.float32)

    def alone(row, target):
        own = seen[:, seen[0] == row] * torch.tensor([[0], [1]]) if masked else None
        return int(rank(Scorer(n_items), scores[row : row + 1].clone(), target[None], own))

    expected = [alone(row, target) for row, target in zip(of, targets, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "ITEMS_PER_CHUNK", chunk)
        patch.setattr(ranking, "USERS_PER_CHUNK", 2)
        patch.setattr(ranking, "CACHED_SCORES", cached)
        assert rank(Scorer(n_items), scores, targets, seen, of).tolist() == expected


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=7))
def test_a_basket_is_ranked_as_each_of_its_items_alone(baskets):
    """Histories of one to three items; the model scores by what it sees of them."""

    class ByLast(torch.nn.Module):
        n_items, max_length, memory = 6, 2, 0

        def queries(self, histories):
            return histories.items.masked_fill(histories.items == self.n_items, 0).sum(dim=1)

        def scores(self, queries, first, last):
            return ((queries[:, None] * 7 + torch.arange(first, last) * 5) % 11).float()

    lengths = np.arange(len(baskets)) % 3 + 1
    targets = [
        (user, 4 * user, 4 * user + length, place)
        for user, (basket, length) in enumerate(zip(baskets, lengths, strict=True))
        for place in sorted(set(basket))
    ]
    users, starts, ends, wanted = np.array(targets).T
    items = torch.cat([torch.arange(4 * len(baskets)) % 5, torch.arange(6)])
    interactions = Interactions.without_times(items)
    positions = 4 * len(baskets) + wanted
    for history in ("ranked", "masked"):
        found = evaluation.rank_targets(
            ByLast(), interactions, Targets(users, starts, ends, positions), history
        )
        for i, of_all in enumerate(found):
            one = slice(i, i + 1)
            alone = Targets(users[one], starts[one], ends[one], positions[one])
            found_alone = evaluation.rank_targets(ByLast(), interactions, alone, history)
            assert found_alone.tolist() == [of_all]


def test_all_of_the_history_is_masked_not_only_what_the_model_sees():
    """Three users. The model reads at most two items, and scores small item numbers highest."""
    items = Interactions.without_times(torch.tensor([0, 1, 2, 3, 5, 9, 8, 7, 9, 0, 0, 4]))
    targets = Targets.next_items(np.array([0, 1, 2]), np.array([0, 5, 9]), np.array([4, 8, 11]))

    class Small(torch.nn.Module):
        n_items, max_length, memory = 10, 2, 0

        def queries(self, histories):
            return torch.zeros(len(histories.items), 1)

        def scores(self, queries, first, last):
            return (queries - torch.arange(first, last)).float()

    ranks = evaluation.rank_targets(Small(), items, targets, "masked")
    # Target 5 ranks behind item 4; target 9 is in its history; target 4 ranks behind items 1 to 3.
    assert ranks.tolist() == [2, MISS, 4]
    assert metrics.means(ranks, targets.queries)["recall@10"] == pytest.approx(2 / 3)
    assert evaluation.rank_targets(Small(), items, targets).tolist() == [6, 10, 5]


def test_a_constant_model_ranks_every_target_last():
    assert ranked([[0.5] * 7] * 3, [0, 3, 6]) == [7, 7, 7]


def test_scores_that_are_no_numbers_never_help():
    nan, inf = float("nan"), float("inf")
    assert ranked([[3, nan, nan, 1]], [0]) == [3]
    assert ranked([[-inf] * 4, [inf] * 4], [2, 2]) == [4, 4]
    with pytest.raises(ScoresError, match="not numbers"):
        ranked([[nan, 1, 2, 3]], [0])


@pytest.mark.parametrize("hidden", [8, 64])
@pytest.mark.parametrize("items", [1000, 3123, 31_094])
def test_a_model_of_equal_embeddings_does_not_score(hidden, items):
    """All items have one embedding: rounding in a real matrix product must not break the ties."""

    class Collapsed(Scorer):
        weight = torch.randn(1, hidden, generator=torch.Generator().manual_seed(0)).expand(
            items, -1
        )

        def scores(self, queries, first, last):
            return queries @ self.weight[first:last].T

    queries = torch.randn(300, hidden, generator=torch.Generator().manual_seed(1))
    targets = torch.randint(items, (300,), generator=torch.Generator().manual_seed(2))
    assert (rank(Collapsed(items), queries, targets) == items).all()
