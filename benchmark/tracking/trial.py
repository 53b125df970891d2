"""Writing: the MLflow run of one trial."""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.time import get_current_time_millis

from benchmark import checkpoint
from benchmark.memory import peak_memory
from benchmark.metrics import SELECTION_METRIC, means
from benchmark.ranks import rank_table
from benchmark.settings import Settings
from benchmark.tracking import launcher, provenance, schema, status
from benchmark.tracking.server import TrackingError, experiment_id
from benchmark.trainer import Epoch, Trainer
from datasets import Sequences, Spec


class Trial:
    """One trial's run: what is logged while it trains, and how it ends."""

    def __init__(self, client: MlflowClient, run: Run, logged_epochs: int = 0):
        self.client, self.run, self.run_id = client, run, run.info.run_id
        self.experiment = client.get_experiment(run.info.experiment_id).name
        self.logged_epochs = logged_epochs

    def ends(self) -> AbstractContextManager[None]:
        return status.ends(self.client, self.run_id)

    def log_start(self, settings: Settings, spec: Spec, sequences: Sequences) -> None:
        """All that is known before the first step."""
        params = settings.as_dict()
        tags = provenance.tags(settings, spec, sequences)
        # What was given with -P is there already: `mlflow run` logs it, and params never change.
        new = {key: value for key, value in params.items() if key not in self.run.data.params}
        self.client.log_batch(
            self.run_id,
            params=[Param(key, str(value)) for key, value in new.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._log_data(provenance.data(spec, sequences))
        config = yaml.safe_dump(params, sort_keys=False)
        self._keep(schema.CONFIG, lambda path: path.write_text(config, encoding="utf-8"))

    def _log_data(self, data: DatasetInput) -> None:
        """Of trials that log the same new data set at once, MLflow lets all but one fail: again."""
        for tries_left in reversed(range(5)):
            try:
                return self.client.log_inputs(self.run_id, [data])
            except MlflowException:
                if not tries_left:
                    raise
                time.sleep(random.uniform(0.1, 0.5))

    def log_machine(self, device: torch.device) -> None:
        """Where it trains; after a resumption, where it trained last."""
        tags = [RunTag(key, value) for key, value in provenance.machine(device).items()]
        self.client.log_batch(self.run_id, tags=tags)

    def check_data(self, spec: Spec, sequences: Sequences) -> None:
        """Raises TrackingError if these are not the data, split as they were when it started."""
        before = self.run.data.tags.get(schema.DATA_DIGEST)
        if before != sequences.digest:
            raise TrackingError(
                f"run {self.run_id} cannot be resumed: it was started on data with digest "
                f"{before}, these have {sequences.digest}"
            )
        before, now = self.run.data.tags.get(schema.PROTOCOL, ""), spec.split_of(sequences).name
        if not before.startswith(f"{now};"):
            raise TrackingError(
                f"run {self.run_id} cannot be resumed: it was started with the protocol {before}, "
                f"the data set's split is now {now}"
            )

    def log_epoch(self, epoch: Epoch) -> None:
        """Metrics of one epoch, step = epoch. One that a resumed trial repeats is there already."""
        if epoch.number <= self.logged_epochs:
            return
        values = {schema.metric_key("valid", name): v for name, v in epoch.valid.items()}
        values |= {
            **({} if epoch.train_loss is None else {"train/loss": epoch.train_loss}),
            "train_seconds": epoch.train_seconds,
            "valid_seconds": epoch.valid_seconds,
            "sequences_per_second": epoch.sequences_per_second,
        }
        self._log_metrics(values, epoch.number)

    def curve(self) -> list[float]:
        """The validation metric after each epoch."""
        key = schema.metric_key("valid", SELECTION_METRIC)
        history = self.client.get_metric_history(self.run_id, key)
        return [metric.value for metric in sorted(history, key=lambda metric: metric.step)]

    def log_checkpoint(self, trainer: Trainer, best: bool) -> None:
        """The state to go on from and, for the best epoch so far, its weights alone."""
        if best:
            values = {"epoch": trainer.best_epoch, "valid": trainer.best_valid}
            self._keep(schema.BEST, lambda p: checkpoint.save(p, trainer.best_weights, values))
        self._keep(schema.LAST, lambda path: checkpoint.save(path, *trainer.state()))

    def log_result(
        self, trainer: Trainer, ranks: dict[str, np.ndarray], sequences: Sequences
    ) -> dict[str, dict[str, float]]:
        """Per-user ranks, and what follows from them: {"best_valid": metrics, "test": metrics}."""
        for part, targets in (("valid", trainer.split.valid), ("test", trainer.split.test)):
            table = rank_table(sequences, trainer.split, targets, ranks[part])
            self._keep(schema.RANKS.format(part=part), table.to_parquet)
        result = {"best_valid": means(ranks["valid"]), "test": means(ranks["test"])}
        self._log_end(trainer, result)
        return result

    def log_pruned(self, trainer: Trainer, why: str) -> None:
        """It was not worth going on with, and is not evaluated on test."""
        self._log_end(trainer, {"best_valid": trainer.best_valid})
        self.client.set_tag(self.run_id, schema.PRUNED, why)

    def _log_end(self, trainer: Trainer, result: dict[str, dict[str, float]]) -> None:
        values = {
            schema.metric_key(part, name): value
            for part, metrics in result.items()
            for name, value in metrics.items()
        }
        values |= {
            "best_epoch": trainer.best_epoch,
            "last_epoch": trainer.epoch,
            "trial_seconds": trainer.seconds,
            "parameters": sum(p.numel() for p in trainer.model.parameters()),
            "peak_memory_mb": peak_memory(trainer.device),
        }
        self._log_metrics(values, trainer.epoch)

    def _log_metrics(self, values: dict[str, float], step: int) -> None:
        now = get_current_time_millis()
        metrics = [Metric(key, value, now, step) for key, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def _keep(self, name: str, write: Callable[[Path], object]) -> None:
        """``write`` a file, and keep it as the artifact of that name."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(name).name)
            write(path)
            parent = Path(name).parent.as_posix()
            self.client.log_artifact(self.run_id, path, None if parent == "." else parent)


def start(client: MlflowClient, settings: Settings, spec: Spec) -> Trial:
    """A run for a new trial.

    It is the run that `mlflow run` made, if that stands in an experiment of the user's choice; else
    a new one in the experiment that is named after the data set.
    """
    run = launcher.given_run(client)
    if run is None:
        rate = f" lr={settings.learning_rate}" if settings.has("learning_rate") else ""
        name = f"{settings.model}{rate} seed={settings.seed}"
        where = experiment_id(client, spec.name)
        run = client.create_run(where, run_name=name, tags=resolve_tags())
        launcher.leave_note(client, "trial", run)
    return Trial(client, run)


def resume(client: MlflowClient, run_id: str) -> tuple[Trial, Settings, Path | None]:
    """The run of a trial that did not finish, its settings, and its last checkpoint, if any.

    Raises TrackingError if there is no such run or nothing to go on with.
    """
    try:
        run = client.get_run(run_id)
        if run.info.status == "FINISHED":
            raise TrackingError(f"run {run_id} has finished: there is nothing to resume")
        folder = tempfile.mkdtemp()
        config = client.download_artifacts(run_id, schema.CONFIG, folder)
        settings = Settings(**yaml.safe_load(Path(config).read_text(encoding="utf-8")))
        kept = client.list_artifacts(run_id, str(Path(schema.LAST).parent))
        last = client.download_artifacts(run_id, schema.LAST, folder) if kept else None
    except (MlflowException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise TrackingError(f"run {run_id} cannot be resumed: {error}") from None
    epochs = client.get_metric_history(run_id, "train_seconds")
    trial = Trial(client, run, max((metric.step for metric in epochs), default=0))
    return trial, settings, last and Path(last)
