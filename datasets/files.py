"""Files that appear whole or not at all, and are read within a limit."""

import errno
import fcntl
import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the path of an empty new file in the folder of ``path``, to be written to.

    At the end the file is synced to disk and renamed to ``path``; after an error it is removed, and
    ``path`` is as it was. Each writer has a file of its own, so that the last of several that write
    to one path wins with a whole file. A ``path`` that is a link stays one: its target is replaced.
    What a killed writer left is removed by the next one.

    Raises OSError if the folder cannot be written to or the disk is full, and if ``path`` is
    something else than a file: a device would be replaced, too.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is not a file", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    part, lock = _create(target)
    try:
        yield part
        _sync(part)
        os.replace(part, target)
        with suppress(OSError):  # some network drives cannot sync a folder
            _sync(target.parent)
    finally:
        with suppress(OSError):
            part.unlink()
        os.close(lock)


def read(path: str | Path, most: int) -> bytes:
    """The content of a file, or of a pipe, which has no size.

    Raises OSError if it cannot be read, and ValueError if it has more than ``most`` bytes, or for a
    path with a zero byte.
    """
    with open(path, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content


def write(path: str | Path, content: str | bytes) -> None:
    """Write ``content``, text as UTF-8, to ``path``; see `replacing`."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def _create(target: Path) -> tuple[Path, int]:
    """A new file, which O_EXCL never takes from a link, and its lock: its writer is alive."""
    while True:
        part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
        lock = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # some network drives have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(part):
            return part, lock
        os.close(lock)  # another writer took it for abandoned before it was locked


def _remove_abandoned(target: Path) -> None:
    """Remove the files of writers to ``target`` that were killed: nobody holds their locks."""
    prefix = f".{target.name[:200]}."
    for part in target.parent.iterdir():
        name = part.name
        if not (name.startswith(prefix) and name.endswith(".part")):
            continue
        if len(name) != len(prefix) + 8 + len(".part"):
            continue  # of a file whose name is longer
        with suppress(OSError):
            file = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
                for beside in target.parent.glob(f"{glob.escape(name)}-*"):  # SQLite's journal
                    beside.unlink()
            finally:
                os.close(file)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def file_name(text: str) -> str:
    """The text as the name of a file: letters, digits, dots, underscores and hyphens."""
    return re.sub(r"[^\w.-]+", "-", text)
