"""Models whose promotion was killed: each is marked until its end, and the next one removes it."""

import os
import socket
import time

import psutil
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
MODEL = "recommender"  # what MLflow calls the models of a trial
PROMOTING = "seqrec.promoting"  # a model's tag: the process that promotes it
LONGEST = 3600.0  # seconds that a promotion may take on a machine that cannot be asked


def mark() -> dict[str, str]:
    """The tag of a model that this process is about to promote."""
    return {PROMOTING: f"{socket.gethostname()} {os.getpid()}"}


def finish(client: MlflowClient, model_id: str, run_id: str) -> None:
    """The model is champion: its run gets it as an output, and the mark goes."""
    outputs = client.get_run(run_id).outputs
    if model_id not in [output.model_id for output in (outputs.model_outputs if outputs else [])]:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])  # refused twice
    client.delete_logged_model_tag(model_id, PROMOTING)


def remove(client: MlflowClient, name: str, experiment_id: str) -> None:
    """Delete the experiment's models, and their versions of the registered model ``name``, whose
    promotion was killed. If that was after the alias had moved, the promotion is finished.

    MLflow keeps the files of deleted models until `mlflow gc`, and never gives a number twice.
    """
    models = client.search_logged_models([experiment_id], f"name = '{MODEL}'")
    for model in [model for model in models if _abandoned(model)]:
        versions = [v for v in _versions(client, name) if str(v.source).endswith(model.model_id)]
        if any(CHAMPION in version.aliases for version in versions):
            finish(client, model.model_id, str(model.source_run_id))
            continue
        for version in versions:
            client.delete_model_version(name, version.version)
        client.delete_logged_model(model.model_id)


def _versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    quoted = name.replace("'", "''")
    found = client.search_model_versions(f"name = '{quoted}'")
    return [client.get_model_version(name, version.version) for version in found]  # with aliases


def _abandoned(model: LoggedModel) -> bool:
    """Whether the process that promotes the model has ended, or must have."""
    host, _, process = model.tags.get(PROMOTING, "").partition(" ")
    if not process.isdigit():
        return False
    if time.time() - model.creation_timestamp / 1000 > LONGEST:
        return True
    if host != socket.gethostname():
        return False
    try:
        return not psutil.pid_exists(int(process))
    except OverflowError:  # the tag is anybody's
        return True
