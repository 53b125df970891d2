"""The settings of a trial, as it stored them before its first step."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from benchmark.settings.settings import Settings
from benchmark.tracking import schema
from benchmark.tracking.reading.artifacts import artifact
from datasets.checking import plain_yaml
from models import outside

# What trials did that do not name these settings, because their version did not have them.
BEFORE: dict[str, Any] = {"repeats": "alike", "embeddings": "random", "blend": "none"}


def stored_settings(client: MlflowClient, run_id: str) -> Settings:
    """Raises MlflowException, OSError, TypeError, ValueError or DataError if the run has none, and
    Unavailable if the server does not answer."""
    where = f"runs:/{run_id}"
    with artifact(client, where, schema.CONFIG) as config:
        content = plain_yaml.read(config)
    if not isinstance(content, dict):
        raise ValueError(f"{schema.CONFIG} is no mapping")
    if digest := content.pop(schema.SOURCE, None):
        with artifact(client, where, schema.SOURCE) as folder:
            source = _source(folder)
        if source.digest != digest:
            raise ValueError(f"{schema.SOURCE} is not the source that the trial started with")
        outside.load_stored(str(content.get("model")), source)
    return Settings.stored(BEFORE | content)


def _source(folder: Path) -> outside.CodeSource:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return outside.CodeSource({p.relative_to(folder).as_posix(): p.read_bytes() for p in paths})
