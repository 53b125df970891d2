"""One process at a time does what would be done twice; the others wait and find it done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(path: Path, work: str) -> Iterator[Path]:
    """Hold the lock beside ``path``; a process that has to wait says so once. The system lets go of
    the lock of a process that dies.

    Yields the name under which to write what is then renamed to ``path``, the same for the next
    process if this one dies. Where there can be no locks (a folder that is read only, some network
    drives) it is this process's own: there the work may be done twice, and stays right.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(f"{path}: another process {work} it: waiting for that", flush=True)
            lock.acquire()
    except (OSError, NotImplementedError):
        pass
    try:
        process = "" if lock.is_locked else f".{os.getpid()}"
        yield path.with_name(f"{path.name}{process}.part")
    finally:
        lock.release()
