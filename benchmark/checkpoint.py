"""Checkpoints as safetensors files: tensors and JSON, nothing that runs when it is loaded."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from benchmark.errors import UserError


class CheckpointError(UserError):
    """A checkpoint cannot be read. The message says which, and why."""


def save(path: Path, tensors: dict[str, torch.Tensor], values: dict) -> None:
    """Write both under another name, synced, and rename: the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    on_cpu = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    save_file(on_cpu, part, metadata={"values": json.dumps(values)})
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    os.replace(part, path)


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """The tensors (on the CPU) and values of a saved checkpoint. Raises CheckpointError."""
    try:
        with safe_open(path, framework="pt") as stored:
            values = json.loads(stored.metadata()["values"])
            return {key: stored.get_tensor(key) for key in list(stored.keys())}, values
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this suite: {error}") from None
