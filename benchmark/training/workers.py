"""The processes that share one trial, as `torchrun` starts them; alone, there is one.

torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m

All of them draw the same batches and masks, and each trains on its share of the rows; only the
first tracks, prints and saves.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def join() -> None:
    """Meet the others, where torchrun has started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them."""
    made = [make() if rank() == 0 else None]
    if size() > 1:
        dist.broadcast_object_list(made, device=torch.device("cpu"))
    return made[0]


def rank() -> int:
    """Of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Of this process among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def total(values: Tensor) -> Tensor:
    """The sum over all processes of a tensor that each of them has."""
    if size() > 1:
        dist.all_reduce(values)
    return values
