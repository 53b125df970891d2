"""Rows in the order in which they came: in memory up to a limit, in files beyond it."""

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from datasets.errors import DataError

SEGMENT = 1 << 30  # bytes of a file; a spool has several, and frees each one after reading it


class Budget:
    """How much memory the rows of all spools may take, and where their files are."""

    def __init__(self, limit: int, folder: Path):
        """``limit`` is in bytes. Files have no names: the system removes them with the process."""
        self.limit = limit
        self.folder = folder
        self.used = 0

    def take(self, size: int) -> bool:
        """Whether ``size`` bytes more fit into memory; if so, they count from now on."""
        fits = self.used + size <= self.limit
        self.used += size * fits
        return fits

    def file(self) -> IO[bytes]:
        """A new file. Raises OSError if the folder cannot be written to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self.folder, buffering=0)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raises DataError where files cannot be written."""
        try:
            yield
        except OSError as error:
            raise DataError(
                f"the rows do not fit into {self.limit / 1e9:,.1f} GB of memory, and cannot be "
                f"written to {self.folder}: {error.strerror or error}"
            ) from None


@dataclass(frozen=True)
class Stored:
    """Rows in a file."""

    file: IO[bytes]
    start: int
    n: int
    dtype: np.dtype

    def read(self) -> np.ndarray:
        rows = np.empty(self.n, self.dtype)
        view = rows.view(np.uint8).data
        done = 0
        while done < len(view):
            done += os.preadv(self.file.fileno(), [view[done:]], self.start + done)
        return rows


class Spool:
    """Rows of one type, in the order in which they were added."""

    def __init__(self, budget: Budget):
        self.budget = budget
        self.n = 0
        self._pieces: deque[np.ndarray | Stored] = deque()
        self._file: IO[bytes] | None = None
        self._written = 0

    def append(self, rows: np.ndarray) -> None:
        """Add rows [n]. Raises DataError if they do not fit into memory and cannot be written."""
        if not len(rows):
            return
        self.n += len(rows)
        if self.budget.take(rows.nbytes):
            # A view would keep all of its array in memory.
            self._pieces.append(rows if rows.base is None else rows.copy())
            return
        with self.budget.writing():
            self._pieces.append(self._store(rows))

    def _store(self, rows: np.ndarray) -> Stored:
        if self._file is None or self._written > SEGMENT:
            self._file = self.budget.file()
            self._written = 0
        start = self._written
        _write(self._file, rows)
        self._written += rows.nbytes
        return Stored(self._file, start, len(rows), rows.dtype)

    def pieces(self) -> Iterator[np.ndarray]:
        """The rows, [n] for each ``append``."""
        for piece in self._pieces:
            yield piece.read() if isinstance(piece, Stored) else piece

    def drain(self) -> Iterator[np.ndarray]:
        """The same. Each piece leaves the spool, and its memory or file is freed."""
        self._file = None
        while self._pieces:
            piece = self._pieces.popleft()
            if isinstance(piece, Stored):
                yield piece.read()
            else:
                self.budget.used -= piece.nbytes
                yield piece
        self.n = 0

    def joined(self, dtype: np.dtype) -> np.ndarray:
        """All rows, [n]: an array, or where some are on disk, a file that is mapped. They are used
        up."""
        if not any(isinstance(piece, Stored) for piece in self._pieces):
            return np.concatenate([np.empty(0, dtype), *self.drain()])
        n = self.n
        with self.budget.writing():
            file = self.budget.file()
            for piece in self.drain():
                _write(file, piece)
        return np.memmap(file, dtype, "c", shape=(n,))


def _write(file: IO[bytes], rows: np.ndarray) -> None:
    view = np.ascontiguousarray(rows).view(np.uint8).data
    while len(view):
        view = view[file.write(view) :]
