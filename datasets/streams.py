"""The bytes of a data file, unpacked as they are read, and checked to be lines of plain text.

Nothing is ever extracted: a member of an archive is a stream, whatever path it is named.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from datasets.errors import LONGEST_QUOTE, DataError, quoted

LONGEST_LINE = 1 << 16
"""Bytes. The longest block, too: so a line within one block is never too long."""
# A decompression bomb is an archive that is past both: real ratings pack to a fifth or a tenth.
MOST_UNPACKED = 1_000_000_000  # bytes
MOST_TIMES = 100  # the packed size

FIRST_PRINTED, DELETE = 32, b"\x7f"
FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd")


@contextmanager
def opened(path: Path, member: str | None = None, bar: str | None = None) -> Iterator[IO[bytes]]:
    """The text in the file, or in the one member of a zip archive that fits the pattern, in UTF-8
    and without a byte order mark. ``bar`` is what a progress bar over the file's bytes says.

    Raises DataError, then or as it is read, if it cannot be read, is packed in a way that is no
    good, unpacks without end, or is not made of lines of text; with the line, where there is one.
    """
    with ExitStack() as stack:
        try:
            stream, most = _unpacked(path, member, bar, stack)
        except DataError:
            raise
        except Exception as error:  # zipfile's are many: struct.error, UnicodeDecodeError, ...
            raise _unreadable(path, error) from None
        text = io.BufferedReader(_Text(path, stream, most), LONGEST_LINE)
        if text.peek(3).startswith(UTF8_MARK):
            text.read(3)
        yield text


def _unpacked(
    path: Path, member: str | None, bar: str | None, stack: ExitStack
) -> tuple[IO[bytes], float]:
    """(stream of bytes, how many of them there may be)."""
    size = path.stat().st_size
    packed = stack.enter_context(path.open("rb"))
    if bar:
        options = {"unit": "B", "unit_scale": True, "leave": False, "disable": None}
        packed = stack.enter_context(tqdm.wrapattr(packed, "read", total=size, desc=bar, **options))
    if path.suffix == ".gz":
        return stack.enter_context(gzip.open(packed)), max(MOST_UNPACKED, MOST_TIMES * size)
    if path.suffix != ".zip":
        return packed, float("inf")
    archive = stack.enter_context(zipfile.ZipFile(packed))
    found = [info for info in archive.infolist() if not info.is_dir()]
    wanted = [info for info in found if fnmatch(info.filename, member or "*")]
    if len(wanted) != 1:
        names = quoted([info.filename for info in found[:10]])
        raise DataError(f"{path}: should hold one {member or 'file'}, holds {names}")
    if wanted[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of others zipfile unpacks a whole block at once, which a bomb makes gigabytes of.
        raise DataError(f"{path}: its compression is not deflate, which every zip program writes")
    claimed = min(wanted[0].compress_size, size)  # what an archive says of itself may be a lie
    return stack.enter_context(archive.open(wanted[0])), max(MOST_UNPACKED, MOST_TIMES * claimed)


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"{path}: cannot be read: {error.strerror}")
    if isinstance(error, RuntimeError) and "password" in str(error):
        return DataError(f"{path}: it is encrypted: unpack it, and give the file inside")
    reason = " ".join(str(error).split())[:LONGEST_QUOTE]
    return DataError(f"{path}: damaged archive: {reason}; get the file again")


class _Text(io.RawIOBase):
    """Passes on the bytes of ``stream``, at most ``most`` of them, and raises DataError at the
    first that no line of text has."""

    def __init__(self, path: Path, stream: IO[bytes], most: float):
        self._path, self._stream, self._most = path, stream, most
        self._bytes = 0
        self._line = 1  # that has begun
        self._length = 0  # of its part that was passed on
        self._return = b""  # the last byte passed on, if it was a carriage return

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        try:
            block = self._stream.read(min(len(buffer), LONGEST_LINE))
        except Exception as error:  # damaged where it was not read before
            raise _unreadable(self._path, error) from None
        if not self._bytes:
            self._check_start(block)
        newlines = _count(b"\n", block)
        self._check_characters(block, newlines)
        self._check_lengths(block, newlines)
        self._bytes += len(block)
        if self._bytes > self._most:
            raise DataError(
                f"{self._path}: it unpacks to more than {self._most:,} bytes, over {MOST_TIMES} "
                "times its size: if that is no attack, unpack it yourself and give the file inside"
            )
        buffer[: len(block)] = block
        return len(block)

    def _check_start(self, block: bytes) -> None:
        if block.startswith(ARCHIVES):
            raise DataError(
                f"{self._path}: packed data instead of text: unpack it, or let its name end in "
                ".gz or .zip if it is one of these and not an archive within another"
            )
        if block.startswith(WIDE_MARKS) or 0 in block[:2]:
            raise DataError(
                f"{self._path}: not UTF-8 text, it looks like UTF-16: convert it, for example with "
                "iconv -f UTF-16 -t UTF-8"
            )

    def _check_characters(self, block: bytes, newlines: int) -> None:
        """A carriage return that ends a block is judged with the next one."""
        text = self._return + block
        self._return = b"\r" if text.endswith(b"\r") else b""
        lone = 0
        if b"\r" in text:
            judged = text[:-1] if self._return and block else text
            lone = judged.count(b"\r") - judged.count(b"\r\n")
        fit = newlines + _count(b"\t", text) + _count(b"\r", text)
        control = np.count_nonzero(np.frombuffer(text, np.uint8) < FIRST_PRINTED)
        if not lone and control == fit and DELETE not in text:
            return
        found = FORBIDDEN.search(text)
        line = self._line + text.count(b"\n", 0, found.start())
        if found[0] == b"\r":
            raise DataError(
                f"{self._path}:{line}: a carriage return within a line: lines should end in "
                "a newline, with or without one carriage return before it"
            )
        raise DataError(
            f"{self._path}:{line}: control character {found[0].decode()!r}: not a text file, "
            "or damaged; get it again, or take the character out"
        )

    def _check_lengths(self, block: bytes, newlines: int) -> None:
        end = block.find(b"\n")
        self._length += len(block) if end < 0 else end
        if self._length > LONGEST_LINE:
            raise DataError(
                f"{self._path}:{self._line}: a line of more than {LONGEST_LINE:,} bytes: no file "
                "of interactions, or its line ends are missing"
            )
        if end >= 0:
            self._length = len(block) - block.rfind(b"\n") - 1
            self._line += newlines


def _count(character: bytes, text: bytes) -> int:
    """Five times as fast as ``text.count``, which shows in the seconds of a large file."""
    if character not in text:
        return 0
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord(character)))
