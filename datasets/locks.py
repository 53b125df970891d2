"""Locks between processes: one does the work, the others wait and find the result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(path: Path, activity: str) -> Iterator[bool]:
    """Hold the lock of ``path``; yield whether it is held.

    ``activity`` completes the message of a process that has to wait: "another process is
    preparing it". The operating system releases the lock of a process that dies.

    Some folders cannot hold locks (read-only ones, some network drives). There the work may be done
    twice, each time in a file of the process's own, and the result is still correct.
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
        yield lock.is_locked
    finally:
        lock.release()
