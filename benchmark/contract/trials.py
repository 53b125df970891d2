"""Checks of whole trials: construction, training, saved weights and saved state."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.contract.subject import N_ITEMS, Broken, Subject, check_same, run
from benchmark.training import checkpoint, state
from benchmark.training.trainer import Trainer
from models.model import LearnedModel


class _Stopped(Exception):
    """A trial was interrupted between two steps."""


def attributes(subject: Subject) -> None:
    """The constructor sets the integers that the trainer reads."""
    model = subject.build()
    wanted = {"n_items": 1, "max_length": 1, "memory": 0}
    if isinstance(model, LearnedModel):
        wanted["window"] = 1
    for name, least in wanted.items():
        value = getattr(model, name, None)  # a constructor may have left it out
        if not isinstance(value, int) or value < least:
            raise Broken(
                f"{name} is {value!r} after construction: it should be an integer >= {least}"
            )
    if model.n_items != N_ITEMS:
        raise Broken(f"n_items is {model.n_items}: the constructor was given {N_ITEMS}")


def trains(subject: Subject) -> None:
    """A whole trial, with its rankings."""
    _ = subject.trained


def weights(subject: Subject) -> None:
    """A new model with the saved weights scores as the trained one."""
    trained = subject.trained.averaged
    histories = subject.histories(subject.longest)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        checkpoint.save(path, dict(trained.state_dict()), {})
        fresh = subject.build()
        fresh.load_state_dict(checkpoint.load(path)[0])
    fresh.eval()
    with torch.inference_mode():
        found, expected = (m.scores(m.queries(histories), 0, N_ITEMS) for m in (fresh, trained))
    check_same(
        found,
        expected,
        "a new model with the saved weights scores otherwise: all that is learned or counted "
        "should be in parameters and buffers",
    )


def determinism(subject: Subject) -> None:
    """Two trials with the same seed have the same weights and ranks."""
    again = subject.trainer()
    run(again)
    _check_equal(
        again,
        subject.trained,
        "two trials with the same seed differ: all random numbers "
        "should come from torch, or from `generator`",
    )


def resume(subject: Subject) -> None:
    """A trial that is interrupted after three steps and resumed ends as an uninterrupted one."""
    trainer = subject.trainer(_stopping_bar(3))
    with suppress(_Stopped):
        for _ in trainer.epochs():
            if not trainer.learns:
                break
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.safetensors")
        checkpoint.save(path, *state.capture(trainer))
        resumed = subject.trainer()
        state.restore(resumed, *checkpoint.load(path))
    run(resumed)
    _check_equal(
        resumed,
        subject.trained,
        "a trial that is interrupted and resumed gives another "
        "result: all state should be in parameters and buffers",
    )


def _stopping_bar(steps: int) -> Any:
    """A bar that interrupts training after that many steps; rankings pass."""

    def bar(batches: Iterable[Any], *, total: int, desc: str, initial: int = 0) -> Iterator[Any]:
        for number, batch in enumerate(batches):
            if number == steps and desc.startswith("epoch"):
                raise _Stopped
            yield batch

    return bar


def _check_equal(found: Trainer, expected: Trainer, what: str) -> None:
    """Raises Broken unless two trials have the same weights and ranks, to the last bit."""
    for name, tensor in expected.best_weights.items():
        if name not in found.best_weights or not torch.equal(found.best_weights[name], tensor):
            raise Broken(f"{what} ({name} differs)")
    ranks = zip(found.final_ranks().values(), expected.final_ranks().values(), strict=True)
    if not all(np.array_equal(one, other) for one, other in ranks):
        raise Broken(f"{what} (ranks differ)")
