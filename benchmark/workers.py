"""The processes that share one trial, as `torchrun` starts them; alone, there is one.

torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m

All of them draw the same batches and masks, and each trains on its share of the rows; only the
first tracks, prints and saves.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor


def join(device: torch.device) -> None:
    """Meet the others, where torchrun has started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


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
