"""Checkpoints as safetensors files: tensors and JSON, nothing that runs when it is loaded."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from benchmark.errors import UserError
from datasets.files import replacing

State = tuple[dict[str, torch.Tensor], dict[str, Any]]
"""Tensors by name, and JSON values by name."""


class CheckpointError(UserError):
    """A checkpoint cannot be read. The message says which, and why."""


def save(path: Path, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all (``replacing``).

    ``values`` are JSON. Raises OSError, and leaves nothing, if the disk has no room.
    """
    on_cpu = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    text = json.dumps(values)
    try:
        with replacing(path) as part:
            save_file(on_cpu, part, metadata={"values": text, "digest": _digest(on_cpu, text)})
    except (OSError, SafetensorError) as error:
        raise OSError(f"cannot be written: {error}") from None


def load(path: Path) -> State:
    """The tensors, on the CPU, and the values of a checkpoint.

    Raises CheckpointError if the file is not there, or differs in one bit from what was saved.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata()
            tensors = {key: stored.get_tensor(key) for key in list(stored.keys())}
        if about["digest"] != _digest(tensors, about["values"]):
            raise ValueError("its checksum is wrong")
        return tensors, json.loads(about["values"])
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of seqrec: {error}") from None


def _digest(tensors: Mapping[str, torch.Tensor], values: str) -> str:
    """SHA-256 of the whole content of a checkpoint."""
    sha = hashlib.sha256(values.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        sha.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
