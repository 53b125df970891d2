"""Writing: the MLflow run of one trial."""

import json
import os
import platform
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.time import get_current_time_millis

from benchmark import checkpoint
from benchmark.evaluation import PROTOCOL
from benchmark.metrics import means
from benchmark.settings import Settings
from benchmark.tracking import schema
from benchmark.tracking.server import TrackingError
from benchmark.trainer import Epoch, Trainer
from datasets import Sequences, Spec, Targets

DEFAULT_EXPERIMENT = "0"  # where `mlflow run` puts its run unless it is told otherwise


class Terminated(BaseException):
    """SIGTERM; not an Exception, so that nothing swallows it on its way out."""


class Trial:
    """One trial's run: what is logged while it trains, and how it ends."""

    def __init__(self, client: MlflowClient, run: Run, logged_epochs: int = 0):
        self.client, self.run_id = client, run.info.run_id
        self.experiment = client.get_experiment(run.info.experiment_id).name
        self.logged_epochs = logged_epochs

    @contextmanager
    def ends(self) -> Iterator[None]:
        """Own the run's status: FINISHED, FAILED with the reason, or KILLED by a signal.

        Left to itself MLflow keeps a terminated run RUNNING for ever.
        """

        def terminate(signum, frame):
            raise Terminated

        before = signal.signal(signal.SIGTERM, terminate)
        try:
            yield
        except (KeyboardInterrupt, Terminated):
            self._end("KILLED", "stopped by a signal")
            raise
        except Exception as error:
            self._end("FAILED", f"{type(error).__name__}: {error}")
            raise
        else:
            self._end("FINISHED")
        finally:
            signal.signal(signal.SIGTERM, before)

    def _end(self, status: str, failure: str | None = None) -> None:
        if failure:
            self.client.set_tag(self.run_id, schema.FAILURE, failure[:500])
        self.client.set_terminated(self.run_id, status)

    def log_epoch(self, epoch: Epoch) -> None:
        """Metrics of one epoch, step = epoch. One that a resumed trial repeats is there already."""
        if epoch.number <= self.logged_epochs:
            return
        values = {schema.metric_key("valid", name): v for name, v in epoch.valid.items()}
        values |= {
            "train/loss": epoch.train_loss,
            "train_seconds": epoch.train_seconds,
            "valid_seconds": epoch.valid_seconds,
            "sequences_per_second": epoch.sequences_per_second,
        }
        self._log_metrics(values, epoch.number)

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
            table = _rank_table(sequences, targets, ranks[part])
            self._keep(schema.RANKS.format(part=part), table.to_parquet)
        result = {"best_valid": means(ranks["valid"]), "test": means(ranks["test"])}
        values = {
            schema.metric_key(part, name): value
            for part, metrics in result.items()
            for name, value in metrics.items()
        }
        values |= {"best_epoch": trainer.best_epoch, "trial_seconds": trainer.seconds}
        self._log_metrics(values, trainer.epoch)
        return result

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


def start(
    client: MlflowClient,
    settings: Settings,
    spec: Spec,
    sequences: Sequences,
    device: torch.device,
) -> Trial:
    """A run that says all that is known before the first step."""
    run = _create_run(client, settings, spec)
    params = settings.as_dict()
    tags = {
        schema.DATA_DIGEST: sequences.digest,
        schema.PROTOCOL: f"{spec.split}; {PROTOCOL}",
        schema.COMMAND: settings.command(),
        schema.COMMAND_LINE: shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]]),
        schema.GIT_COMMIT: _git_commit(),
        schema.HOST: socket.gethostname(),
        schema.DEVICE: _device_name(device),
        schema.DATASET_TITLE: spec.title,
        schema.DATASET_CARD: spec.card or "",
        schema.SYNTHETIC: str(spec.synthetic is not None).lower(),
    }
    client.log_batch(
        run.info.run_id,
        # What was given with -P is there already: `mlflow run` logs it, and params never change.
        params=[Param(k, str(v)) for k, v in params.items() if k not in run.data.params],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    client.log_inputs(run.info.run_id, [_dataset_input(spec, sequences)])
    trial = Trial(client, run)
    config = yaml.safe_dump(params, sort_keys=False)
    trial._keep(schema.CONFIG, lambda path: path.write_text(config, encoding="utf-8"))
    return trial


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
    losses = client.get_metric_history(run_id, "train/loss")
    client.update_run(run_id, status="RUNNING")
    logged = max((metric.step for metric in losses), default=0)
    return Trial(client, run, logged), settings, last and Path(last)


def _create_run(client: MlflowClient, settings: Settings, spec: Spec) -> Run:
    """The run that `mlflow run` made, if it stands in an experiment of the user's choice; else a
    new one in the experiment that is named after the data set.

    Without --experiment-name `mlflow run` makes its run in the Default experiment, and a run cannot
    be moved: that one is left with a note of where the trial is.
    """
    launched = os.environ.get("MLFLOW_RUN_ID")
    if launched:
        run = client.get_run(launched)
        if run.info.experiment_id != DEFAULT_EXPERIMENT:
            return run
    experiment = client.get_experiment_by_name(spec.name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        raise TrackingError(
            f"experiment {spec.name!r} is deleted; to restore it: "
            f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        )
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(spec.name)
    name = f"{settings.model} learning_rate={settings.learning_rate} seed={settings.seed}"
    run = client.create_run(experiment_id, run_name=name, tags=resolve_tags())
    if launched:
        note = f"This run only started trial {run.info.run_id} in experiment {spec.name}."
        client.set_tag(launched, "mlflow.note.content", note)
    return run


def _dataset_input(spec: Spec, sequences: Sequences) -> DatasetInput:
    """What `mlflow.log_input` would log; the statistics are its profile."""
    dataset = Dataset(
        name=spec.name,
        digest=sequences.digest,
        source_type="code" if spec.synthetic else "http",
        source=json.dumps({"url": [source.url or source.file for source in spec.sources]}),
        profile=json.dumps(sequences.statistics),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _git_commit() -> str:
    """The commit of the code, with + if files were changed since; empty outside a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("+" if commit and git("status", "--porcelain", "-uno") else "")
    except OSError:  # no git on this machine
        return ""


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), threads: {torch.get_num_threads()}"


def _rank_table(sequences: Sequences, targets: Targets, ranks: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": sequences.user_ids[targets.users],
            "item": sequences.item_ids[sequences.items[targets.positions]],
            "rank": ranks,
        }
    )
