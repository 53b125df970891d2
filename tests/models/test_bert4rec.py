"""What BERT4Rec must do whatever its weights are."""

import pytest
import torch

from models import MODELS, build

ITEMS = 37
SIZE = {"max_length": 8, "hidden_size": 16, "layers": 2, "heads": 2, "inner_size": 32}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build("BERT4Rec", ITEMS, {**SIZE, "dropout": 0.0, "mask_ratio": 0.3, "not_mine": 1})


def sequences(rows=5, length=8):
    return torch.randint(ITEMS, (rows, length), generator=torch.Generator().manual_seed(1))


def test_padding_changes_nothing(model):
    short = sequences(length=5)
    padded = torch.cat([torch.full((5, 3), ITEMS), short], dim=1)
    torch.testing.assert_close(model.encode(padded)[:, 3:], model.encode(short))


def test_attention_is_bidirectional(model):
    before = sequences()
    after = before.clone()
    after[:, -1] = (after[:, -1] + 1) % ITEMS
    changed = (model.encode(before) - model.encode(after)).abs().amax(dim=(0, 2))
    assert (changed > 1e-6).all()


def test_only_the_last_items_and_not_their_sum_count(model):
    history = sequences()
    older = torch.cat([sequences(length=3), history], dim=1)
    torch.testing.assert_close(model.queries(older), model.queries(history))
    reordered = history.clone()
    reordered[:, -2:] = history[:, -2:].flip(1)
    assert not torch.allclose(model.queries(reordered), model.queries(history))


def test_scores_of_parts_are_the_parts_of_the_scores(model):
    queries = model.queries(sequences())
    whole = model.scores(queries, 0, ITEMS)
    assert whole.shape == (5, ITEMS)
    torch.testing.assert_close(model.scores(queries, 10, 17), whole[:, 10:17])


def test_the_item_table_is_tied_to_the_output(model):
    names = [
        name for name, p in model.named_parameters() if ITEMS in p.shape or ITEMS + 2 in p.shape
    ]
    assert names == ["item_bias", "item_embedding.weight"]


def test_masks_are_drawn_anew_and_repeat_with_the_seed(model, monkeypatch):
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: seen.append(x.clone()) or encode(x))
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        model.loss(sequences(), generator)
    model.loss(sequences(), generator)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[2], seen[3])


def test_masks_hit_items_at_their_rate_and_every_sequence_but_no_padding(model, monkeypatch):
    padded = torch.cat([torch.full((4000, 2), ITEMS), sequences(4000, 6)], dim=1)
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: seen.append(x) or encode(x))
    model.loss(padded, torch.Generator().manual_seed(3))
    masked = seen[0] == ITEMS + 1
    assert not masked[:, :2].any()
    assert masked.any(dim=1).all()
    # p for each of six items, or the one with the smallest draw where none is below p
    expected = (6 * 0.3 + 0.7**6) / 6
    assert masked[:, 2:].float().mean().item() == pytest.approx(expected, abs=0.01)


def test_the_loss_counts_masked_positions_only(model, monkeypatch):
    """Against the plain formula on the full matrix of logits."""
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: seen.append(x) or encode(x))
    batch = sequences()
    loss = model.loss(batch, torch.Generator().manual_seed(5))
    logits = model.scores(model._project(encode(seen[0])), 0, ITEMS)  # [5, 8, ITEMS]
    nats = -logits.log_softmax(-1).gather(-1, batch[..., None])[..., 0]
    torch.testing.assert_close(loss, nats[seen[0] == ITEMS + 1].mean())


def test_each_model_states_where_it_is_described():
    assert all(model.link.startswith("https://") for model in MODELS.values())
