"""Decompression bombs: small files that unpack to far too many bytes."""

from pathlib import Path

from datasets.errors import DataError

# An archive beyond both limits is a decompression bomb: ratings compress to a fifth or a tenth.
MOST_UNPACKED = 16_000_000  # bytes
MOST_TIMES = 100  # the compressed size


def check_unpacked(path: Path, unpacked: float, packed: float) -> None:
    """Raise DataError if ``packed`` bytes of the file unpack to far too many bytes."""
    if unpacked > max(MOST_UNPACKED, MOST_TIMES * packed):
        raise DataError(
            f"{path}: it unpacks to more than {MOST_TIMES} times its size: if you trust the file, "
            "use it without compression"
        )
