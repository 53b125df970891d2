"""The bytes of a data file, decompressed while they are read, and checked to be lines of text.

Nothing is extracted to disk: a member of an archive is a stream, whatever its path in the archive.
"""

from __future__ import annotations

import codecs
import gzip
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from datasets.errors import DataError, one_line, quoted
from datasets.reading.bombs import check_unpacked

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 16  # bytes
LONGEST_LINE = BLOCK  # at least as long as a block, so that a line within one never exceeds it
LONGEST_LIST = 1 << 23  # of a line that lists the items of a user

NEWLINE = 10
FIRST_PRINTED = 32
DELETE = b"\x7f"
FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd")


class Bytes(Protocol):
    """A stream of bytes, such as a file, a gzip file, or a member of a zip archive."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; b"" at the end."""


@contextmanager
def opened(
    path: Path,
    member: str | None = None,
    progress: str | None = None,
    encoding: str = "utf-8",
    longest: int = LONGEST_LINE,
) -> Iterator[IO[bytes]]:
    """Open a text file as a stream of UTF-8 bytes without byte order mark.

    Files that end in .gz or .zip are decompressed. ``member`` is a pattern that fits one member of
    a zip archive; None: the archive holds one file. ``progress`` labels a progress bar over the
    file's bytes; None: no bar. ``encoding`` is that of the file, ``longest`` the limit of a line in
    bytes.

    Raises DataError, with the line where there is one, when the file is opened or while it is
    read: it cannot be read, its compression is damaged or not supported, it expands without
    bounds, or it is not made of lines of text.
    """
    with ExitStack() as stack:
        try:
            stream, packed_bytes = _unpacked(path, member, progress, stack)
        except DataError:
            raise
        # zipfile and gzip do not document what they raise for damaged archives; struct.error,
        # zlib.error, UnicodeDecodeError, NotImplementedError and RuntimeError are among them.
        except Exception as error:
            raise _unreadable(path, error) from None
        if encoding != "utf-8":
            stream = _Recoded(path, stream, encoding)
        text = io.BufferedReader(_CheckedText(path, stream, packed_bytes, longest), BLOCK)
        if text.peek(3).startswith(UTF8_MARK):
            text.read(3)
        yield text


def _unpacked(
    path: Path, member: str | None, progress: str | None, stack: ExitStack
) -> tuple[Bytes, Callable[[], float]]:
    """(stream of decompressed bytes, number of compressed bytes read so far)."""
    size = path.stat().st_size
    file = stack.enter_context(path.open("rb"))
    packed: IO[bytes] = file
    if progress:
        options: dict[str, Any] = {"unit": "B", "unit_scale": True, "leave": False, "disable": None}
        counted = tqdm.wrapattr(packed, "read", total=size, desc=progress, **options)
        packed = cast("IO[bytes]", stack.enter_context(counted))  # tqdm's wrapper is a file, too
    if path.suffix == ".gz":
        return stack.enter_context(gzip.open(packed)), file.tell
    if path.suffix != ".zip":
        return packed, lambda: math.inf
    archive = stack.enter_context(zipfile.ZipFile(packed))
    found = [info for info in archive.infolist() if not (info.is_dir() or _is_hidden(info))]
    wanted = [info for info in found if fnmatch(info.filename, member or "*")]
    if len(wanted) != 1:
        names = quoted([info.filename for info in found[:10]])
        raise DataError(f"{path}: the archive should hold one {member or 'file'}, holds {names}")
    if wanted[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile decompresses a whole block of other methods at once: gigabytes, if it is a bomb.
        raise DataError(f"{path}: only zip archives with deflate compression are supported")
    # An archive may lie about its members. zipfile never gives more bytes than it claims.
    claimed = min(wanted[0].compress_size, size)
    check_unpacked(path, wanted[0].file_size, claimed)
    return stack.enter_context(archive.open(wanted[0])), lambda: claimed


def _is_hidden(info: zipfile.ZipInfo) -> bool:
    """True for what macOS adds to an archive."""
    folders, _, name = info.filename.rpartition("/")
    return name.startswith(".") or "__MACOSX" in folders.split("/")


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"{path}: cannot be read: {error.strerror}")
    if isinstance(error, RuntimeError) and "password" in str(error):
        return DataError(f"{path}: the archive is encrypted: unpack it, and use the file inside")
    reason = one_line(error)
    return DataError(f"{path}: damaged archive: {reason}; download the file again")


class _Recoded:
    """The bytes of a stream of text in ``encoding``, in UTF-8."""

    def __init__(self, path: Path, stream: Bytes, encoding: str):
        self._path = path
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int = -1, /) -> bytes:
        """A character takes at most three times as many bytes in UTF-8."""
        text = ""
        while not text:
            block = self._stream.read(max(1, size // 3))
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeError as error:
                raise DataError(f"{self._path}: not text in {self._encoding}: {error}") from None
            if not block:
                break
        return text.encode()


class _CheckedText(io.RawIOBase):
    """Passes on the bytes of ``stream``. Raises DataError at the first byte that does not belong
    in a line of text, and when the bytes are far more than ``packed_bytes()``, the number of
    compressed bytes that were read for them."""

    def __init__(self, path: Path, stream: Bytes, packed_bytes: Callable[[], float], longest: int):
        self._path = path
        self._stream = stream
        self._packed_bytes = packed_bytes
        self._longest = longest
        self._bytes = 0  # passed on
        self._line = 1  # number of the line that has begun
        self._length = 0  # bytes of that line that were passed on
        self._return = b""  # the last byte passed on, if it was a carriage return

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        try:
            block = self._stream.read(min(len(view), BLOCK))
        except DataError:
            raise
        except Exception as error:  # as in ``opened``: an archive damaged further on
            raise _unreadable(self._path, error) from None
        if not self._bytes:
            self._check_start(block)
        newlines = _count_bytes(b"\n", block)
        self._check_characters(block, newlines)
        self._check_lengths(block, newlines)
        self._bytes += len(block)
        check_unpacked(self._path, self._bytes, self._packed_bytes())
        view[: len(block)] = block
        return len(block)

    def _check_start(self, block: bytes) -> None:
        if self._path.suffix.lower() in SPREADSHEETS:
            raise DataError(f"{self._path}: a spreadsheet: save it as CSV")
        if block.startswith(ARCHIVES):
            raise DataError(
                f"{self._path}: compressed data instead of text: unpack the file; only one level "
                "of .gz or .zip is unpacked here, and the file name has to end so"
            )
        if block.startswith(WIDE_MARKS) or 0 in block[:2]:
            raise DataError(
                f"{self._path}: not UTF-8 text, it looks like UTF-16: add encoding: utf-16 to "
                "the source"
            )

    def _check_characters(self, block: bytes, newlines: int) -> None:
        """A carriage return at the end of a block is judged with the next block."""
        text = self._return + block
        self._return = b"\r" if text.endswith(b"\r") else b""
        lone = 0
        if b"\r" in text:
            judged = text[:-1] if self._return and block else text
            lone = judged.count(b"\r") - judged.count(b"\r\n")
        allowed = newlines + _count_bytes(b"\t", text) + _count_bytes(b"\r", text)
        control = np.count_nonzero(np.frombuffer(text, np.uint8) < FIRST_PRINTED)
        if not lone and control == allowed and DELETE not in text:
            return
        found = FORBIDDEN.search(text)
        assert found is not None  # the counts above say that there is one
        line = self._line + text.count(b"\n", 0, found.start())
        if found[0] == b"\r":
            raise DataError(
                f"{self._path}:{line}: a carriage return within a line: lines should end in "
                "a newline, with or without one carriage return before it"
            )
        raise DataError(
            f"{self._path}:{line}: control character {found[0].decode()!r}: not a text file, "
            "or damaged; download the file again, or remove the character"
        )

    def _check_lengths(self, block: bytes, newlines: int) -> None:
        end = block.find(b"\n")
        self._length += len(block) if end < 0 else end
        if self._length > self._longest:
            raise DataError(
                f"{self._path}:{self._line}: a line of more than {self._longest:,} bytes: not a "
                "file of interactions, or its line ends are missing"
            )
        if end >= 0:
            self._length = len(block) - block.rfind(b"\n") - 1
            self._line += newlines


def count_lines(block: pa.Buffer) -> int:
    """The number of lines; the last one may lack its newline."""
    view = np.frombuffer(block, np.uint8)
    return int(np.count_nonzero(view == NEWLINE)) + int(len(view) > 0 and view[-1] != NEWLINE)


def _count_bytes(character: bytes, text: bytes) -> int:
    """Five times as fast as ``text.count``, which takes seconds on a large file."""
    if character not in text:
        return 0
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord(character)))
