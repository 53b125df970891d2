"""Cache of prepared sequences: one file per data set and raw file, kept between runs."""

import hashlib
import json
import lzma
import zipfile
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as array_format

from datasets import files
from datasets.filters import KEEP
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.source import DEFAULT_FOLDER, RawFile
from datasets.specs.spec import Spec
from datasets.splitting.temporal import Temporal

PREPARED_FOLDER = DEFAULT_FOLDER / "prepared"
VERSION = 2  # raise it when the same file and spec would give different sequences

# Keys of ``filters:`` that VERSION 2 did not have from the start, with the values that filter
# nothing. They are left out then: caches that are older than these keys stay valid.
NEWER: dict[str, Any] = {"where": {}, "where_not": {}, "duplicates": KEEP}

IDS = ("user_ids", "item_ids")
PARTS_OF_IDS = ("ends", "text")
"""Arrays in place of ids: see ``Ids.mapped``."""

ALIGNED = 64  # bytes, as Arrow recommends
# Sizes in a zip archive, in bytes.
LOCAL_HEADER = 30
NAME_LENGTHS = 26  # before the lengths of name and extra fields in that header
LARGE_SIZES = 20  # of the extra field for sizes above 4 GB
FILLER = b"\x6c\x61"  # number of an extra field that nobody uses

# What a missing or damaged archive raises. RuntimeError: damaged flags claim that it is encrypted
# or of a later version. KeyError and TypeError: damaged names are not those of Sequences.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    MemoryError,  # damaged shapes of arrays
    pa.ArrowException,  # damaged ids
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def path_of(spec: Spec, raw: RawFile | None) -> Path:
    """Path of the cached sequences; ``raw`` is None for synthetic data."""
    return PREPARED_FOLDER / f"{spec.name}-{_key(spec, raw)}.npz"


def _key(spec: Spec, raw: RawFile | None) -> str:
    """Digest of the description, and of the state of the raw files.

    The raw file counts with size and modification time, as in make: hashing gigabytes would take
    longer than all later steps.
    """
    described = asdict(spec)
    del described["folder"]  # the files that are found count, not where they were searched for
    if spec.temporal == Temporal():  # caches that are older than this field stay valid
        del described["temporal"]
    filters = described["filters"]
    described["filters"] = {k: v for k, v in filters.items() if k not in NEWER or v != NEWER[k]}
    parts: list[Any] = [VERSION, described]
    if raw is not None:
        parts += [asdict(raw.source)]
        for file in raw.files:
            state = file.stat()
            parts += [str(file.resolve()), state.st_size, state.st_mtime_ns]
        if raw.version:
            parts += [raw.version]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def restore(cached: Path) -> Sequences | None:
    """The cached sequences; None if the file is missing or damaged, and the data have to be
    prepared again.

    Arrays are mapped: parts of the file come into memory as they are used, and leave it again.
    """
    try:
        with zipfile.ZipFile(cached) as archive:
            # ``store`` does not compress: a file cannot unpack to more than its size.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                return None
            if archive.testzip() is not None:  # numpy parses damaged arrays before it checks them
                return None
            arrays = {
                member.filename.removesuffix(".npy"): _array(cached, archive, member)
                for member in archive.infolist()
            }
        digest = str(arrays.pop("digest"))
        for name in IDS:
            if name in arrays:  # as earlier versions store them
                arrays[name] = Ids.of(arrays[name])
            else:
                ends, text = (arrays.pop(f"{name}.{part}") for part in PARTS_OF_IDS)
                arrays[name] = Ids.mapped(ends, text)
        sequences = Sequences(**arrays)
        return sequences if sequences.digest == digest else None
    except UNREADABLE:
        return None


def _array(cached: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Any:
    """The array of a member. It is mapped if it begins where numbers may begin in memory."""
    with archive.open(member) as stream:
        array_format.read_magic(stream)
        shape, in_columns, dtype = array_format.read_array_header_1_0(stream)
        header = stream.tell()
    with open(cached, "rb") as file:
        file.seek(member.header_offset + NAME_LENGTHS)
        lengths = [int.from_bytes(file.read(2), "little") for _ in range(2)]
        start = file.tell() + sum(lengths) + header
        if start % ALIGNED or in_columns or dtype.hasobject or 0 in shape or not shape:
            with archive.open(member) as stream:
                return array_format.read_array(stream, allow_pickle=False)
        return np.memmap(file, dtype, "c", start, shape)


def store(sequences: Sequences, cached: Path) -> None:
    """Write the cache file, whole or not at all: an archive that ``np.load`` reads, too.

    Raises OSError, and leaves no file behind, if the folder cannot be written to.
    """
    arrays: dict[str, np.ndarray] = {}
    for field in fields(Sequences):
        value = getattr(sequences, field.name)
        if isinstance(value, Ids):
            named = zip(PARTS_OF_IDS, value.arrays(), strict=True)
            arrays |= {f"{field.name}.{part}": array for part, array in named}
        elif value is not None:
            arrays[field.name] = value
    arrays["digest"] = np.array(sequences.digest)
    with files.replacing(cached) as part, zipfile.ZipFile(part, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            # numpy's headers have multiples of 64 bytes. Nothing follows a zip header's own fields
            # but the name and this field, which readers skip.
            assert archive.fp is not None
            before = archive.fp.tell() + LOCAL_HEADER + len(member.filename) + LARGE_SIZES + 4
            member.extra = FILLER + (-before % ALIGNED).to_bytes(2, "little")
            member.extra += bytes(-before % ALIGNED)
            with archive.open(member, "w", force_zip64=True) as out:
                array_format.write_array(out, array, allow_pickle=False)
