"""Prepared sequences, kept as one file between runs."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from datasets.sequences import Sequences
from datasets.source import DEFAULT_FOLDER
from datasets.spec import Source, Spec

FOLDER = DEFAULT_FOLDER / "prepared"
VERSION = 2  # to be raised when the same file and spec would give other sequences


def place(spec: Spec, origin: Source | None, path: Path | None) -> Path:
    """Where the sequences of that data set, from that file, are kept."""
    return FOLDER / f"{spec.name}-{_key(spec, origin, path)}.npz"


def _key(spec: Spec, origin: Source | None, path: Path | None) -> str:
    """Digest of all that the sequences follow from; a raw file counts by size and time of change,
    as in make, because hashing gigabytes would take longer than everything after it."""
    parts: list = [VERSION, asdict(spec)]
    if path is not None:
        state = path.stat()
        parts += [asdict(origin), str(path.resolve()), state.st_size, state.st_mtime_ns]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def restore(cached: Path) -> Sequences | None:
    """The cached sequences, or None if there are none or they are not what was stored."""
    try:
        with np.load(cached, allow_pickle=False) as arrays:
            sequences = Sequences(*(arrays.get(field.name) for field in fields(Sequences)))
            return sequences if str(arrays["digest"]) == sequences.digest else None
    except Exception:  # a missing or damaged cache is no error: the data are prepared again
        return None


def store(sequences: Sequences, cached: Path, part: Path) -> None:
    """Written as ``part`` and renamed, so that nobody reads half a file.

    Raises OSError, and leaves nothing, where it cannot be written.
    """
    arrays = {field.name: getattr(sequences, field.name) for field in fields(Sequences)}
    if sequences.timestamps is None:
        del arrays["timestamps"]  # numpy would have to pickle it
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as out:
            np.savez(out, **arrays, digest=np.array(sequences.digest))
        os.replace(part, cached)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
