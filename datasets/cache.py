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

from datasets import files
from datasets.filters import KEEP
from datasets.sequences import Sequences
from datasets.source import DEFAULT_FOLDER, RawFile
from datasets.spec import Spec
from datasets.temporal import Temporal

PREPARED_FOLDER = DEFAULT_FOLDER / "prepared"
VERSION = 2  # raise it when the same file and spec would give different sequences

# Keys of ``filters:`` that VERSION 2 did not have from the start, with the values that filter
# nothing. They are left out then: caches that are older than these keys stay valid.
NEWER: dict[str, Any] = {"where": {}, "duplicates": KEEP}

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
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def path_of(spec: Spec, raw: RawFile | None) -> Path:
    """Path of the cached sequences; ``raw`` is None for synthetic data."""
    return PREPARED_FOLDER / f"{spec.name}-{_key(spec, raw)}.npz"


def _key(spec: Spec, raw: RawFile | None) -> str:
    """Digest of everything that determines the sequences.

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
    prepared again."""
    try:
        with zipfile.ZipFile(cached) as archive:
            # ``store`` does not compress: a file cannot unpack to more than its size.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                return None
            if archive.testzip() is not None:  # numpy parses damaged arrays before it checks them
                return None
        with np.load(cached, allow_pickle=False) as file:
            arrays = dict(file)
        digest = str(arrays.pop("digest"))
        sequences = Sequences(**arrays)
        return sequences if sequences.digest == digest else None
    except UNREADABLE:
        return None


def store(sequences: Sequences, cached: Path) -> None:
    """Write the cache file, whole or not at all.

    Raises OSError, and leaves no file behind, if the folder cannot be written to.
    """
    known = {field.name: getattr(sequences, field.name) for field in fields(Sequences)}
    arrays = {name: value for name, value in known.items() if value is not None}
    with files.replacing(cached) as part, open(part, "wb") as out:
        np.savez(out, **arrays, digest=np.array(sequences.digest))
