"""How much memory a trial takes, and how it returns memory that it does not need."""

import ctypes
import resource
import sys

import torch


def peak_memory(device: torch.device) -> float:
    """The peak of a CUDA device, or of this process since its start, in units of 2^20 bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def reset_peak(device: torch.device) -> None:
    """Begin a trial: the peak of a CUDA device is measured from here on."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what earlier trials of this process left
        torch.cuda.reset_peak_memory_stats(device)


def out_of_memory(error: Exception) -> bool:
    """Whether the error says that torch ran out of memory. On a CPU torch has no exception of its
    own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def return_free_memory() -> None:
    """Return freed memory to the system, where the C library is glibc.

    Batches differ in shape, and glibc keeps the holes between them: on ml-1m the process grew by
    10 MB a step without end. A fixed mmap threshold would prevent that, too, at twice the time per
    step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
