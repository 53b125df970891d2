"""Properties of BERT4Rec that hold for any weights."""

import pytest
import torch

from models import build
from models.model import Histories

untimed = Histories.without_times

ITEMS = 37
SIZE = {"max_length": 8, "hidden_size": 16, "layers": 2, "heads": 2, "inner_size": 32}


PLAIN = {
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "initialisation": "glorot",
    "mask_ratio": 0.3,
    "last_share": 0.0,
    "causal_share": 0.0,
    "history_dropout": 0.0,
    "negatives": 0,
    "temperature": 0.0,
}


CHOICES = ("positions", "neighbours", "norm", "head", "repeats")


@pytest.fixture(
    params=[("learned", 0, "post", "norm", "alike"), ("rotary", 3, "pre", "linear", "learned")],
    ids=["paper", "fast"],
)
def make(request):
    def make(**changes):
        torch.manual_seed(0)
        choices = dict(zip(CHOICES, request.param, strict=True))
        model = build("BERT4Rec", ITEMS, SIZE | PLAIN | choices | {"not_mine": 1} | changes)
        if model.repeat_bias is not None:
            torch.nn.init.constant_(model.repeat_bias, -0.7)
        return model

    return make


@pytest.fixture
def model(make):
    return make()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def encode(model, sequences):
    """The encoder's output at all positions of sequences without masks: [batch, length, hidden]."""
    attend = (sequences != ITEMS)[:, None]
    places = torch.arange(sequences.shape[1]).expand(len(sequences), -1)
    return model.encode(sequences, torch.empty(0, dtype=torch.int64), attend, places)


def sequences(rows=5, length=8):
    return torch.randint(ITEMS, (rows, length), generator=seeded(1))


def test_padding_changes_nothing(model):
    short = sequences(length=5)
    padded = torch.cat([torch.full((5, 3), ITEMS), short], dim=1)
    torch.testing.assert_close(encode(model, padded)[:, 3:], encode(model, short))


def test_attention_is_bidirectional(model):
    before = sequences()
    after = before.clone()
    after[:, -1] = (after[:, -1] + 1) % ITEMS
    changed = (encode(model, before) - encode(model, after)).abs().amax(dim=(0, 2))
    assert (changed > 1e-6).all()


def test_only_the_last_items_and_not_their_sum_count(model):
    history = sequences()
    older = torch.cat([sequences(length=3), history], dim=1)
    vectors = model.queries(untimed(history)).vectors
    torch.testing.assert_close(model.queries(untimed(older)).vectors, vectors)
    reordered = history.clone()
    reordered[:, -2:] = history[:, -2:].flip(1)
    assert not torch.allclose(model.queries(untimed(reordered)).vectors, vectors)


def test_scores_of_parts_are_the_parts_of_the_scores(model):
    queries = model.queries(untimed(sequences()))
    whole = model.scores(queries, 0, ITEMS)
    assert whole.shape == (5, ITEMS)
    torch.testing.assert_close(model.scores(queries, 10, 17), whole[:, 10:17])


def test_a_learned_weight_moves_what_the_history_holds_and_nothing_else(make):
    model = make()
    history = torch.cat([torch.full((5, 2), ITEMS), sequences(length=6)], dim=1)
    history[:, -1] = history[:, -2]  # an item that occurs twice gets the weight once
    queries = model.queries(untimed(history))
    plain = queries.vectors @ model.item_embedding.weight[:ITEMS].t() + model.item_bias.weight[:, 0]
    moved = model.scores(queries, 0, ITEMS) - plain
    weight = 0.0 if model.repeat_bias is None else -0.7
    for row in range(5):
        expected = torch.zeros(ITEMS)
        expected[history[row, -7:][history[row, -7:] < ITEMS]] = weight  # only 7 items are read
        torch.testing.assert_close(moved[row], expected, atol=1e-5, rtol=0)


def test_the_item_table_is_tied_to_the_output(model):
    names = [
        name for name, p in model.named_parameters() if ITEMS in p.shape or ITEMS + 2 in p.shape
    ]
    assert sorted(names) == ["item_bias.weight", "item_embedding.weight"]


@pytest.mark.parametrize("causal_share", [0.0, 0.5])
def test_examples_are_drawn_anew_and_repeat_with_the_seed(make, causal_share):
    model = make(causal_share=causal_share)

    def tokens(seed, count=8):
        generator = seeded(seed)
        return [
            model.examples(untimed(sequences()), generator).tokens.tolist() for _ in range(count)
        ]

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(2)
    assert tokens(1)[0] != tokens(1)[1] or causal_share
    assert len({len(rows[0]) for rows in tokens(1)}) == (2 if causal_share else 1)


def test_a_fixed_number_of_items_is_masked_in_place_and_no_padding(model):
    padded = torch.cat([torch.full((4000, 2), ITEMS), sequences(4000, 6)], dim=1)
    padded[:9, :7] = ITEMS  # a few sequences of one item
    cloze = model.examples(untimed(padded), seeded(3))
    masked = cloze.tokens == ITEMS + 1
    assert not masked[:, :2].any()
    assert masked[:9].sum(dim=1).tolist() == [1] * 9
    assert masked[9:].sum(dim=1).tolist() == [2] * 3991  # round(0.3 * 6)
    assert masked[9:, 2:].float().mean(dim=0).tolist() == pytest.approx([1 / 3] * 6, abs=0.03)
    assert torch.equal(cloze.tokens[~masked], padded[~masked])
    for row in range(0, 4000, 97):
        asked = {
            (place, target)
            for place, target in zip(
                cloze.places[row].tolist(), cloze.targets[row].tolist(), strict=True
            )
            if target >= 0
        }
        assert asked == {
            (place, int(padded[row, place])) for place in masked[row].nonzero()[:, 0].tolist()
        }


def test_a_share_of_the_sequences_is_asked_for_the_last_item(make):
    masked = make(last_share=0.9).examples(untimed(sequences(4000)), seeded(4)).tokens == ITEMS + 1
    assert (masked.sum(dim=1) == 2).all()
    assert masked[:, -1].float().mean().item() == pytest.approx(0.9 + 0.1 / 4, abs=0.02)


def test_left_to_right_asks_what_is_asked_in_the_end(make):
    """With one layer, each output in training equals ``queries`` of the items before the target."""
    model = make(causal_share=1.0, layers=1, max_length=9)
    batch = sequences(length=8)
    batch[0, :3] = ITEMS
    cloze = model.examples(untimed(batch), seeded(5))
    answers = model._project(model.encode(*cloze[:4]))  # [5, 7, hidden]
    for row in range(5):
        for k, target in enumerate(cloze.targets[row].tolist()):
            past = batch[row : row + 1, : k + 1]
            past = past[:, past[0] != ITEMS]
            assert target == (batch[row, k + 1] if past.numel() else -1)
            if past.numel() and model.encoder.turns is not None:
                torch.testing.assert_close(answers[row, k], model.queries(untimed(past)).vectors[0])


def test_left_to_right_may_hide_a_share_of_the_history(make):
    batch = torch.cat([torch.full((2000, 2), ITEMS), sequences(2000, 6)], dim=1)
    plain = make(causal_share=1.0).examples(untimed(batch), seeded(7))
    cloze = make(causal_share=1.0, history_dropout=0.3).examples(untimed(batch), seeded(7))
    hidden = cloze.tokens != plain.tokens
    assert (cloze.tokens[hidden] == ITEMS + 1).all()
    assert hidden[:, 2:8].float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert hidden[:, :2].sum() == hidden[:, 8:].sum() == 0
    assert torch.equal(cloze.targets, plain.targets)


def test_left_to_right_never_sees_what_comes_after(make):
    model = make(causal_share=1.0)
    before = sequences()
    after = before.clone()
    after[:, 4:] = (after[:, 4:] + 1) % ITEMS

    def answers(batch):
        return model.encode(*model.examples(untimed(batch), seeded(6))[:4])

    changed = (answers(before) - answers(after)).abs().amax(dim=(0, 2)) > 1e-6
    assert changed.tolist() == [False] * 4 + [True] * 3


@pytest.mark.parametrize("causal_share", [0.0, 1.0])
def test_the_loss_counts_what_is_asked_for_only(make, causal_share):
    """The loss equals the plain formula on the full matrix of logits."""
    batch = sequences()
    batch[0, :3] = ITEMS
    batch[1, 5] = batch[1, 2]
    model = make(causal_share=causal_share)
    cloze = model.examples(untimed(batch), seeded(5))
    answers = model._project(model.encode(*cloze[:4]))
    nats = []
    for row, k in (cloze.targets >= 0).nonzero().tolist():
        logits = model.item_embedding.weight[:ITEMS] @ answers[row, k]
        logits += model.item_bias.weight[:, 0]
        if model.repeat_bias is not None:
            past = batch[row, : k + 1] if causal_share else cloze.tokens[row]
            logits[past[past < ITEMS].unique()] += model.repeat_bias
        nats.append(-logits.log_softmax(0)[cloze.targets[row, k]])
    torch.testing.assert_close(model(*cloze), torch.stack(nats).mean())
