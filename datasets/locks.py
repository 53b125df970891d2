"""Locks between processes: one does the work, the others wait and find the result."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(path: Path, activity: str) -> Iterator[Path]:
    """Hold the lock of ``path`` and yield a temporary path, to be renamed to ``path`` when done.

    ``activity`` completes the message of a process that has to wait: "another process is
    preparing it". The operating system releases the lock of a process that dies, and the next
    process gets the same temporary path, so that a download can resume.

    Some folders cannot hold locks (read-only ones, some network drives). There the temporary path
    belongs to this process alone: the work may be done twice, the result is still correct.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(f"{path}: another process is {activity} it: waiting", flush=True)
            lock.acquire()
    except (OSError, NotImplementedError):
        pass  # no locks here
    try:
        process = "" if lock.is_locked else f".{os.getpid()}"
        yield path.with_name(f"{path.name}{process}.part")
    finally:
        lock.release()
