"""From a data set's name to its sequences, kept in a cache between runs."""

import hashlib
import json
import os
import tempfile
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from datasets import filters, locks, readers, source, spec
from datasets.errors import DataError
from datasets.sequences import Sequences, from_interactions

CACHE = source.DEFAULT_FOLDER / "prepared"
VERSION = 2  # to be raised when the same file and spec would give other sequences


def load(name_or_path: str, data_dir: str | Path | None = None) -> tuple[spec.Spec, Sequences]:
    """The data set of that name, prepared now or read from ./data/prepared.

    Raises DataError for anything that is wrong with the data or cannot be found.
    """
    described = spec.read(name_or_path)
    origin, path = (None, None)
    if described.synthetic is None:
        origin, path = source.find(described, data_dir)
    cached = CACHE / f"{described.name}-{_key(described, origin, path)}.npz"
    sequences = _restore(cached)
    if sequences is not None:
        return described, sequences
    with locks.alone(cached, "prepares"):
        sequences = _restore(cached)  # by a process that was faster
        if sequences is None:
            sequences = prepare(described, origin, path)
            _store(sequences, cached)
    return described, sequences


def prepare(
    described: spec.Spec, origin: source.Source | None = None, path: Path | None = None
) -> Sequences:
    """Generate or read the interactions, filter them, and put them in order.

    What is filtered away is counted and printed.
    """
    counts: Counter[str] = Counter()
    if described.synthetic is not None:
        interactions = described.synthetic.generate()
        counts["rows generated"] = len(interactions)
    else:
        interactions = _read(described.filters, origin, path, counts)
    kept = filters.k_core(interactions, described.filters.k_core)
    counts[f"outside the {described.filters.k_core}-core"] = len(interactions) - len(kept)
    where = str(path or described.name)
    print(f"{where}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items() if n))
    if not len(kept):
        wanted = json.dumps(asdict(described.filters))
        raise DataError(f"{where}: no interaction is left after the filters {wanted}")
    sequences = from_interactions(kept)
    try:
        described.split_of(sequences)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return sequences


def _read(
    wanted: spec.Filters, origin: source.Source, path: Path, counts: Counter[str]
) -> pd.DataFrame:
    """Apply the value intervals chunk by chunk, so that only the rows kept stay in memory."""
    kept = []
    for chunk in readers.read(path, origin.reader, origin.member):
        counts["rows read"] += len(chunk)
        for column in ("rating", "timestamp"):
            interval = getattr(wanted, column)
            if interval is None:
                continue
            if column not in chunk:
                raise DataError(f"{path}: to filter by {column}, the file needs that column")
            inside = chunk[column].between(*interval)  # ends included
            counts[f"with {column} outside {list(interval)}"] += int((~inside).sum())
            chunk = chunk[inside]
        kept.append(chunk.drop(columns="rating", errors="ignore"))
    if not counts["rows read"]:
        raise DataError(f"{path}: the file holds no interactions")
    return pd.concat(kept, ignore_index=True)


def _key(described: spec.Spec, origin: source.Source | None, path: Path | None) -> str:
    """Digest of all that the sequences follow from; a raw file counts by size and time of change,
    as in make, because hashing gigabytes would take longer than everything after it."""
    parts: list = [VERSION, asdict(described)]
    if path is not None:
        state = path.stat()
        parts += [asdict(origin), str(path.resolve()), state.st_size, state.st_mtime_ns]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _restore(cached: Path) -> Sequences | None:
    """The cached sequences, or None if there are none or they are not what was stored."""
    try:
        with np.load(cached, allow_pickle=False) as arrays:
            sequences = Sequences(*(arrays.get(field.name) for field in fields(Sequences)))
            return sequences if str(arrays["digest"]) == sequences.digest else None
    except Exception:  # a missing or damaged cache is no error: the data are prepared again
        return None


def _store(sequences: Sequences, cached: Path) -> None:
    """Written under another name and renamed, so that nobody reads half a file."""
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cached.parent, suffix=".tmp", delete=False) as out:
            arrays = {field.name: getattr(sequences, field.name) for field in fields(Sequences)}
            if sequences.timestamps is None:
                del arrays["timestamps"]  # numpy would have to pickle it
            np.savez(out, **arrays, digest=np.array(sequences.digest))
        os.replace(out.name, cached)
    except OSError as error:
        print(f"{cached}: not cached, the next run prepares the data again: {error}")
