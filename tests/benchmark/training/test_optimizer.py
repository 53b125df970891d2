"""The parameters that each optimizer updates, and the size of its steps."""

import math

import pytest
import torch
from torch import nn

from benchmark.settings.settings import Settings
from benchmark.training.averaging import RunningMean
from benchmark.training.optimizer import Muon, Optimizers


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.linear = nn.Embedding(5, 4), nn.Linear(4, 8)


def test_muon_moves_a_matrix_in_all_its_directions_alike():
    """The first step is approximately the orthogonal matrix nearest to the gradient."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(*shape)) for shape in ((6, 6), (6, 6), (12, 4), (4, 12))]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    muon = Muon(weights)
    muon.param_groups[0]["lr"] = 0.1
    muon.step()
    for weight in weights:
        u, _, v = torch.linalg.svd(weight.grad, full_matrices=False)
        scale = 0.1 * max(1, weight.shape[0] / weight.shape[1]) ** 0.5
        moved = torch.linalg.svdvals(weight.detach()) / scale
        assert moved.min() > 0.3  # five iterations bring singular values only near 1
        assert moved.max() < 1.3
        assert ((u @ v) * weight.detach()).sum() < -0.7 * scale * min(weight.shape)


def test_muon_has_the_matrices_and_adam_the_rest():
    settings = Settings.of(learning_rate=0.01, muon_ratio=3, warmup_steps=0, schedule="constant")
    both = Optimizers(Model(), settings, 10)
    model = Model()
    alone = Optimizers(model, Settings.of(muon_ratio=0), 10)
    assert [len(o.param_groups[0]["params"]) for o in both.all] == [2, 1]
    assert [len(o.param_groups[0]["params"]) for o in alone.all] == [3]
    assert both.rates == [0.01, 0.03]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_step_size_rises_and_falls(schedule):
    settings = Settings.of(warmup_steps=4, epochs=2, schedule=schedule)
    optimizers = Optimizers(Model(), settings, 50)
    found = [optimizers.schedule(step) for step in (1, 2, 4, 50, 100)]
    fall = [
        1 if schedule == "constant" else (1 + math.cos(math.pi * step / 100)) / 2
        for step in (1, 2, 4, 50, 100)
    ]
    assert found == pytest.approx([0.25 * fall[0], 0.5 * fall[1], *fall[2:]])


def test_rows_that_wait_come_out_as_if_all_rows_moved_in_every_step():
    """Row-wise Adam and the running mean, compared with their formulas on the whole table.

    Both update only the rows of a step; the running mean of other rows catches up later. Row-wise
    Adam has no first moment, and its second moment is one number for each row.
    """
    torch.manual_seed(0)
    model = nn.ModuleDict({"table": nn.Embedding(7, 4, sparse=True), "linear": nn.Linear(4, 1)})
    settings = Settings.of(learning_rate=0.01, muon_ratio=0, warmup_steps=0, schedule="constant")
    optimizers, averaging = Optimizers(model, settings, 10), RunningMean(model, 0.9)
    weight = model["table"].weight
    expected, mean, square = weight.detach().clone(), weight.detach().clone(), torch.zeros(7)
    for number in range(1, 41):
        rows = torch.randint(6, (3,))  # some occur twice, some rarely, the last one never
        optimizers.zero_grad()
        model["linear"](model["table"](rows)).square().sum().backward()
        gradient = weight.grad.to_dense()
        averaging.before_step()
        optimizers.begin_step(number)
        optimizers.step()
        averaging.after_step(number)
        square = 0.999 * square + 0.001 * gradient.square().mean(1)
        length = (square / (1 - 0.999**number)).sqrt() + 1e-8
        expected -= 0.01 * gradient / length[:, None]
        decay = min(0.9, (1 + number) / (10 + number))
        mean = decay * mean + (1 - decay) * expected
        torch.testing.assert_close(weight.detach(), expected)
        if number % 10 == 0:
            averaging.catch_up()
            torch.testing.assert_close(averaging.model["table"].weight.detach(), mean)


def test_a_table_that_is_trained_by_rows_is_left_to_its_own_optimizer():
    model = nn.ModuleDict({"table": nn.Embedding(7, 4, sparse=True), "linear": nn.Linear(4, 1)})
    kinds = {
        type(optimizer).__name__: optimizer for optimizer in Optimizers(model, Settings.of(), 1).all
    }
    assert {name: len(o.param_groups[0]["params"]) for name, o in kinds.items()} == {
        "Adam": 1,
        "Muon": 1,
        "RowAdam": 1,
    }
