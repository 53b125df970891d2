"""One attempt at a trial: from its last checkpoint, or from the start, to its end or its
failure."""

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

import models
from benchmark import interruption
from benchmark.data import Data
from benchmark.errors import MachineError, TakenOver, UserError
from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.progress import print_epoch
from benchmark.settings.settings import Settings
from benchmark.tracking.server import TrackingError, connect_patiently
from benchmark.tracking.writing.status import has_ended
from benchmark.tracking.writing.trial import Trial, resume
from benchmark.training import checkpoint, device, estimate, state, workers
from benchmark.training.checkpoint import CheckpointError, State
from benchmark.training.results import Epoch, Result
from benchmark.training.trainer import Trainer
from datasets.errors import masked
from models.outside import why

Prune = Callable[[int, float], bool]
"""Whether to stop a trial: by the number of an epoch, and its validation metric."""

OnEpoch = Callable[[Epoch], object]
"""Function that is called after each epoch."""


def attempt(tracking_uri: str, data: Data, run_id: str, prune: Prune | None = None) -> None:
    """Train the trial of a run that a sweep has prepared. Its end or its failure is logged.

    Raises TrackingError or MachineError, which the next trial would meet, too, and nothing else:
    the trial's own failure does not stop the sweep.
    """
    client = connect_patiently(tracking_uri)
    if has_ended(client, run_id):  # an earlier worker was lost after the trial's end
        return
    trial, settings = resume(client, run_id)
    try:
        trial.check_resumable(settings, data)  # a refusal does not end the trial
    except BaseException:
        trial.release()
        raise
    try:
        with trial.ends():
            trainer = resumed(settings, data, last_state(trial))
            if prune and _would_have_pruned(prune, trial.curve()[: trainer.course.epoch]):
                trial.log_pruned(trainer.pruned_result())
            else:
                train(trial, trainer, prune)
    except (MachineError, TrackingError):
        raise
    except TakenOver as error:  # the sweep may have lost all of its trials
        raise TrackingError(str(error)) from None
    except Exception as error:  # trial.ends() has logged it with its trace
        reason = str(error) if isinstance(error, UserError) else why(error)
        tqdm.write(f"trial {run_id} failed: {masked(reason)}", file=sys.stderr)


def _would_have_pruned(prune: Prune, curve: list[float]) -> bool:
    """Ask the pruner again about the epochs before the interruption: it learns from each."""
    answers = [prune(number, score) for number, score in enumerate(curve, start=1)]
    return any(answers)


def complete(
    trial: Trial, trainer: Trainer, data: Data, *, new: bool, on_epoch: OnEpoch | None = None
) -> Result:
    """Train a trial that no sweep has prepared to its end; the start of a ``new`` one is logged.

    ``on_epoch`` is called after each epoch, in place of the line that is printed.
    """
    with trial.ends():
        if new:
            trial.log_start(trainer.settings, data)
        print(f"trial {trial.run_id} in experiment {trial.experiment}", flush=True)
        result = train(trial, trainer, on_epoch=on_epoch)
    assert result, "nobody prunes it"
    return result


def train(
    trial: Trial,
    trainer: Trainer,
    prune: Prune | None = None,
    on_epoch: OnEpoch | None = None,
) -> Result | None:
    """Train to the end and log everything; the result, or None if the trial was pruned."""
    trial.log_machine(device.describe(trainer.device))
    if line := estimate.announcement(trainer):
        print(line, flush=True)
    with (
        trial.system_metrics(),
        trainer.energy.measuring(),
        _naming_the_check(trainer.settings.model),
    ):
        if not _train_epochs(trial, trainer, prune, on_epoch or print_epoch):
            trial.log_pruned(trainer.pruned_result())
            return None
        result = trainer.result()
    trial.log_result(result)
    return result


@contextmanager
def _naming_the_check(model: str) -> Iterator[None]:
    """The traceback of an error in another model's code ends with the command that finds it."""
    try:
        yield
    except Exception as error:
        if models.is_outside(model) and not isinstance(error, UserError):
            command = shlex.join(["python", "-m", "benchmark.check", model])
            error.add_note(f"to look for a mistake in the model: {command}")
        raise


def _train_epochs(trial: Trial, trainer: Trainer, prune: Prune | None, on_epoch: OnEpoch) -> bool:
    """Train to the end and log each epoch; False if the trial was pruned before."""
    done, total = trainer.course.epoch, trainer.course.most_epochs
    with (
        tqdm(initial=done, total=total, unit="epoch", disable=None, leave=False) as bar,
        _saving_when_stopped(trial, trainer),
    ):
        for epoch in trainer.epochs():
            trial.log_epoch(epoch)
            if epoch.improved:
                trial.keep_best(lambda path: checkpoint.save(path, *trainer.best_state()))
            _keep_state(trial, trainer)
            best = trainer.course.best_valid[SELECTION_METRIC]
            bar.set_postfix_str(f"best {SELECTION_METRIC} {best:.4f}", refresh=False)
            bar.update()
            with bar.external_write_mode():  # the bar makes room for a line
                on_epoch(epoch)
            trains = epoch.train_loss is not None
            if prune and trains and prune(epoch.number, epoch.valid[SELECTION_METRIC]):
                return False
    return True


def resumed(settings: Settings, data: Data, saved: State | None) -> Trainer:
    """The trial in progress, in the state of ``last_state``."""
    trainer = data.trainer(settings)
    if saved:
        state.restore(trainer, *saved)
    return trainer


def state_to_resume(trial: Trial, settings: Settings, data: Data) -> State | None:
    """The state that the trial resumes from; None if it was interrupted in its first epoch.

    Raises TrackingError if the trial was started on other data, under another protocol, or with
    another version of its model.
    """
    trial.check_resumable(settings, data)
    return last_state(trial)


def last_state(trial: Trial) -> State | None:
    """The newest undamaged state of an interrupted trial; None if it was interrupted before the
    first one. A damaged state is reported on stderr."""
    states = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in trial.saved_states(Path(folder)):
            try:
                states[path] = checkpoint.load(path)
            except CheckpointError as error:
                where = f"{path.name} of run {trial.run_id}"
                print(f"damaged checkpoint, not used: {where}: {error}", file=sys.stderr)
    if not states:
        return None
    newest = max(states, key=lambda path: (states[path][1]["epoch"], states[path][1]["batch"]))
    trial.resumed_from(newest)
    return states[newest]


def _keep_state(trial: Trial, trainer: Trainer) -> None:
    trial.keep_state(lambda path: checkpoint.save(path, *state.capture(trainer)))


@contextmanager
def _saving_when_stopped(trial: Trial, trainer: Trainer) -> Iterator[None]:
    """A signal takes effect between two steps, and the state there is kept."""
    try:
        with interruption.between_steps():
            yield
    except (KeyboardInterrupt, interruption.Terminated):
        # Processes that share a trial are at different steps: the last epoch's state is kept.
        if not interruption.hurried() and workers.size() == 1:
            _keep_state(trial, trainer)
        raise
