"""What a trial takes on this machine, before it is trained."""

from dataclasses import dataclass

import numpy as np

from benchmark.training.defaults import n_pairs
from benchmark.training.graphs import EAGER_STEPS
from benchmark.training.measurement import Clock, Steps, peak_flops
from benchmark.training.memory import peak_memory
from benchmark.training.trainer import Trainer
from models.blend import Blend
from models.counted import Counted
from models.ranking import USERS_PER_CHUNK

PATIENCES = 10  # on five data sets, training took 3 to 11 times the patience
ESTIMATED_STEPS = 5
ANNOUNCED_OPERATIONS = 1e12


@dataclass(frozen=True)
class Estimate:
    """What a trial takes on this machine, from a few of its steps and a batch of its ranking."""

    epoch_seconds: float
    """Of an epoch with its evaluation."""
    least_seconds: float
    """Of a trial that early stopping ends as soon as it can."""
    most_seconds: float
    """Of a trial that takes ``PATIENCES`` times the patience, or all epochs if they are fewer."""
    memory_mb: float
    """In units of 2^20 bytes, as in ``training.memory.peak_memory``."""


def estimate(trainer: Trainer) -> Estimate:
    """What a whole trial takes. The trainer's model has to be a learned one, and is trained."""
    clock = Clock(trainer.device)
    steps = Steps(trainer, ESTIMATED_STEPS)
    started = clock.now()
    steps.run()
    first = clock.now() - started
    for _ in range(EAGER_STEPS if trainer.device.type == "cuda" else 0):
        steps.run()
    started = clock.now()
    steps.run()
    step = (clock.now() - started) / steps.count
    # What is computed once before the first step: the weights of a linear model beside a network.
    start = max(0.0, first - step * steps.count)
    ranking = _ranking(trainer, clock)
    epoch = step * len(trainer.batches) + ranking
    settings = trainer.settings
    most = min(settings.epochs, PATIENCES * settings.patience)
    waits = 2 if settings.schedule == "plateau" else 1  # until the learning rate falls, and after
    least = min(most, waits * settings.patience + 1)
    tried = ranking
    if variants := trainer.model.variants:
        trainer.averaged.use(**variants[-1])  # with the part of a linear model in the scores
        tried = _ranking(trainer, clock)
    # After training: the variants, and validation and test by the best one.
    once = start + (len(variants) + 2) * tried
    return Estimate(epoch, least * epoch + once, most * epoch + once, peak_memory(trainer.device))


def _ranking(trainer: Trainer, clock: Clock) -> float:
    """Seconds of a ranking of all validation users, from a batch of them."""
    valid = trainer.split.valid
    some = valid.chosen(np.arange(min(USERS_PER_CHUNK, len(valid.users))))
    started = clock.now()
    trainer.ranks(some)
    return (clock.now() - started) * len(valid.users) / len(some.users)


def announcement(trainer: Trainer) -> str | None:
    """One line about the memory and the time of a linear model that solves large systems, alone or
    beside a network.

    None if there is none, or if it takes no more than seconds.
    """
    if not isinstance(trainer.model, Counted | Blend):
        return None
    cost = trainer.model.cost(n_pairs(trainer.split))
    if cost is None or cost.operations * cost.solutions < ANNOUNCED_OPERATIONS:
        return None
    rate = peak_flops(trainer.device, "fp32")
    each = f"each of its {cost.solutions} solutions" if cost.solutions > 1 else "its solution"
    name = cost.model or trainer.settings.model_name
    return (
        f"{name} holds {cost.memory / 1e9:.1f} GB of matrices; {each} "
        f"takes {cost.operations / 1e12:.1f} TFLOP, about "
        f"{cost.operations / rate:.0f} s at {rate / 1e9:,.0f} GFLOP/s; "
        "counting and ranking add to it"
    )
