"""One process at a time does what would be done twice; the others wait and find it done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(path: Path, work: str) -> Iterator[bool]:
    """Hold the lock beside ``path``; a process that has to wait says so once. The system lets go of
    the lock of a process that dies.

    False where there can be no locks (a folder that is read only, some network drives): then the
    work may be done twice, and stays right if what it leaves is put in place by renaming.
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
        yield lock.is_locked
    finally:
        lock.release()
