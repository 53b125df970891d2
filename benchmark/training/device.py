"""The device that a trial trains on."""

import platform
import socket

import torch

from benchmark.errors import UserError
from benchmark.training import workers
from benchmark.training.results import Machine


class DeviceError(UserError):
    """This machine does not have the device."""


def resolve_device(name: str) -> torch.device:
    """The device ``name``: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.

    Raises DeviceError if this machine does not have it.
    """
    if name == "auto":
        name = f"cuda:{workers.number_on_machine()}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
        # cuDNN plans attention anew for each shape, a tenth of a second each.
        torch.backends.cuda.enable_cudnn_sdp(False)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device {name!r} cannot be used here: {reason}") from None
    return device


def describe(device: torch.device) -> Machine:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"CPU ({platform.machine()}), threads: {torch.get_num_threads()}"
    return Machine(socket.gethostname(), name)
