"""Messages whose content MLflow's pages show, and on which no result depends."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from benchmark.tracking import schema
from benchmark.tracking.outbox.messages import Message


@dataclass(frozen=True)
class ExperimentTags(Message):
    """Tags of the run's experiment. Those that the experiment has already stay as they are."""

    kind = "experiment"

    tags: dict[str, str]

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        experiment_id = client.get_run(run_id).info.experiment_id
        present = client.get_experiment(experiment_id).tags
        for name, text in self.tags.items():
            if name not in present:
                client.set_experiment_tag(experiment_id, name, text)


@dataclass(frozen=True)
class Note(Message):
    """The description of the run. It replaces an earlier one, but not one that a user wrote."""

    kind = "note"

    text: str

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        tags = client.get_run(run_id).data.tags
        present = tags.get(MLFLOW_RUN_NOTE)
        if present and _digest(present) != tags.get(schema.NOTE):
            return
        text = self.text[: schema.LONGEST]
        ours = {MLFLOW_RUN_NOTE: text, schema.NOTE: _digest(text)}
        client.log_batch(run_id, tags=[RunTag(name, text) for name, text in ours.items()])


@dataclass(frozen=True)
class BestPoint(Message):
    """The best point of a sweep, as tags with the prefix ``schema.BEST_POINT``, and no others."""

    kind = "best"

    values: dict[str, str]

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        tags = {f"{schema.BEST_POINT}{name}": text for name, text in self.values.items()}
        for name in client.get_run(run_id).data.tags:
            if name.startswith(schema.BEST_POINT) and name not in tags:
                client.delete_tag(run_id, name)
        client.log_batch(run_id, tags=[RunTag(name, text) for name, text in tags.items()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class NameSuffix(Message):
    """The end of the run's name."""

    kind = "suffix"

    text: str

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        name = client.get_run(run_id).info.run_name
        if not name.endswith(self.text):
            client.update_run(run_id, name=f"{name}{self.text}")
