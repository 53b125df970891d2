"""The settings of a trial, as it stored them before its first step."""

import tempfile
from typing import Any

from mlflow import MlflowClient

from benchmark.settings import Settings
from benchmark.tracking import schema
from benchmark.tracking.reading.artifacts import fetch
from datasets import plain_yaml

# What trials did that do not name these settings, because their version did not have them.
BEFORE: dict[str, Any] = {"repeats": "alike", "embeddings": "random", "blend": "none"}


def stored_settings(client: MlflowClient, run_id: str) -> Settings:
    """Raises MlflowException, OSError, TypeError, ValueError or DataError if the run has none, and
    Unavailable if the server does not answer."""
    with tempfile.TemporaryDirectory() as folder:
        config = fetch(client, f"runs:/{run_id}", schema.CONFIG, folder)
        content = plain_yaml.read(config)
    if not isinstance(content, dict):
        raise ValueError(f"{schema.CONFIG} is no mapping")
    return Settings(**BEFORE | content)
