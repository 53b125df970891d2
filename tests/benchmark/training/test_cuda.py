"""Training, ranking and resuming on a GPU. Without one these tests are skipped: CI has none."""

from functools import partial

import numpy as np
import pytest
import torch

from benchmark.settings.settings import Settings
from benchmark.training import state
from benchmark.training.evaluation import rank_targets
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from models import build, counted_models
from models.batches import Interactions
from models.networks import scorer
from tests.conftest import one_each

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]

MODELS = ["BERT4Rec", "SASRec", "gSASRec", "eSASRec", "HSTU", "GRU4Rec"]
SMALL = {"dataset": "demo", "hidden_size": 32, "inner_size": 32, "layers": 1, "heads": 2}


@pytest.fixture
def trainer(here):
    spec, sequences = load("demo")

    def make(device: str, **changes) -> Trainer:
        has = Settings.of(model=changes.get("model", "BERT4Rec")).has
        small = {name: value for name, value in SMALL.items() if has(name)}
        wanted = {name: value for name, value in changes.items() if has(name)}
        settings = Settings.of(device=device, **small | wanted)
        return Trainer(settings, sequences, spec.split_of(sequences))

    return make


@pytest.mark.parametrize("history", ["ranked", "masked"])
@pytest.mark.parametrize("model", [*MODELS, *counted_models()])
def test_a_model_ranks_on_a_gpu_as_on_a_cpu(trainer, model, history):
    trial = trainer("cuda", model=model, epochs=1)
    next(trial.epochs())
    valid = trial.split.valid
    on_gpu = rank_targets(trial.averaged, trial.interactions, valid, history)
    cpu = Interactions(*(x.cpu() for x in trial.interactions))
    on_cpu = rank_targets(trial.averaged.cpu(), cpu, valid, history)
    moved = np.abs(on_gpu - on_cpu) / np.minimum(on_gpu, on_cpu)
    assert np.mean(moved > 0.01) < 0.01
    for name, value in one_each(on_cpu).items():
        assert one_each(on_gpu)[name] == pytest.approx(value, abs=2e-3), name


@pytest.mark.parametrize("model", ["SLIM", "SLIST"])
def test_the_weights_of_neighbours_are_solved_on_a_gpu_as_on_a_cpu(model):
    rng = np.random.default_rng(0)
    items = torch.from_numpy(rng.integers(0, 50, 2000))
    users = torch.arange(2000) // 10
    on_cpu, on_gpu = build(model, 50, {}), build(model, 50, {}).cuda()
    on_cpu.count(items, users)
    on_gpu.count(items.cuda(), users.cuda())
    for variant in on_cpu.variants:
        on_cpu.use(**variant)
        on_gpu.use(**variant)
        torch.testing.assert_close(on_gpu.state_dict(), on_cpu.state_dict(), check_device=False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", MODELS)
def test_a_model_learns_on_a_gpu_what_it_learns_on_a_cpu(trainer, model, precision):
    """Dropout is drawn otherwise on a GPU, so that two trials are alike, but not equal."""
    on_cpu = list(trainer("cpu", model=model, epochs=2).epochs())
    on_gpu = list(trainer("cuda", model=model, epochs=2, precision=precision).epochs())
    for cpu, gpu in zip(on_cpu, on_gpu, strict=True):
        assert gpu.train_loss == pytest.approx(cpu.train_loss, rel=0.03)


def test_a_graph_computes_what_its_operations_compute_one_by_one(trainer):
    """Dropout too: a graph draws the numbers that its operations would draw."""
    graphs = trainer("cuda", epochs=3)
    assert graphs.step.graphs is not None
    eager = trainer("cuda", epochs=3)
    eager.step.graphs = None
    found = [epoch.train_loss for epoch in graphs.epochs()]
    assert graphs.step.graphs.recorded
    assert found == pytest.approx([epoch.train_loss for epoch in eager.epochs()], rel=1e-3)


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_restored_trial_goes_on_as_if_it_had_not_stopped(trainer, monkeypatch, model, by_rows):
    """Sums on a GPU have no fixed order: the same trial twice is nearly equal, not bit for bit."""
    make = partial(trainer, "cuda", model=model, epochs=3)
    if by_rows:
        monkeypatch.setattr(scorer, "BY_ROWS_ABOVE", 100)
        make = partial(make, negatives=64)
    whole = [epoch.train_loss for epoch in make().epochs()]
    stopped = make()
    assert next(stopped.epochs()).train_loss == pytest.approx(whole[0], rel=1e-3)
    tensors, values = state.capture(stopped)
    tensors = {key: tensor.cpu().clone() for key, tensor in tensors.items()}
    torch.manual_seed(99)
    torch.cuda.manual_seed(99)
    resumed = make()
    state.restore(resumed, tensors, values)
    assert [epoch.train_loss for epoch in resumed.epochs()] == pytest.approx(whole[1:], rel=1e-3)


def test_the_peak_memory_is_that_of_the_trial_alone(trainer):
    small = trainer("cuda", epochs=1)
    next(small.epochs())
    alone = small.pruned_result().peak_memory_mb
    del small
    large = trainer("cuda", epochs=1, hidden_size=256, inner_size=1024, layers=4)
    next(large.epochs())
    assert large.pruned_result().peak_memory_mb > 2 * alone
    del large
    again = trainer("cuda", epochs=1)
    next(again.epochs())
    assert again.pruned_result().peak_memory_mb < 1.5 * alone
