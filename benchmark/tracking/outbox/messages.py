"""The requests that a run consists of. Each can be made twice without harm."""

from pathlib import Path

import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

Client, RunId = MlflowClient, str


def _metrics(client: Client, run_id: RunId, values: dict, step: int, time: int) -> None:
    """``time`` in milliseconds since 1970."""
    metrics = [Metric(key, value, time, step) for key, value in values.items()]
    client.log_batch(run_id, metrics=metrics)


def _settings(client: Client, run_id: RunId, params: dict, tags: dict) -> None:
    client.log_batch(
        run_id,
        params=[Param(key, str(value)) for key, value in params.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )


def _data(client: Client, run_id: RunId, dataset: dict) -> None:
    """Of trials that log the same new data set at once, MLflow lets all but one fail: again."""
    context = [InputTag(MLFLOW_DATASET_CONTEXT, "training")]
    client.log_inputs(run_id, [DatasetInput(Dataset(**dataset), context)])


def _artifact(client: Client, run_id: RunId, name: str, file: Path) -> None:
    parent = Path(name).parent.as_posix()
    client.log_artifact(run_id, file, None if parent == "." else parent)


def _status(client: Client, run_id: RunId, status: str, time: int | None = None) -> None:
    if time is None:  # it goes on
        client.update_run(run_id, status=status)
    else:
        client.set_terminated(run_id, status, time)


def _untag(client: Client, run_id: RunId, name: str) -> None:
    if name in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, name)


DELIVER = {
    "metrics": _metrics,
    "settings": _settings,
    "data": _data,
    "artifact": _artifact,
    "status": _status,
    "untag": _untag,
}


def may_pass(error: Exception) -> bool:
    """Whether it is an outage, and not a refusal."""
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500
    return isinstance(error, requests.RequestException)


def reason(error: Exception | None) -> str:
    """On one line, and short where it is always the same."""
    text = " ".join(str(error or "not yet answered").split())
    if "error responses" in text:  # urllib3: too many 500 error responses
        return "it answers with errors"
    return "no connection" if "Max retries exceeded" in text else text[:200]
