"""The files of a run, read from its store of artifacts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import is_local_uri

from benchmark.tracking.server import repeated


@contextmanager
def artifact(client: MlflowClient, where: str, name: str) -> Iterator[Path]:
    """The artifact ``name`` of a run, to be read inside the block; ``where`` as in ``fetch``.

    In a store on this machine it is the file itself, else a copy that lasts as long as the block.
    Raises what ``fetch`` raises.
    """
    with nullcontext() if is_local_uri(where) else tempfile.TemporaryDirectory() as folder:
        yield fetch(client, where, name, folder)


def fetch(client: MlflowClient, where: str, name: str, folder: str | None) -> Path:
    """Download the artifact ``name`` of a run to ``folder``; the path of the file.

    ``where`` is runs:/RUN_ID, or the run's artifact_uri, which saves a request. If ``folder`` is
    None, the store has to be on this machine: nothing is copied. Raises FileNotFoundError if the
    run has no such artifact, MlflowException or another OSError if it cannot be read, and
    Unavailable if its store does not answer.
    """

    def download() -> Path:
        uri = f"{where}/{name}"
        try:
            return Path(
                download_artifacts(
                    artifact_uri=uri, dst_path=folder, tracking_uri=client.tracking_uri
                )
            )
        except (MlflowException, OSError):
            # MLflow's error may be the same for a file that is not there and a store that fails.
            if _has(client, uri):
                raise
            raise FileNotFoundError(f"{uri} is not there") from None

    return repeated(download, client, f"the artifact store of {name} at {where}")


def _has(client: MlflowClient, uri: str) -> bool:
    parent, _, name = uri.rpartition("/")
    found = list_artifacts(artifact_uri=parent, tracking_uri=client.tracking_uri)
    return any(Path(file.path).name == name for file in found)
