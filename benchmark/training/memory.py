"""How much memory a trial takes, and how it gives back what it does not need."""

import ctypes
import resource
import sys

import torch


def peak_memory(device: torch.device) -> float:
    """Of the device, or of this process from its start; in MB of 2^20 bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def out_of_memory(error: Exception) -> bool:
    """Whether that is what torch means; on a CPU it has no exception of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def return_free_memory() -> None:
    """Hand freed memory back to the system, where the C library is glibc.

    Batches differ in shape, and glibc keeps the holes that they leave: on ml-1m the process grew by
    10 MB a step within an epoch, and for ever. A fixed mmap threshold would end that too, at twice
    the time per step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
