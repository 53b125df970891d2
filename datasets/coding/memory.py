"""How much memory the rows of a data set may take, and how freed memory goes back to the system."""

import ctypes
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from datasets.errors import DataError, quoted

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
VARIABLE = "SEQREC_MEMORY_GB"
SHARE = 0.4  # of the free memory, which also holds ids, and rows while they are sorted


def at_hand() -> int:
    """The bytes that rows may take: a share of the free memory, or of $SEQREC_MEMORY_GB if this is
    less. Raises DataError for a value that is no positive number."""
    free = psutil.virtual_memory().available
    for path in LIMITS:
        if path.exists() and (limit := path.read_text().strip()).isdecimal():
            free = min(free, int(limit))
    if wanted := os.environ.get(VARIABLE):
        with suppress(ValueError):
            if 0 < float(wanted) < math.inf:
                return int(SHARE * min(free, float(wanted) * 1e9))
        raise DataError(f"{VARIABLE} should be a number of gigabytes, not {quoted(wanted)}")
    return int(SHARE * free)


def return_freed() -> None:
    """Return freed memory to the system, where the C library is glibc.

    glibc keeps the holes between arrays of different sizes. In training, where batches differ in
    shape, the process grew by 10 MB a step without end on ml-1m; while a billion rows are sorted,
    it grew by 3 GB. A fixed mmap threshold would prevent that, too, at twice the time per training
    step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
