"""Items of the history again, compared with plain loops over single histories."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from models.batches import Interactions, gather, known
from models.model import Histories
from models.networks.repeats import AGES, COUNTS, Frequency
from tests.models.test_models import build

N_ITEMS = 6
baskets = st.lists(
    st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=4), min_size=1, max_size=6
)


def padded(users, length):
    """Histories of users, each a list of baskets of items."""
    rows = [[(item, n) for n, items in enumerate(user) for item in items] for user in users]
    pads = [[(N_ITEMS, 0)] * (length - len(row)) + row for row in rows]
    return Histories(*torch.tensor(pads).movedim(2, 0))


@given(st.lists(baskets, min_size=1, max_size=4), st.data())
def test_each_item_is_known_once_with_its_count_and_its_age(users, data):
    histories = padded(users, 24)
    limits = [data.draw(st.integers(-1, 23)) for _ in range(3)]
    found = known(histories, torch.tensor([limits]), N_ITEMS)
    for row, (items, times) in enumerate(zip(*(x.tolist() for x in histories), strict=True)):
        for place, limit in enumerate(limits):
            past = [(i, t) for i, t in zip(items[: limit + 1], times, strict=False) if i < N_ITEMS]
            expected = {
                item: (
                    sum(i == item for i, _ in past),
                    past[-1][1] - max(t for i, t in past if i == item),
                )
                for item, _ in past
            }
            columns = zip(*(x[row, place].tolist() for x in found), strict=True)
            rows = [(item, (count, age)) for item, count, age in columns if item >= 0]
            assert len(rows) == len(expected)
            assert dict(rows) == expected


@torch.no_grad()
def test_gains_follow_count_age_item_and_vector():
    torch.manual_seed(0)
    frequency = Frequency(N_ITEMS, 4)
    for parameter in frequency.parameters():
        torch.nn.init.normal_(parameter)
    frequency.share.data.fill_(0.3)
    vectors = torch.randn(1, 1, 4)
    histories = padded([[[0, 1], [0], [2, 3]]], 5)
    seen = frequency(histories, torch.tensor([[4]]), vectors)
    expected = {}
    for item, count, age in ((0, 2, 1), (1, 1, 2), (2, 1, 0), (3, 1, 0)):
        cell = {1: 0, 2: 2}[count], {0: 0, 1: 1, 2: 3}[age]
        learned = frequency.count_gain[cell[0], 0] + frequency.age_gain[cell[1]]
        learned = 10 * (learned + frequency.gain[cell] + frequency.item_gain[item])
        expected[item] = float(learned + frequency.vector_gain(vectors).sum())
    found = dict(zip(seen.items.flatten().tolist(), seen.gains.flatten().tolist(), strict=True))
    found.pop(-1)
    assert found == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_large_counts_and_ages_have_the_last_class():
    items = torch.zeros(1, 2000, dtype=torch.int64)
    histories = Histories(items, torch.arange(2000)[None])
    frequency = Frequency(1, 4)
    frequency.gain.data[COUNTS - 1, 0] = 1.0
    gains = frequency(histories, torch.tensor([[1999]]), torch.zeros(1, 1, 4)).gains
    assert gains[0, 0, -1] == pytest.approx(10 + float(frequency.vector_gain.bias), abs=1e-5)
    histories = Histories(torch.tensor([[0, 1]]), torch.tensor([[0, 5000]]))
    frequency = Frequency(2, 4)
    frequency.age_gain.data[AGES - 1] = 1.0
    gains = frequency(histories, torch.tensor([[1]]), torch.zeros(1, 1, 4)).gains
    assert gains[0, 0, 0] == pytest.approx(10 + float(frequency.vector_gain.bias), abs=1e-5)


@pytest.mark.parametrize("name", ["BERT4Rec", "SASRec", "GRU4Rec"])
def test_training_and_ranking_count_the_interactions_before_the_window_alike(name):
    """The loss of the last target is the cross-entropy of its scores in the ranking."""
    changes = {"causal_share": 1.0, "layers": 1} if name == "BERT4Rec" else {}
    model = build(name, repeats="frequency", **changes)
    items = torch.randint(9, (30,), generator=torch.Generator().manual_seed(3))
    interactions = Interactions(items, torch.arange(30) // 3)
    start = torch.tensor([0])
    past, sequences = (
        gather(interactions, start, torch.tensor([end]), end, model.n_items) for end in (29, 30)
    )
    examples = model.examples(sequences, torch.Generator())
    examples.targets[:, :-1] = -1
    with torch.inference_mode():
        scores = model.scores(model.queries(past), 0, model.n_items)
        torch.testing.assert_close(model(*examples), F.cross_entropy(scores, items[-1:]))
        forgotten = model.queries(past.last(model.max_length))
        assert not torch.equal(model.scores(forgotten, 0, model.n_items), scores)


def test_a_target_that_its_history_has_and_a_new_one_get_gradients():
    model = build("SASRec", repeats="frequency").train()
    for last in (1, 7):  # 1 is in the history, 7 is not
        histories = Histories(torch.tensor([[1, 2, 1, 3, last]]), torch.tensor([[0, 0, 1, 1, 2]]))
        model.zero_grad()
        model(*model.examples(histories, torch.Generator())).backward()
        for name, parameter in model.frequency.named_parameters():
            assert parameter.grad.abs().sum() > 0, name
