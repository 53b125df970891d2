"""What a run tells the tracking server: one class for each kind of request; ``shown`` has those
whose content MLflow's pages show alone.

A message does no harm when it is delivered twice, so that it can be sent again after an answer
that never arrived: MLflow's SQL stores keep one of two metrics with the same key, step, value and
time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from benchmark.tracking import schema
from benchmark.tracking.outage import reason


@dataclass(frozen=True)
class Message(ABC):
    """One request about one run. Its fields are JSON values."""

    kind: ClassVar[str]
    """The name of the class on disk."""

    @property
    def epoch(self) -> int:
        """The epoch that the message reports; 0 if it reports none."""
        return 0

    @abstractmethod
    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        """Make the request. ``attachments`` is the folder of the file that the message sends.

        Raises MlflowException or requests.RequestException if the server does not take it.
        """


@dataclass(frozen=True)
class Metrics(Message):
    kind = "metrics"

    values: dict[str, float]
    step: int
    """The epoch, or the number of a sample of system metrics."""
    time: int
    """Milliseconds since 1970."""

    @property
    def epoch(self) -> int:
        return self.step if schema.EPOCH_LOGGED in self.values else 0

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        metrics = [Metric(key, value, self.time, self.step) for key, value in self.values.items()]
        client.log_batch(run_id, metrics=metrics)


@dataclass(frozen=True)
class Labels(Message):
    """Params, which never change once they are logged, and tags."""

    kind = "settings"

    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        client.log_batch(
            run_id,
            params=[Param(key, str(value)) for key, value in self.params.items()],
            tags=[RunTag(key, value) for key, value in self.tags.items()],
        )


@dataclass(frozen=True)
class Input(Message):
    """A part of the data set that a run uses.

    When several runs log the same new data set at once, MLflow refuses all but one: the outbox
    delivers a refused message again.
    """

    kind = "data"

    dataset: dict[str, str]
    """The fields of mlflow.entities.Dataset."""
    context: str = "training"
    """What the run uses it for: one of ``inputs.CONTEXTS``."""

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        context = [InputTag(MLFLOW_DATASET_CONTEXT, self.context)]
        client.log_inputs(run_id, [DatasetInput(Dataset(**self.dataset), context)])


@dataclass(frozen=True)
class Artifact(Message):
    kind = "artifact"

    name: str
    """The path below the run's artifacts; the file has the same last part."""

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        folder = Path(self.name).parent.as_posix()
        file = attachments / Path(self.name).name
        client.log_artifact(run_id, str(file), None if folder == "." else folder)


@dataclass(frozen=True)
class Status(Message):
    kind = "status"

    status: str
    """MLflow's: RUNNING, FINISHED, FAILED or KILLED."""
    time: int | None = None
    """When the run ended, in milliseconds since 1970; None while it runs."""

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        if self.status == "FINISHED":
            # While this message waited, a sweep may have noted that the trial's process had died.
            Untag(schema.FAILURE).deliver(client, run_id, attachments)
        if self.time is None:
            client.update_run(run_id, status=self.status)
        else:
            client.set_terminated(run_id, self.status, self.time)


@dataclass(frozen=True)
class Untag(Message):
    """Removes a tag, if the run has it."""

    kind = "untag"

    name: str

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        if self.name in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, self.name)


@dataclass(frozen=True)
class Discard(Message):
    """Deletes artifacts that the run needs no more. A store that does not delete keeps them."""

    kind = "discard"

    folder: str
    """The path below the run's artifacts."""

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        where = client.get_run(run_id).info.artifact_uri
        try:
            store = get_artifact_repository(where, tracking_uri=client.tracking_uri)
            store.delete_artifacts(self.folder)
        except Exception as error:  # of any store; nothing depends on it
            print(f"{self.folder} of run {run_id} is not deleted: {reason(error)}", flush=True)
