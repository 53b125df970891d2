"""Writing: the MLflow run of one trial."""

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import click
import numpy as np
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.time import get_current_time_millis

from benchmark.metrics import means
from benchmark.settings import Settings
from benchmark.tracking import launcher, provenance, schema
from benchmark.tracking.outbox.messages import reason
from benchmark.tracking.outbox.outbox import Outbox, check_room
from benchmark.tracking.outbox.recovery import reopen
from benchmark.tracking.reading.trials import curve
from benchmark.tracking.server import TrackingError, experiment_id
from benchmark.tracking.writing import status
from benchmark.training import checkpoint
from benchmark.training.checkpoint import CheckpointError
from benchmark.training.memory import peak_memory
from benchmark.training.ranks import rank_table
from benchmark.training.trainer import Epoch, Trainer
from datasets import DataError, Sequences, Spec, card, plain_yaml


class Trial:
    """One trial's run: what is logged while it trains, and how it ends.

    What it logs waits in its outbox until the server has it; training waits for nothing.
    """

    def __init__(self, client: MlflowClient, run: Run, outbox: Outbox):
        self.client, self.run, self.run_id = client, run, run.info.run_id
        self.experiment = client.get_experiment(run.info.experiment_id).name
        self.outbox, self.logged_epochs = outbox, outbox.epoch
        self.next_slot = 0

    def ends(self) -> AbstractContextManager[None]:
        return status.ends(self.outbox)

    def release(self) -> None:
        """Leave it to others, if it has not ended."""
        self.outbox.close(0)

    def log_start(self, settings: Settings, spec: Spec, sequences: Sequences) -> None:
        """All that is known before the first step."""
        params = settings.as_dict()
        # What was given with -P is there already: `mlflow run` logs it, and params never change.
        new = {key: value for key, value in params.items() if key not in self.run.data.params}
        tags = provenance.tags(settings, spec, sequences)
        self.outbox.say("settings", params=new, tags=tags)
        self.outbox.say("data", dataset=provenance.data(spec, sequences))
        config = yaml.safe_dump(params, sort_keys=False)
        self.outbox.keep(schema.CONFIG, lambda path: path.write_text(config, encoding="utf-8"))
        page = card.render(spec, sequences)
        self.outbox.keep(schema.CARD, lambda path: path.write_text(page, encoding="utf-8"))

    def log_machine(self, device: torch.device) -> None:
        """Where it trains; after a resumption, where it trained last."""
        self.outbox.say("settings", params={}, tags=provenance.machine(device))

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
            schema.EPOCH_LOGGED: epoch.train_seconds,
            "valid_seconds": epoch.valid_seconds,
            "sequences_per_second": epoch.sequences_per_second,
        }
        self._log_metrics(values, epoch.number)

    def curve(self) -> list[float]:
        """The validation metric after each epoch."""
        return curve(self.client, self.run_id)

    def log_checkpoint(self, trainer: Trainer, best: bool) -> None:
        """The state to go on from and, for the best epoch so far, its weights alone."""
        if best:
            values = {"epoch": trainer.best_epoch, "valid": trainer.best_valid}
            self.outbox.keep(
                schema.BEST, lambda path: checkpoint.save(path, trainer.best_weights, values)
            )
        name = schema.LAST.format(slot=self.next_slot)
        self.outbox.keep(name, lambda path: checkpoint.save(path, *trainer.state()))
        self.next_slot = 1 - self.next_slot

    def last_state(self) -> tuple[dict[str, torch.Tensor], dict] | None:
        """The newest whole checkpoint, or None if it was cut off before the first; one that is
        damaged is said aloud."""
        states = {}
        with tempfile.TemporaryDirectory() as folder:
            kept = self.client.list_artifacts(self.run_id, str(Path(schema.LAST).parent))
            for name in (schema.LAST.format(slot=slot) for slot in (0, 1)):
                if not any(file.path == name for file in kept):
                    continue
                path = Path(self.client.download_artifacts(self.run_id, name, folder))
                try:
                    states[name] = checkpoint.load(path)
                except CheckpointError as error:
                    click.echo(f"damaged, and left: {name} of run {self.run_id}: {error}", err=True)
        if not states:
            return None
        newest = max(states, key=lambda name: _progress(states[name][1]))
        self.next_slot = int(newest == schema.LAST.format(slot=0))
        return states[newest]

    def log_result(
        self, trainer: Trainer, ranks: dict[str, np.ndarray], sequences: Sequences
    ) -> dict[str, dict[str, float]]:
        """Per-user ranks, and what follows from them: {"best_valid": metrics, "test": metrics}."""
        for part, targets in (("valid", trainer.split.valid), ("test", trainer.split.test)):
            table = rank_table(sequences, trainer.split, targets, ranks[part])
            self.outbox.keep(schema.RANKS.format(part=part), table.to_parquet)
        result = {"best_valid": means(ranks["valid"]), "test": means(ranks["test"])}
        self._log_end(trainer, result)
        return result

    def log_pruned(self, trainer: Trainer, why: str) -> None:
        """It was not worth going on with, and is not evaluated on test."""
        self._log_end(trainer, {"best_valid": trainer.best_valid})
        self.outbox.say("settings", params={}, tags={schema.PRUNED: why})

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
        self.outbox.say("metrics", values=values, step=step, time=get_current_time_millis())


def _progress(values: dict) -> tuple[int, int]:
    """Of a state: whole epochs, and batches of the next one."""
    return values["epoch"], values["batch"]


def start(client: MlflowClient, settings: Settings, spec: Spec) -> Trial:
    """A run for a new trial.

    It is the run that `mlflow run` made, if that stands in an experiment of the user's choice; else
    a new one in the experiment that is named after the data set. Raises TrackingError if the
    server does not answer.
    """
    check_room()
    try:
        run = launcher.given_run(client)
        if run is None:
            rate = f" lr={settings.learning_rate}" if settings.has("learning_rate") else ""
            name = f"{settings.model}{rate} seed={settings.seed}"
            where = experiment_id(client, spec.name)
            run = client.create_run(where, run_name=name, tags=resolve_tags())
            launcher.leave_note(client, "trial", run)
        return Trial(client, run, Outbox(client, run.info.run_id))
    except MlflowException as error:
        raise TrackingError(f"no run could be made: {reason(error)}") from None


def resume(client: MlflowClient, run_id: str) -> tuple[Trial, Settings]:
    """The run of a trial that did not finish, with all that it had to say, and its settings.

    Raises TrackingError if there is no such run or nothing to go on with.
    """
    outbox = reopen(client, run_id)
    try:
        run = client.get_run(run_id)
        if run.info.status == "FINISHED":
            raise TrackingError(f"run {run_id} has finished: there is nothing to resume")
        with tempfile.TemporaryDirectory() as folder:
            config = client.download_artifacts(run_id, schema.CONFIG, folder)
            settings = Settings(**plain_yaml.read(Path(config)))
        return Trial(client, run, outbox), settings
    except BaseException as error:
        outbox.close(0)
        if isinstance(error, MlflowException | OSError | TypeError | ValueError | DataError):
            raise TrackingError(f"run {run_id} cannot be resumed: {reason(error)}") from None
        raise
