"""The MLflow run of one trial."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from benchmark.data import Data
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings
from benchmark.tracking import launcher, provenance, schema
from benchmark.tracking.inputs import inputs
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.messages import Discard, Labels, Metrics
from benchmark.tracking.outbox.model import Model
from benchmark.tracking.outbox.outbox import Outbox, check_room
from benchmark.tracking.outbox.recovery import own, reopen
from benchmark.tracking.outbox.shown import ExperimentTags, NameSuffix, Note
from benchmark.tracking.reading.artifacts import fetch
from benchmark.tracking.reading.settings import stored_settings
from benchmark.tracking.reading.trials import curve
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing import status, system_metrics
from benchmark.tracking.writing.descriptions import experiment_tags, of_trial
from benchmark.training.results import Epoch, Machine, Result
from datasets import DataError
from datasets.specs.spec import Spec
from models import changed_version, is_outside, outside, versions

Write = Callable[[Path], object]
"""Writes a file at the path. Raises OSError if it cannot."""


class Trial:
    """The run of one trial: what is logged while it trains, and how it ends.

    Everything waits in the outbox until the server has it. Training waits for nothing.
    """

    def __init__(self, client: MlflowClient, run: Run, outbox: Outbox):
        self.client = client
        self.run = run
        self.run_id: str = run.info.run_id
        self.experiment: str = client.get_experiment(run.info.experiment_id).name
        self.outbox = outbox
        self.tags = dict(run.data.tags)
        self.logged_epochs = outbox.epoch
        self.next_slot = 0

    def ends(self) -> AbstractContextManager[None]:
        """See ``status.ends``. A finished trial has nothing to resume: its states are deleted."""
        return status.ends(self.outbox, [Discard(str(Path(schema.LAST).parent))])

    def release(self) -> None:
        """Give the run up to other processes, if it has not ended."""
        self.outbox.close(0)

    def log_start(self, settings: Settings, data: Data) -> None:
        """Log all that is known before the first step."""
        params = settings.as_dict() | self._keep_source(settings.model)
        logged = params | versions(settings.model, params)
        # `mlflow run` has logged what was given with -P, and params never change.
        new = {key: value for key, value in logged.items() if key not in self.run.data.params}
        protocol = data.protocol(settings)
        tags = provenance.tags(settings, data, protocol)
        self.tags |= tags
        self.outbox.say(Labels(params=new, tags=tags))
        for message in inputs(data):
            self.outbox.say(message)
        self._keep_text(schema.CONFIG, yaml.safe_dump(params, sort_keys=False))
        self._keep_text(schema.CARD, data.card.render())
        about = experiment_tags(self.experiment, data, protocol)
        self.outbox.say(ExperimentTags(about))

    def system_metrics(self) -> AbstractContextManager[None]:
        """See ``system_metrics.logged``."""
        return system_metrics.logged(self.client, self.outbox, self.run)

    def log_machine(self, machine: Machine) -> None:
        """Log where it trains; after a resumption, where it trained last."""
        tags = {schema.HOST: machine.host, schema.DEVICE: machine.device}
        self.outbox.say(Labels(tags=tags))

    def check_resumable(self, settings: Settings, data: Data) -> None:
        """Raises TrackingError if the trial was started on other data, under another protocol, or
        with another version of its model."""
        before = self.run.data.tags.get(schema.DATA_DIGEST)
        if before != data.sequences.digest:
            raise TrackingError(
                f"run {self.run_id} cannot be resumed: it was started on data with digest "
                f"{before}, these have {data.sequences.digest}"
            )
        before = self.run.data.tags.get(schema.PROTOCOL)
        protocol = data.protocol(settings)
        if before != protocol:
            raise TrackingError(
                f"run {self.run_id} cannot be resumed: it was started with the protocol "
                f"{before!r}, which is now {protocol!r}"
            )
        now = versions(settings.model, settings.as_dict())
        if changed := changed_version(self.run.data.params, now):
            raise TrackingError(
                f"run {self.run_id} cannot be resumed: {changed}; delete the run, and start the "
                "trial again"
            )

    def log_epoch(self, epoch: Epoch) -> None:
        """Log the metrics of one epoch, step = epoch, unless they were logged before a resumption.

        Raises what ``Outbox.check`` raises.
        """
        self.outbox.check()
        if epoch.number <= self.logged_epochs:
            return
        values = schema.logged(epoch.part, epoch.valid, one_target=epoch.one_target)
        if epoch.train_loss is not None:
            values["train/loss"] = epoch.train_loss
            values["sequences_per_second"] = epoch.sequences_per_second
        values |= {f"tried/{name}": value for name, value in epoch.variant.items()}
        values[schema.EPOCH_LOGGED] = epoch.train_seconds
        values["valid_seconds"] = epoch.valid_seconds
        self.outbox.say(Metrics(values, epoch.number, get_current_time_millis()))

    def curve(self) -> list[float]:
        """The validation metric after each epoch."""
        return curve(self.client, self.run_id)

    def keep_best(self, write: Write) -> None:
        """Keep the weights of the best epoch so far."""
        self.outbox.keep(schema.BEST, write)

    def keep_state(self, write: Write) -> None:
        """Keep the state to resume from. Two slots take turns: one is whole at any time."""
        self.outbox.keep(schema.LAST.format(slot=self.next_slot), write)
        self.next_slot = 1 - self.next_slot

    def saved_states(self, folder: Path) -> list[Path]:
        """Download the states that were kept, none to two, to a folder."""
        kept = self.client.list_artifacts(self.run_id, str(Path(schema.LAST).parent))
        names = [schema.LAST.format(slot=slot) for slot in (0, 1)]
        found = [name for name in names if any(file.path == name for file in kept)]
        where = self.run.info.artifact_uri
        return [fetch(self.client, where, name, str(folder)) for name in found]

    def resumed_from(self, state: Path) -> None:
        """The trial continues from one of ``saved_states``: the other slot is written next."""
        self.next_slot = int(state.name == Path(schema.LAST.format(slot=0)).name)

    def log_result(self, result: Result) -> None:
        """Log the rank of each target, the best items, and the metrics and costs of the trial."""
        for part, table in result.ranks.items():
            self.outbox.keep(schema.RANKS.format(part=part), table.to_parquet)
        for part, table in result.lists.items():
            self.outbox.keep(schema.LISTS.format(part=part), table.to_parquet)
        values: dict[str, float] = {}
        for part, metrics in result.metrics.items():
            values |= schema.logged(part, metrics, one_target=result.one_target)
        values |= {
            "best_epoch": result.best_epoch,
            "last_epoch": result.last_epoch,
            "trial_seconds": result.seconds,
            "parameters": result.parameters,
            "peak_memory_mb": result.peak_memory_mb,
        }
        values |= {f"{schema.BEST_TRIED}{name}": v for name, v in result.variant.items()}
        if result.energy_kwh is not None:
            values[schema.ENERGY] = result.energy_kwh
            self.outbox.say(Labels(tags={schema.ENERGY_SOURCE: result.energy_source}))
        now = get_current_time_millis()
        self.outbox.say(Metrics(values, schema.WHOLE_TRIAL, now))
        self.outbox.say(Note(of_trial(result, self.experiment, self.tags)))
        if "test" in result.metrics:
            self.outbox.say(Model(result.best_epoch, values, now))

    def log_pruned(self, result: Result) -> None:
        """Log the result of a trial that the pruner stopped, and when it was stopped."""
        self.log_result(result)
        tags = {schema.PRUNED: f"after epoch {result.last_epoch}"}
        self.outbox.say(Labels(tags=tags))
        self.outbox.say(NameSuffix(" (pruned)"))

    def _keep_source(self, model: str) -> dict[str, Value]:
        """Keep the source of a model outside this repository; the parameter with its digest."""
        if not is_outside(model):
            return {}
        source = outside.load(model).source
        for name, content in source.files.items():
            self.outbox.keep(f"{schema.SOURCE}/{name}", partial(_write, content))
        return {schema.SOURCE: source.digest}

    def _keep_text(self, name: str, text: str) -> None:
        self.outbox.keep(name, lambda path: path.write_text(text, encoding="utf-8"))


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def start(client: MlflowClient, settings: Settings, spec: Spec, *, take: bool = True) -> Trial:
    """The run of a new trial.

    It belongs to the experiment that is named after the data set, unless the user chose another;
    ``take``: it may be the run of `mlflow run` (see ``launcher.new_run``). Raises
    TrackingError if the server does not answer.
    """
    check_room()
    rate = f" lr={settings.learning_rate}" if settings.has("learning_rate") else ""
    name = f"{settings.model_name}{rate} seed={settings.seed}"
    try:
        run, launched = launcher.new_run(client, spec.name, name, {}, take=take)
        if not launched:
            launcher.leave_note(client, "trial", run)
        outbox = Outbox(client, run.info.run_id)
        outbox.claim(client)
        return Trial(client, run, outbox)
    except MlflowException as error:
        raise TrackingError(f"no run could be made: {reason(error)}") from None


def resume(client: MlflowClient, run_id: str) -> tuple[Trial, Settings]:
    """The run of a trial that did not finish, and its settings. Its outbox is delivered first.

    Raises TrackingError if there is no such run or nothing to resume.
    """
    outbox = reopen(client, run_id)
    try:
        run = client.get_run(run_id)
        if run.info.status == "FINISHED":
            raise TrackingError(f"run {run_id} has finished: there is nothing to resume")
        settings = stored_settings(client, run_id)
        own(client, outbox)
        return Trial(client, run, outbox), settings
    except BaseException as error:
        outbox.close(0)
        if isinstance(error, MlflowException | OSError | TypeError | ValueError | DataError):
            raise TrackingError(f"run {run_id} cannot be resumed: {reason(error)}") from None
        raise
