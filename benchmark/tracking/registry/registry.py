"""Register a trial's model as the champion of its experiment, and look the champion up."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from benchmark.settings.settings import Settings
from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.artifacts import fetch
from benchmark.tracking.reading.record import Record, record
from benchmark.tracking.reading.settings import stored_settings
from benchmark.tracking.registry import unfinished
from benchmark.tracking.registry.export import export
from benchmark.tracking.server import TrackingError
from benchmark.training.checkpoint import CheckpointError
from datasets import DataError

CHAMPION = unfinished.CHAMPION


@dataclass(frozen=True)
class RegisteredChampion:
    """The model version with the alias ``champion``."""

    version: str
    run_id: str
    tags: dict[str, str]
    """They include the data's digest and the protocol."""
    trial: Record | None
    """The trial that it was made from; None if its run was deleted."""


def find_champion(client: MlflowClient, name: str) -> RegisteredChampion | None:
    """The champion of the registered model ``name``; None if there is none yet.

    Raises TrackingError if the registry does not answer.
    """
    try:
        found = client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        # MLflow answers "invalid parameter" for a registered model without the alias.
        if error.get_http_status_code() in (400, 404):
            return None
        raise TrackingError(f"model {name!r} cannot be looked up: {reason(error)}") from None
    run_id = str(found.run_id)
    try:
        trial = record(client.get_run(run_id))
    except MlflowException:
        trial = None
    return RegisteredChampion(str(found.version), run_id, dict(found.tags), trial)


def register(
    client: MlflowClient,
    name: str,
    trial: Record,
    item_ids: list[str],
    report: str,
    titles: dict[str, str] | None = None,
) -> str:
    """Register the trial's best weights as a new version of the model ``name``, and make it the
    champion; the number of the version.

    ``item_ids`` are the raw ids in the order of their codes, ``titles`` are those of the items that
    have one, by raw id, ``report`` is markdown. Until the
    alias has moved, the champion is the same as before, and what a killed process made is marked:
    the next one removes it. Raises TrackingError if the
    trial has no weights, or if the server does not take the model.
    """
    tags = {key: trial.tags[key] for key in _TAGS if key in trial.tags}
    try:
        _create_name(client, name)
        with tempfile.TemporaryDirectory() as temporary:
            weights, settings = _download(client, trial, temporary)
            where = client.get_run(trial.run_id).info.experiment_id
            unfinished.remove(client, name, where)
            made = client.create_logged_model(
                where, unfinished.MODEL, trial.run_id, tags | unfinished.mark()
            )
            folder = Path(temporary, "model")
            model = Model(run_id=trial.run_id, model_uuid=made.model_id, model_id=made.model_id)
            export(folder, model, settings, weights, item_ids, titles)
            (folder / "report.md").write_text(report, encoding="utf-8")
            client.log_model_artifacts(made.model_id, str(folder))
        client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        version = client.create_model_version(
            name,
            source=f"models:/{made.model_id}",
            run_id=trial.run_id,
            tags=tags,
            description=trial.name,
            model_id=made.model_id,
        ).version
        client.set_registered_model_alias(name, CHAMPION, version)
        unfinished.finish(client, made.model_id, trial.run_id)
    except (MlflowException, CheckpointError, OSError) as error:
        raise TrackingError(
            f"run {trial.run_id} cannot be registered as {name!r}: {reason(error)}"
        ) from None
    return str(version)


_TAGS = (schema.DATA_DIGEST, schema.PROTOCOL, schema.DATASET_TITLE, schema.SYNTHETIC)


def _download(client: MlflowClient, trial: Record, folder: str) -> tuple[Path, Settings]:
    """The trial's best weights, downloaded to the folder, and its settings."""
    try:
        weights = fetch(client, trial.artifact_uri, schema.BEST, folder)
        return weights, stored_settings(client, trial.run_id)
    except (MlflowException, OSError, TypeError, ValueError, DataError) as error:
        raise TrackingError(
            f"run {trial.run_id} has no {schema.BEST} and {schema.CONFIG} of seqrec: "
            f"{reason(error)}"
        ) from None


def _create_name(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
