"""The best items that a trial keeps of each test query, against a plain re-implementation."""

import math

import numpy as np
import pytest
import torch

from benchmark.training.evaluation import rank_and_list, rank_targets
from benchmark.training.lists import list_table
from datasets.splitting.splits import leave_one_out
from datasets.splitting.targets import Targets
from models import ranking
from models.batches import Interactions
from tests.benchmark.training.test_repeats import of_users, trained


class Tied(torch.nn.Module):
    """Scores with many ties, which depend on the last item alone."""

    n_items, max_length, memory = 11, 2, 0

    def queries(self, histories):
        return histories.items[:, -1]

    def scores(self, queries, first, last):
        return ((queries[:, None] * 7 + torch.arange(first, last) * 5) % 4).float()


def plainly(history: list[int], masked: bool, k: int) -> list[int]:
    score = {item: (history[-1] * 7 + item * 5) % 4 for item in range(Tied.n_items)}
    candidates = [item for item in score if not (masked and item in history)]
    found = sorted(candidates, key=lambda item: (-score[item], item))[:k]
    return found + [-1] * (k - len(found))


@pytest.mark.parametrize("items_per_chunk", [4096, 4])
@pytest.mark.parametrize("history", ["ranked", "masked"])
def test_lists_are_sorted_candidates_in_the_order_of_the_items_where_scores_tie(
    history, items_per_chunk, monkeypatch
):
    monkeypatch.setattr(ranking, "ITEMS_PER_CHUNK", items_per_chunk)
    monkeypatch.setattr(ranking, "USERS_PER_CHUNK", 7)
    draw = np.random.default_rng(0)
    lengths = draw.integers(2, 9, 30)
    items = draw.integers(0, Tied.n_items, lengths.sum())
    ends = np.cumsum(lengths) - 1  # the last item of each user is the target
    targets = Targets.next_items(np.arange(30), ends - lengths + 1, ends)
    interactions = Interactions.without_times(torch.from_numpy(items))
    for k in (1, 5, 10, 20):
        ranks, lists = rank_and_list(Tied(), interactions, targets, history, k=k)
        expected = [
            plainly(items[start:end].tolist(), history == "masked", min(k, Tied.n_items))
            for start, end in zip(targets.starts, targets.ends, strict=True)
        ]
        assert lists.tolist() == expected
        assert (ranks == rank_targets(Tied(), interactions, targets, history)).all()


def test_targets_of_one_query_have_one_list():
    users, starts, ends = np.zeros((3, 2), dtype=int)
    targets = Targets(users, starts, ends + 3, np.array([3, 4]))
    items = Interactions.without_times(torch.tensor([4, 5, 6, 1, 2]))
    ranks, lists = rank_and_list(Tied(), items, targets, k=3)
    assert (len(ranks), lists.tolist()) == (2, [plainly([4, 5, 6], False, 3)])


def test_a_table_of_lists_by_hand():
    sequences = of_users("abcab", "abcd", "ddabcd", "e")  # training: abc, ab, ddab
    split = leave_one_out(sequences)
    lists = np.array([[3, 0], [4, -1], [1, 2]])  # d a, e, b c
    table = list_table(sequences, split, split.test, lists)
    learners = int((split.train_ends > split.train_starts).sum())
    bits = {users: pytest.approx(math.log2(learners / users)) for users in (1, 2, 3)}
    rows = [
        ("0", "3", 0, 1, 2, bits[1], False),  # the user of both interactions is one
        ("0", "0", 0, 2, 3, bits[3], True),
        ("1", "4", 1, 1, 1, bits[1], False),
        ("2", "1", 2, 1, 3, bits[3], True),
        ("2", "2", 2, 2, 1, bits[1], True),
    ]
    assert [*table.itertuples(index=False, name=None)] == rows
    names = ["user", "item", "query", "rank", "popularity", "novelty", "repeated"]
    assert list(table) == names


@pytest.mark.parametrize("history", ["ranked", "masked", "novel"])
def test_a_trial_recommends_what_its_protocol_calls_candidates(history):
    sequences = of_users("abcab", "abcd", "ddabcd", "bcdea")
    split = leave_one_out(sequences)
    trainer = trained("Popularity", sequences, split, history=history)
    result = trainer.result()
    table = result.lists["test"]
    assert table["repeated"].any() == (history == "ranked")
    ranks = result.ranks["test"].set_index("query")["rank"]
    assert set(table["query"]) == set(ranks.index)
    test = trainer.split.test
    best, _ = ranking.recommend(
        trainer.averaged,
        trainer.interactions,
        test.starts,
        test.ends,
        10,
        exclude_seen=history != "ranked",
    )
    assert table["item"].astype(int).tolist() == best[best >= 0].tolist()
