"""The interface that every model has, and the scores that each model is defined by."""

import numpy as np
import pytest
import torch

import models
from benchmark.settings.settings import Settings
from benchmark.training.evaluation import rank
from models import MODELS, by_setting
from models.model import Histories

N_ITEMS = 40
untimed = Histories.without_times
SMALL = {"max_length": 8, "hidden_size": 8, "heads": 1, "inner_size": 16}
LEFT_TO_RIGHT = ["SASRec", "gSASRec", "eSASRec", "HSTU", "GRU4Rec"]


def build(name, **changes):
    torch.manual_seed(0)
    given = {k: v for k, v in (SMALL | changes).items() if k in models.own_settings(name)}
    alone = {"repeats": "learned", "embeddings": "random", "blend": "none"}
    plain = {k: v for k, v in alone.items() if k in models.own_settings(name)}
    settings = Settings.of(model=name, **(plain | given))
    model = models.build(name, N_ITEMS, vars(settings))
    for parameter in model.parameters():  # near zero, all scores would be almost equal
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def counted(name, sequences):
    model = build(name)
    users = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    model.count(torch.tensor(np.concatenate(sequences)), torch.tensor(users))
    model.use(**model.variants[0])
    return model


def all_scores(model, histories):
    with torch.inference_mode():
        return model.scores(model.queries(untimed(torch.tensor(histories))), 0, N_ITEMS)


def test_the_text_of_a_file_says_which_settings_its_model_has():
    assert by_setting.learned() == models.learned_models()
    own = {name: models.own_settings(name) for name in MODELS}
    for setting in frozenset().union(*own.values()) | {"seed"}:
        assert by_setting.having(setting) == [name for name in MODELS if setting in own[name]]


def test_links_lead_somewhere():
    assert all(model.link.startswith("https://") for model in MODELS.values() if model.link)


@pytest.mark.parametrize("name", MODELS)
def test_scores_of_parts_of_the_catalogue_are_those_of_all(name):
    rng = np.random.default_rng(0)
    histories = rng.integers(0, N_ITEMS, (5, 8)).tolist()
    model = counted(name, histories) if not models.learns(name) else build(name)
    whole = all_scores(model, histories)
    assert whole.shape == (5, N_ITEMS)
    with torch.inference_mode():
        queries = model.queries(untimed(torch.tensor(histories)))
        parts = torch.cat([model.scores(queries, i, i + 10) for i in range(0, N_ITEMS, 10)], 1)
    torch.testing.assert_close(parts, whole)
    with torch.inference_mode():
        ranks = rank(model, queries, torch.tensor([h[-1] for h in histories]))
    assert ((ranks >= 1) & (ranks <= N_ITEMS)).all()


@pytest.mark.parametrize("name", [name for name in MODELS if models.learns(name)])
def test_padding_changes_no_score(name):
    """If padding changed scores, a user's rank would depend on the other users in the batch."""
    model = build(name)
    torch.testing.assert_close(
        all_scores(model, [[N_ITEMS, N_ITEMS, 3, 5, 7]]), all_scores(model, [[3, 5, 7]])
    )


@pytest.mark.parametrize("name", LEFT_TO_RIGHT)
@pytest.mark.parametrize("padding", [0, 3])
def test_a_place_knows_nothing_of_what_comes_after_it(name, padding):
    model = build(name)
    sequence = torch.randint(N_ITEMS, (1, 8))
    sequence[:, :padding] = N_ITEMS
    changed = sequence.clone()
    changed[0, 6] = (changed[0, 6] + 1) % N_ITEMS
    with torch.inference_mode():
        before, after = model.encode(sequence), model.encode(changed)
        alone = model.encode(sequence, last=True)
    torch.testing.assert_close(before[:, padding:6], after[:, padding:6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])
    torch.testing.assert_close(before[:, -1:], alone)


@pytest.mark.parametrize("name", LEFT_TO_RIGHT)
def test_training_asks_at_each_place_what_is_asked_in_the_end(name):
    """After a history, the query in the loss equals the query in the ranking."""
    model = build(name)
    sequence = torch.randint(N_ITEMS, (2, 6))
    sequence[1, :2] = N_ITEMS
    examples = model.examples(untimed(sequence), torch.Generator())
    read, _, targets = examples
    assert targets.tolist()[0] == sequence.tolist()[0][1:]
    assert targets.tolist()[1] == [-1, -1, *sequence.tolist()[1][3:]]
    with torch.inference_mode():
        vectors = model.encode(read)
        for places in range(3, 6):
            asked = model.queries(untimed(read[:, :places])).vectors
            torch.testing.assert_close(vectors[:, places - 1], asked)


@pytest.mark.parametrize("name", ["SASRec", "eSASRec", "HSTU", "GRU4Rec"])
def test_the_loss_is_the_cross_entropy_of_the_scores(name):
    model = build(name)
    sequence = torch.randint(N_ITEMS // 4, (3, 6))  # few items, so that some repeat
    examples = model.examples(untimed(sequence), torch.Generator())
    read, _, targets = examples
    losses = []
    for places in range(1, read.shape[1] + 1):
        scores = all_scores(model, read[:, :places].tolist())
        losses.append(torch.nn.functional.cross_entropy(scores, targets[:, places - 1]))
    torch.testing.assert_close(model(*examples), torch.stack(losses).mean())


@pytest.mark.parametrize("temperature", [0.0, 0.05])
@pytest.mark.parametrize("name", ["BERT4Rec", "SASRec"])
def test_with_a_temperature_a_score_is_a_cosine(name, temperature):
    model = build(name, temperature=temperature, repeats="alike")
    history = untimed(torch.tensor([[3, 5, 7]]))
    with torch.inference_mode():
        vector = model.queries(history).vectors[0]
        items = model.item_embedding.weight[:N_ITEMS]
        expected = items @ vector
        if temperature:
            expected = torch.cosine_similarity(items, vector[None]) / temperature
        expected = expected + model.item_bias.weight[:, 0]
    torch.testing.assert_close(all_scores(model, history.items.tolist())[0], expected)


def test_hstu_is_the_papers():
    """A layer equals the formulas of the paper, place by place. Heads of odd size are allowed."""
    unit = build("HSTU", hidden_size=6, heads=2, layers=1).layers[0].double()
    x = torch.randn(1, 5, 6, dtype=torch.float64)
    place = torch.arange(5)
    distance = place[:, None] - place
    silu = torch.nn.functional.silu

    def norm(vector):
        return (vector - vector.mean()) / (vector.var(correction=0) + 1e-6).sqrt()

    with torch.inference_mode():
        found = unit(x, (distance >= 0)[None], distance)[0]
        for i in range(5):
            gate = silu(unit.gate(norm(x[0, i])))
            parts = []
            for head in (slice(0, 3), slice(3, 6)):
                total = 0.0
                for j in range(i + 1):
                    query, key, value = (
                        silu(linear(norm(x[0, at])))[head]
                        for linear, at in ((unit.query, i), (unit.key, j), (unit.value, j))
                    )
                    total += silu(query @ key + 10 * unit.distance_bias[i - j]) * value
                parts.append(total / (i + 1))
            expected = x[0, i] + unit.projection(norm(torch.cat(parts)) * gate)
            torch.testing.assert_close(found[i], expected)


def test_a_gated_layer_is_ligrs():
    """Each branch is multiplied by the sigmoid of a linear map of the sum before it."""
    model = build("eSASRec", layers=1)
    layer = model.encoder[0]
    x = torch.randn(2, 3, 8)
    everything = torch.ones(1, 3, 3, dtype=torch.bool)
    with torch.inference_mode():
        found = layer(x, everything, None)
        attended, _ = torch.nn.functional.multi_head_attention_forward(
            *[layer.attention_norm(x).transpose(0, 1)] * 3, 8, 1, None,
            torch.cat([layer.query.bias, layer.key.bias, layer.value.bias]), None, None, False, 0.0,
            layer.projection.weight, layer.projection.bias, use_separate_proj_weight=True,
            q_proj_weight=layer.query.weight, k_proj_weight=layer.key.weight,
            v_proj_weight=layer.value.weight, need_weights=False,
        )  # fmt: skip
        x = x + torch.sigmoid(layer.attention_gate(x)) * attended.transpose(0, 1)
        seen = layer.inner_norm(x)
        swish = layer.swish(seen)
        inner = layer.outer(swish * torch.sigmoid(swish) * layer.inner(seen))
        torch.testing.assert_close(found, x + torch.sigmoid(layer.inner_gate(x)) * inner)


@pytest.mark.parametrize("repeats", ["alike", "learned", "frequency"])
@pytest.mark.parametrize("negatives", [1, 7, N_ITEMS, 100])
def test_gbce_is_the_papers(repeats, negatives):
    """The loss equals the formula of the paper on the scores, with the same negatives."""
    model = build("gSASRec", negatives=negatives, calibration=0.75, repeats=repeats)
    sequence = torch.randint(N_ITEMS // 4, (3, 6))  # few items, so that some repeat
    sequence[1, :2] = N_ITEMS
    examples = model.examples(untimed(sequence), torch.Generator())
    read, _, targets = examples
    k = min(negatives, N_ITEMS)
    torch.manual_seed(5)
    parts = [range(part * N_ITEMS // k, (part + 1) * N_ITEMS // k) for part in range(k)]
    draw = torch.rand(3, k)
    alpha, t = min(1, negatives / (N_ITEMS - 1)), 0.75
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    losses = []
    for row, place in (targets >= 0).nonzero().tolist():
        scores = all_scores(model, [read[row, : place + 1].tolist()])[0].double()
        target = int(targets[row, place])
        total = -beta * torch.sigmoid(scores[target]).log()
        for part, chance in zip(parts, draw[row].tolist(), strict=True):
            item = part[int(chance * len(part))]
            if item != target:  # it stands for its part; on average, a part has N_ITEMS / k items
                share = len(part) * k / N_ITEMS
                total -= share * (1 - torch.sigmoid(scores[item])).log()
        losses.append(total)
    torch.manual_seed(5)
    torch.testing.assert_close(model(*examples), torch.stack(losses).mean().float())


def test_gsasrec_without_negatives_is_refused():
    with pytest.raises(ValueError, match="gSASRec needs negatives"):
        build("gSASRec", negatives=0)


def test_popularity_scores_all_histories_alike():
    scores = all_scores(counted("Popularity", [[1, 2, 2], [2, 3]]), [[1], [7]])
    assert scores[0].tolist() == scores[1].tolist()
    assert scores[0, :4].tolist() == [0, 1, 3, 1]


def test_repeat_last_scores_by_how_late_an_item_came():
    scores = all_scores(build("RepeatLast"), [[N_ITEMS, 7, 3, 7, 5], [1, 2, 3, 4, 4]])
    assert scores[0].argsort(descending=True, stable=True)[:3].tolist() == [5, 7, 3]
    assert scores[0].count_nonzero() == 3
    assert scores[1].argmax() == 4


@pytest.mark.parametrize("name", MODELS)
def test_a_model_can_be_stored(name):
    model = build(name) if models.learns(name) else counted(name, [[1, 2, 3], [2, 3, 1]])
    again = build(name)
    for parameter in again.parameters():
        torch.nn.init.zeros_(parameter)
    again.load_state_dict({k: v.clone() for k, v in model.state_dict().items()})
    assert torch.equal(all_scores(again, [[1, 2]]), all_scores(model, [[1, 2]]))
