"""The state of a trial between two steps: all that it needs to resume as if it had not stopped."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmark.training.checkpoint import State
from benchmark.training.memory import out_of_memory
from benchmark.training.trainer import Trainer, TrainingError

COUNTERS = ("batch", "seconds", "epoch_seconds")
"""The attributes of a Trainer that are JSON values."""
COURSE_FIELDS = ("epoch", "best_epoch", "best_valid")
"""Those of its course."""
NEWER_COURSE_FIELDS = ("fallen", "trained", "best_variant")
"""Those of its course that states of version 0.4 lack."""


def capture(trainer: Trainer) -> State:
    """The tensors, which share memory with the trainer's, and the JSON values."""
    tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    tensors |= {f"averaged.{k}": v for k, v in trainer.averaged.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in trainer.best_weights.items()}
    tensors |= {f"averaging.{k}": v for k, v in trainer.step.averaging.state().items()}
    tensors |= {f"optimizer.{k}": v for k, v in trainer.step.optimizers.state().items()}
    tensors["loss_sum"] = trainer.loss_sum
    tensors |= {f"random.{k}": v for k, v in trainer.randomness.state().items()}
    values = {name: getattr(trainer, name) for name in COUNTERS} | {"steps": trainer.step.number}
    values |= {name: getattr(trainer.course, name) for name in COURSE_FIELDS + NEWER_COURSE_FIELDS}
    return tensors, values | {"counted": trainer.counted, "energy": trainer.energy.stored()}


def restore(trainer: Trainer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Continue from a captured state; its tensors may come from another device.

    Raises TrainingError if it is of another model or another version of seqrec.
    """
    try:
        _restore(trainer, tensors, values)
    except (KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, RuntimeError) and out_of_memory(error):
            raise TrainingError(f"out of memory on {trainer.device}: try a smaller model") from None
        reason = str(error).splitlines()[0]
        raise TrainingError(f"the checkpoint does not fit this trial: {reason}") from None


def _restore(trainer: Trainer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

    trainer.model.load_state_dict(part("model."))
    trainer.averaged.load_state_dict(part("averaged."))
    trainer.best_weights = {k: v.to(trainer.device) for k, v in part("best.").items()}
    trainer.step.averaging.restore(part("averaging."))
    trainer.step.optimizers.restore(part("optimizer."))
    trainer.loss_sum = tensors["loss_sum"].to(trainer.device)
    trainer.randomness.restore(part("random."))
    for name in COUNTERS:
        setattr(trainer, name, values[name])
    trainer.step.number = values["steps"]
    # A counted model counts again. States before version 0.15 were kept after a learned one had.
    trainer.counted = trainer.learns and values.get("counted", True)
    course = trainer.course
    for name in COURSE_FIELDS:
        setattr(course, name, values[name])
    for name in NEWER_COURSE_FIELDS:
        setattr(course, name, values.get(name, getattr(course, name)))
    trainer.energy.resume(values.get("energy"))
    if "trained" not in values and course.epoch:
        course.pace()
