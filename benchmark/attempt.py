"""One attempt at a trial: from its last checkpoint, or from nothing, to its end or its failure."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click
from tqdm import tqdm

from benchmark import interruption
from benchmark.errors import MachineError
from benchmark.metrics import SELECTION_METRIC
from benchmark.tracking import server
from benchmark.tracking.writing import status
from benchmark.tracking.writing import trial as tracked_trial
from benchmark.training import workers
from benchmark.training.trainer import Epoch, Trainer
from datasets import Sequences, Spec

Prune = Callable[[int, float], bool]
"""Whether to stop, by the number of an epoch and its validation metric."""


def attempt(
    tracking_uri: str, spec: Spec, sequences: Sequences, run_id: str, prune: Prune | None = None
) -> None:
    """Train the trial that is on record under this id. Whatever becomes of it is on record, too:
    no Exception leaves here unless the tracking server or the machine is at fault."""
    client = server.reconnect(tracking_uri)
    if status.has_ended(client, run_id):  # but its worker was lost before it could say so
        return
    trial, settings = tracked_trial.resume(client, run_id)
    try:
        with trial.ends():
            trial.check_data(spec, sequences)
            trainer = Trainer(settings, sequences, spec.split_of(sequences), step_bar)
            if state := trial.last_state():
                trainer.restore(*state)
            # What it was asked about before it was cut off leads to the same answers.
            before = enumerate(trial.curve()[: trainer.epoch], start=1) if prune else ()
            answers = [prune(number, score) for number, score in before]
            if any(answers):
                trial.log_pruned(trainer, f"after epoch {trainer.epoch}")
            else:
                train(trial, trainer, sequences, prune)
    except (MachineError, server.TrackingError):  # which the next trial would meet, too
        raise
    except Exception:  # which trial.ends() has recorded, with its traceback
        pass


def train(
    trial: tracked_trial.Trial, trainer: Trainer, sequences: Sequences, prune: Prune | None = None
) -> dict[str, dict[str, float]] | None:
    """To the end, with all that is logged; the metrics of its best epoch, or None if pruned."""
    trial.log_machine(trainer.device)
    total = trainer.last_epoch
    with (
        tqdm(initial=trainer.epoch, total=total, unit="epoch", disable=None, leave=False) as bar,
        _leaving_a_state(trial, trainer),
    ):
        for epoch in trainer.epochs():
            trial.log_epoch(epoch)
            trial.log_checkpoint(trainer, best=epoch.improved)
            best = trainer.best_valid[SELECTION_METRIC]
            bar.set_postfix_str(f"best {SELECTION_METRIC} {best:.4f}", refresh=False)
            bar.update()
            with bar.external_write_mode():  # the bar makes room for a line
                click.echo(_line(epoch))
            if prune and prune(epoch.number, epoch.valid[SELECTION_METRIC]):
                return trial.log_pruned(trainer, f"after epoch {epoch.number}")
    return trial.log_result(trainer, trainer.final_ranks(), sequences)


@contextmanager
def _leaving_a_state(trial: tracked_trial.Trial, trainer: Trainer) -> Iterator[None]:
    """A signal is heeded between two steps, and the state there is kept."""
    try:
        with interruption.between_steps():
            yield
    except (KeyboardInterrupt, interruption.Terminated):
        # Processes that share a trial are not all at the same step: the last epoch is kept.
        if not interruption.hurried() and workers.size() == 1:
            trial.log_checkpoint(trainer, best=False)
        raise


def step_bar(steps: Iterable, *, total: int, desc: str, initial: int = 0) -> Iterator:
    """A progress bar, and places where a signal is heeded."""
    for step in tqdm(
        steps, total=total, desc=desc, initial=initial, unit="batch", leave=False, disable=None
    ):
        interruption.heed()
        yield step


def _line(epoch: Epoch) -> str:
    mark = "  *" if epoch.improved else ""
    loss = "counted" if epoch.train_loss is None else f"loss {epoch.train_loss:.4f}"
    return (
        f"epoch {epoch.number}: {loss}  "
        f"valid {SELECTION_METRIC} {epoch.valid[SELECTION_METRIC]:.4f}  "
        f"{epoch.train_seconds:.1f} s + {epoch.valid_seconds:.1f} s{mark}"
    )
