"""The files of a run, downloaded from its store of artifacts."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.exceptions import MlflowException

from benchmark.tracking.outage import is_outage
from benchmark.tracking.server import repeated


def fetch(client: MlflowClient, where: str, name: str, folder: str) -> Path:
    """Download the artifact ``name`` of a run to ``folder``; the path of the file.

    ``where`` is runs:/RUN_ID, or the run's artifact_uri, which saves a request. Raises
    FileNotFoundError if the run has no such artifact, MlflowException or another OSError if it
    cannot be read, and Unavailable if its store does not answer.
    """

    def download() -> Path:
        uri = f"{where}/{name}"
        try:
            return Path(
                download_artifacts(
                    artifact_uri=uri, dst_path=folder, tracking_uri=client.tracking_uri
                )
            )
        except (MlflowException, OSError) as error:
            # MLflow's error is the same for a file that is not there and a store that fails.
            if not is_outage(error) or _has(client, uri):
                raise
            raise FileNotFoundError(f"{uri} is not there") from None

    return repeated(download, client, f"the artifact store of {name} at {where}")


def _has(client: MlflowClient, uri: str) -> bool:
    parent, _, name = uri.rpartition("/")
    found = list_artifacts(artifact_uri=parent, tracking_uri=client.tracking_uri)
    return any(Path(file.path).name == name for file in found)
