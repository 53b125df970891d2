"""The parts of a data set as the inputs of a run: MLflow's pages and `mlflow.data` read them."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.data import Data
from benchmark.tracking.outbox.messages import Input
from datasets import source
from datasets.errors import masked
from datasets.sequences import Sequences
from datasets.specs.spec import Spec
from datasets.splitting.targets import Targets

TRAINING = "training"
VALIDATION = "validation"
TEST = "test"
CONTEXTS = (TRAINING, VALIDATION, TEST)
"""MLflow's words for the parts of a split, in the order of ``Source.places``."""


def inputs(data: Data) -> list[Input]:
    """An input for each part of the split.

    All have the name of the whole. The digest of the training part is that of the sequences, as in
    the tag ``schema.DATA_DIGEST``, and its profile has the statistics of the whole; the others have
    digests of their targets.
    """
    spec, sequences, split = data.spec, data.sequences, data.split
    trained = int((split.train_ends - split.train_starts).sum())
    profiles = {TRAINING: {"num_rows": trained, **data.card.numbers}}
    digests = {TRAINING: sequences.digest}
    for context, targets in ((VALIDATION, split.valid), (TEST, split.test)):
        digests[context] = _digest(sequences, targets)
        profiles[context] = {
            "num_rows": len(targets.positions),
            "queries": len(targets.first_of_queries),
            "users": targets.n_users,
        }
    sources = _sources(spec, data.folder)
    return [
        Input(
            {
                "name": spec.name,
                "digest": digests[context],
                **sources[context],
                "schema": _schema(sequences),
                "profile": json.dumps(profiles[context]),
            },
            context,
        )
        for context in CONTEXTS
    ]


def _digest(sequences: Sequences, targets: Targets) -> str:
    """16 hexadecimal digits, computed from the sequences and the targets."""
    sha = hashlib.sha256(sequences.digest.encode())
    for array in (targets.starts, targets.ends, targets.positions):
        sha.update(array.astype("<i8").tobytes())
    return sha.hexdigest()[:16]


def _schema(sequences: Sequences) -> str:
    """The columns of the interactions, as ``mlflow.types.Schema`` has them."""
    columns = {"user": "string", "item": "string"}
    if sequences.timestamps is not None:
        columns["timestamp"] = "double"
    specs = [{"type": kind, "name": name, "required": True} for name, kind in columns.items()]
    return json.dumps({"mlflow_colspec": specs})


def _sources(spec: Spec, data_dir: str | None) -> dict[str, dict[str, str]]:
    """Where each part comes from, as ``mlflow.data.get_source`` understands it: a download, a file
    on this machine, or the code that generates the data."""
    if spec.synthetic:
        return dict.fromkeys(CONTEXTS, _source("code", tags={"mlflow.source.name": spec.name}))
    for known in spec.sources:
        if known.url and known.split:
            base = known.url.rstrip("/")
            names = [Path(place).name for place in known.places]
            urls = [_source("http", url=masked(f"{base}/{name}")) for name in names]
            return dict(zip(CONTEXTS, urls, strict=True))
        if known.url:
            return dict.fromkeys(CONTEXTS, _source("http", url=masked(known.url)))
    raw = next(iter(source.on_this_machine(spec.sources, spec, data_dir)), None)
    if raw is None:  # removed in the meantime
        return dict.fromkeys(CONTEXTS, _source("local", uri=spec.sources[0].places[0]))
    if not raw.of_parts:
        return dict.fromkeys(CONTEXTS, _local(raw.files))
    of_parts = zip(raw.parts, raw.of_parts, strict=True)
    files: dict[str, list[Path]] = {context: [] for context in CONTEXTS}
    for file, part in of_parts:
        files[CONTEXTS[part]].append(file)
    return {context: _local(of_context) for context, of_context in files.items()}


def _local(files: Sequence[Path]) -> dict[str, str]:
    """One file, or the folder of several."""
    path = files[0] if len(files) == 1 else Path(os.path.commonpath([f.parent for f in files]))
    return _source("local", uri=str(path.absolute()))


def _source(kind: str, **fields: object) -> dict[str, str]:
    return {"source_type": kind, "source": json.dumps(fields)}
