"""How much memory a trial takes."""

import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

from datasets.coding.memory import return_freed

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # written to CLEAR_REFS: the peak of this process is what it holds now


def peak_memory(device: torch.device) -> float:
    """The peak of a CUDA device, or of this process, since ``reset_peak``, in units of 2^20 bytes.

    Where Linux does not allow the reset, and on other systems, the process's peak is that since its
    start.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10  # "VmHWM:  504012 kB"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def reset_peak(device: torch.device) -> None:
    """Begin a trial: its peak is measured from here on, and what earlier trials left is freed."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return_freed()
    with suppress(OSError):  # not Linux, or a container that does not allow it
        CLEAR_REFS.write_text(RESET_PEAK)


def out_of_memory(error: Exception) -> bool:
    """Whether the error says that torch ran out of memory. On a CPU torch has no exception of its
    own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
