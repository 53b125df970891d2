"""The training loop without MLflow."""

import itertools
import math
import subprocess
import sys
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import torch

from benchmark.settings.settings import Settings
from benchmark.training import estimate, state
from benchmark.training.device import DeviceError, resolve_device
from benchmark.training.evaluation import rank_targets
from benchmark.training.trainer import Trainer, TrainingError
from datasets.prepare import load
from models import MODELS
from models.blend import VARIANTS
from models.networks import scorer
from tests.conftest import ROOT, one_each

TINY = {
    "dataset": "demo",
    "hidden_size": 8,
    "inner_size": 8,
    "layers": 1,
    "heads": 1,
    "embeddings": "random",
    "blend": "none",
}


@pytest.fixture
def trainer(here):
    spec, sequences = load("demo")

    def make(**changes) -> Trainer:
        return Trainer(Settings.of(**TINY | changes), sequences, spec.split_of(sequences))

    return make


def losses(trainer, stop=None):
    return [epoch.train_loss for epoch in itertools.islice(trainer.epochs(), stop)]


def test_items_of_the_data_set_are_not_copied(trainer):
    of_trial = trainer()
    items, baskets = of_trial.interactions
    assert np.shares_memory(items.numpy(), of_trial.sequences.items)
    assert baskets.element_size() == 4


@pytest.mark.process
def test_a_seed_repeats_bit_for_bit_and_another_does_not(trainer):
    # One trial after the other: dropout draws from torch's global generator, which they share.
    first = trainer(epochs=2)
    of_first = losses(first)
    again = trainer(epochs=2)
    assert losses(again) == of_first
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name
    assert first.course.best_valid == again.course.best_valid
    assert losses(trainer(epochs=1, seed=2)) != of_first[:1]


@pytest.mark.process
@pytest.mark.parametrize("by_rows", [False, True])
def test_a_restored_trial_goes_on_as_if_it_had_not_stopped(trainer, monkeypatch, by_rows):
    if by_rows:
        monkeypatch.setattr(scorer, "BY_ROWS_ABOVE", 100)
        trainer = partial(trainer, negatives=64)
    whole = trainer(epochs=3)
    assert whole.model.item_embedding.sparse == by_rows
    expected = losses(whole)
    stopped = trainer(epochs=3)
    assert losses(stopped, 1) == expected[:1]
    tensors, values = state.capture(stopped)
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    torch.manual_seed(99)
    resumed = trainer(epochs=3)
    state.restore(resumed, tensors, values)
    assert losses(resumed) == expected[1:]
    for part in ("valid", "test"):
        assert np.array_equal(resumed.final_ranks()[part], whole.final_ranks()[part])


@pytest.mark.parametrize("stop_in", ["linear systems", "epoch 1"])
def test_a_trial_that_is_stopped_before_its_first_step_starts_its_embeddings_once(trainer, stop_in):
    class Stopped(Exception):
        pass

    def stop(steps, desc, **kwargs):
        if desc == stop_in:
            raise Stopped
        return steps

    linear = {"embeddings": "slist", "blend": "slist", "epochs": 1}
    expected = losses(trainer(**linear))
    stopped = trainer(**linear)
    stopped.bar = stop
    with pytest.raises(Stopped):
        stopped.train_epoch()
    resumed = trainer(**linear)
    state.restore(resumed, *state.capture(stopped))
    assert losses(resumed) == expected


def test_a_state_of_before_0_15_has_started_its_embeddings(trainer, monkeypatch):
    """States of these versions do not say so; none was kept before the start."""
    counted = trainer(embeddings="slist", epochs=1)
    counted._count(counted.model)
    tensors, values = state.capture(counted)
    del values["counted"]
    resumed = trainer(embeddings="slist", epochs=1)
    state.restore(resumed, tensors, values)
    assert torch.equal(resumed.model.items(), counted.model.items())
    monkeypatch.setattr(resumed.model, "count", lambda *args: pytest.fail("counted once more"))
    resumed.train_epoch()


@pytest.mark.parametrize("model", ["EASE", "SLIM"])
def test_a_restored_trial_of_a_solved_model_solves_the_next_ridge(here, monkeypatch, model):
    ridges = ({"ridge": 20.0, "decay": 1.0}, {"ridge": 100.0, "decay": 0.5})
    monkeypatch.setattr(MODELS[model], "variants", ridges)
    spec, sequences = load("demo")
    settings = Settings.of(dataset="demo", model=model)
    whole, stopped, resumed = (
        Trainer(settings, sequences, spec.split_of(sequences)) for _ in range(3)
    )
    expected = [epoch.valid for epoch in whole.epochs()]
    next(stopped.epochs())
    state.restore(resumed, *state.capture(stopped))
    assert [epoch.valid for epoch in resumed.epochs()] == expected[1:]
    assert np.array_equal(resumed.final_ranks()["test"], whole.final_ranks()["test"])


@pytest.mark.parametrize(("model", "memory", "time"), [("EASE", "2.3 GB", "2.3 TFLOP, about 23 s")])
def test_a_large_solution_is_announced(here, monkeypatch, model, memory, time):
    spec, sequences = load("demo")
    trial = Trainer(Settings.of(dataset="demo", model=model), sequences, spec.split_of(sequences))
    assert estimate.announcement(trial) is None
    trial.model.n_items = 12_000
    monkeypatch.setattr(estimate, "peak_flops", lambda device, precision: 1e11)
    line = (
        "EASE holds 2.3 GB of matrices; each of its 4 solutions takes 2.3 TFLOP, about 23 s at 100 "
        "GFLOP/s;"
    )
    assert estimate.announcement(trial).startswith(line)


def test_large_systems_beside_a_network_are_announced_too(trainer, monkeypatch):
    monkeypatch.setattr(estimate, "peak_flops", lambda device, precision: 1e11)
    monkeypatch.setattr(estimate, "ANNOUNCED_OPERATIONS", 1e6)
    assert estimate.announcement(trainer()) is None
    line = estimate.announcement(trainer(embeddings="slist", blend="slist"))
    assert line.startswith("SLIST holds 0.0 GB of matrices; its solution takes ")


@pytest.mark.process
@pytest.mark.parametrize("model", ["BERT4Rec", "gSASRec"])  # two different losses
def test_a_catalogue_that_is_trained_by_rows_is_learned_as_well(trainer, monkeypatch, model):
    alike = {"negatives": 64, "epochs": 2, "learning_rate": 0.01, "warmup_steps": 0}
    *_, whole = trainer(model=model, **alike).epochs()
    monkeypatch.setattr(scorer, "BY_ROWS_ABOVE", 100)
    trial = trainer(model=model, **alike)
    assert type(trial.step.optimizers.all[-1]).__name__ == "RowAdam"
    first, second = trial.epochs()
    assert second.train_loss < first.train_loss
    assert second.train_loss == pytest.approx(whole.train_loss, rel=0.05)


def test_a_state_of_another_model_is_refused(trainer):
    tensors, values = state.capture(trainer(hidden_size=4))
    with pytest.raises(TrainingError, match="the checkpoint does not fit this trial"):
        state.restore(trainer(), tensors, values)
    with pytest.raises(TrainingError, match="the checkpoint does not fit this trial"):
        state.restore(trainer(), {}, values)


@pytest.mark.process
def test_it_stops_when_patience_is_used_up_and_keeps_the_best(trainer):
    """The learning rate is too small to change a rank, so epoch 1 stays the best."""
    stuck = trainer(learning_rate=1e-12, patience=3, epochs=50, schedule="constant")
    epochs = list(stuck.epochs())
    assert [epoch.improved for epoch in epochs] == [True, False, False, False]
    assert stuck.course.best_epoch == 1
    assert stuck.course.best_valid == epochs[0].valid


@pytest.mark.process
def test_on_a_plateau_the_learning_rate_falls_before_training_stops(trainer):
    stuck = trainer(learning_rate=1e-12, patience=2, epochs=50, schedule="plateau", warmup_steps=0)
    rates = []
    for _ in stuck.epochs():
        rates.append(stuck.step.optimizers.all[0].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-12] * 3 + [0.25e-12] * 2)
    assert (stuck.course.best_epoch, stuck.course.fallen, stuck.course.trained) == (1, 3, 5)


@pytest.mark.process
def test_variants_are_tried_on_the_best_epoch_and_resume_where_they_stopped(trainer):
    """The learning rate is too small to change a rank, so epoch 1 stays the best of training."""
    blended = {"embeddings": "slist", "blend": "slist", "learning_rate": 1e-12, "epochs": 2}
    whole = trainer(**blended)
    epochs = list(whole.epochs())
    assert [bool(epoch.variant) for epoch in epochs] == [False] * 2 + [True] * len(VARIANTS)
    assert [epoch.variant for epoch in epochs[2:]] == [*VARIANTS]
    result = whole.result()
    assert (result.best_epoch, result.last_epoch) == (1, 2)
    scores = [epoch.valid["ndcg@10"] for epoch in epochs]
    assert max(scores[2:]) > scores[0] == scores[1]
    assert result.variant == epochs[scores.index(max(scores))].variant
    assert result.metrics["best_valid"]["ndcg@10"] == max(scores)

    stopped = trainer(**blended)
    list(itertools.islice(stopped.epochs(), 4))
    tensors, values = state.capture(stopped)
    resumed = trainer(**blended)
    state.restore(resumed, {k: v.clone() for k, v in tensors.items()}, values)
    assert [epoch.valid for epoch in resumed.epochs()] == [epoch.valid for epoch in epochs[4:]]
    again = resumed.result()
    assert again.variant == result.variant
    assert again.metrics == result.metrics
    assert again.lists["test"].equals(result.lists["test"])


@pytest.mark.process
def test_a_state_of_a_version_without_variants_ends_where_it_would_have_ended(trainer):
    done = trainer(epochs=2, schedule="constant")
    list(done.epochs())
    tensors, values = state.capture(done)
    earlier = {k: v for k, v in values.items() if k not in state.NEWER_COURSE_FIELDS}
    resumed = trainer(epochs=2, schedule="constant")
    state.restore(resumed, tensors, earlier)
    assert resumed.course.finished


def test_the_weights_that_are_evaluated_are_a_running_mean_of_the_models(trainer):
    decay = 0.9
    done = trainer(epochs=1, ema_decay=decay)
    seen = []
    step = done.step.optimizers.step
    done.step.optimizers.step = lambda: (
        step(),
        seen.append(done.model.item_bias.weight.detach().clone()),
    )
    mean = done.averaged.item_bias.weight.detach().clone()
    list(done.epochs())
    for count, weights in enumerate(seen, start=1):
        keep = min(decay, (1 + count) / (10 + count))
        mean = keep * mean + (1 - keep) * weights
    torch.testing.assert_close(done.averaged.item_bias.weight.detach(), mean)
    plain = trainer(epochs=1, ema_decay=0.0)
    list(plain.epochs())
    assert torch.equal(plain.averaged.item_bias.weight, plain.model.item_bias.weight)


def test_the_best_weights_are_the_ones_that_are_tested(trainer):
    """Worse weights after the best epoch must not reach the final ranks."""
    done = trainer(epochs=2)
    list(done.epochs())
    best = dict(done.best_weights)
    with torch.no_grad():
        for parameter in [*done.model.parameters(), *done.averaged.parameters()]:
            parameter.normal_()
    ranks = done.final_ranks()
    assert one_each(ranks["valid"]) == done.course.best_valid
    done.model.load_state_dict(best)
    test = rank_targets(done.model, done.interactions, done.split.test)
    assert np.array_equal(ranks["test"], test)


@pytest.mark.process
def test_it_learns_what_popularity_cannot_know(trainer):
    """A few epochs at the default size double the ndcg@10 of popularity on the same targets."""
    size = {f.name: f.default for f in fields(Settings) if f.name in TINY}
    learner = trainer(**size | {"dataset": "demo"}, epochs=7, batch_size=32)
    list(learner.epochs())
    ranges = zip(learner.split.train_starts, learner.split.train_ends, strict=True)
    items = learner.interactions.items.numpy()
    train = np.concatenate([items[start:end] for start, end in ranges])
    counts = np.bincount(train, minlength=learner.model.n_items)
    targets = items[learner.split.valid.positions]
    popularity = one_each((counts >= counts[targets][:, None]).sum(axis=1))
    assert learner.course.best_valid["ndcg@10"] > 2 * popularity["ndcg@10"]


def test_a_loss_that_is_no_number_stops_with_epoch_and_learning_rate(trainer, monkeypatch):
    broken = trainer(learning_rate=0.5)
    monkeypatch.setattr(
        broken.model,
        "forward",
        lambda *_: sum(p.sum() for p in broken.model.parameters()) * math.nan,
    )
    with pytest.raises(TrainingError, match=r"nan in epoch 1 with learning_rate 0.5"):
        list(broken.epochs())


def test_bf16_trains_and_ranks_in_fp32(trainer):
    half = trainer(precision="bf16", epochs=1)
    assert math.isfinite(losses(half)[0])
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(DeviceError, match="device 'cuda:77' cannot be used here"):
        resolve_device("cuda:77")
    with pytest.raises(DeviceError, match="device 'abacus' cannot be used here"):
        resolve_device("abacus")


@pytest.mark.process
def test_it_runs_with_torch_numpy_and_pandas_alone():
    """Training speed can be measured on a GPU machine without MLflow."""
    code = (
        "import sys\n"
        "for name in ('mlflow', 'click', 'tabulate', 'safetensors', 'yaml', 'requests', 'tqdm'):\n"
        "    sys.modules[name] = None\n"
        "import benchmark.training.measurement\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
