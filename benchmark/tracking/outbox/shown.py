"""Messages whose content MLflow's pages show, and on which no result depends."""

from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

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
