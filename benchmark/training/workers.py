"""The processes that share one trial, as `torchrun` starts them. Without torchrun there is one.

torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m

All of them draw the same batches and masks, and each trains on its share of the rows. Without
dropout and sampled negatives the result is that of one process, up to rounding. Each process draws
its own dropout and negatives, and the result is repeatable with the same number of processes. Only
the first tracks, prints and saves.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from models.model import Examples

T = TypeVar("T")


def join() -> None:
    """Join the group of processes, if torchrun has started this one. Comes before all below."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def number() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def number_on_machine() -> int:
    """This process's number among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if dist.is_initialized() else 0


def size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def from_first(make: Callable[[], T]) -> T:
    """What ``make`` returns in the first process, in all processes."""
    made: list[T | None] = [make() if number() == 0 else None]
    if size() > 1:
        dist.broadcast_object_list(made, device=torch.device("cpu"))
    return made[0]  # type: ignore[return-value]  # T may itself be optional


def total(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if size() > 1:
        dist.all_reduce(values)
    return values


def share(examples: Examples) -> tuple[Examples, Tensor | float]:
    """This process's rows of a batch, and the weight of its loss in the mean over processes.

    The mean is over the batch's targets, of which processes may have different numbers.
    """
    if size() == 1:
        return examples, 1.0
    idle = number() >= len(examples.targets)
    # An idle process takes part with one row, whose loss has no weight.
    mine = examples.rows(slice(0, 1) if idle else slice(number(), None, size()))
    wanted = (mine.targets >= 0).sum() * (not idle)
    # A batch of one-item windows has no target; its loss is 0.
    return mine, wanted * size() / (examples.targets >= 0).sum().clamp(min=1)
