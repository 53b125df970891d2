"""Train one trial and track it.

mlflow run . -P learning_rate=0.0003
mlflow run . -P dataset=ml-1m -P learning_rate=0.001 -P seed=2
python -m benchmark.train --dataset demo --learning-rate 0.001
python -m benchmark.train --recbole-config amazon-books_seq.yaml   # RecBole's configuration file
python -m benchmark.train --resume 5f3c...                         # resume an interrupted trial
torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m     # one trial, two processes
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from benchmark import cli, options
from benchmark.settings import Settings, Value

if TYPE_CHECKING:
    from benchmark.results import Result
    from benchmark.tracking.writing.trial import Trial
    from benchmark.training.checkpoint import State
    from datasets.sequences import Sequences


@click.command(context_settings=cli.CONTEXT)
@options.setting_options
@cli.data_dir_option
@click.option(
    "--resume",
    "run_id",
    metavar="RUN_ID",
    help="Run of an interrupted trial to resume, with that trial's settings; the first characters "
    "of its id are enough.",
)
@click.pass_context
def train(
    context: click.Context, data_dir: str | None, run_id: str | None, **values: Value
) -> None:
    """Train a model on a data set, and log parameters, metrics and checkpoints to MLflow.

    Defaults are those of BERT4Rec's recipe fast; other models and recipes have some of their own.
    A setting that the model does not have is refused.

    The trial becomes a run of the experiment that is named after the data set, unless
    `mlflow run --experiment-name` or $MLFLOW_EXPERIMENT_NAME names another.
    """
    # Torch and MLflow load for seconds, which --help need not wait for.
    from benchmark import attempt
    from benchmark.recbole import config as recbole
    from benchmark.tracking import launcher, server
    from benchmark.tracking.reading.run_ids import whole_run_id
    from benchmark.tracking.writing.trial import resume, start
    from benchmark.training import evaluation, state, workers
    from benchmark.training.trainer import Trainer
    from datasets.card import summary
    from datasets.prepare import load

    given = options.given(context, values)
    workers.join()
    client = server.connect()
    first = workers.number() == 0
    trial: Trial | None = None
    stored: Settings | None = None
    if run_id and first:
        trial, stored = resume(client, whole_run_id(client, run_id))
        context.call_on_close(trial.release)
    settings = workers.from_first(
        lambda: (
            _resumed_settings(stored, given)
            if stored
            else options.resolve(recbole.read(given), given)
        )
    )
    spec, sequences = load(settings.dataset, data_dir, settings.recbole_config)
    split = spec.split_of(sequences)
    protocol = evaluation.protocol(settings.history, sequences, split)
    bar = attempt.step_bar if first else None
    trainer = Trainer(settings, sequences, split, bar)
    if run_id and (saved := workers.from_first(lambda: _state(trial, sequences, protocol))):
        state.restore(trainer, *saved)
    if not first:
        return trainer.finish()
    click.echo(summary(spec, sequences))
    if settings.masks_history:
        click.echo(f"protocol: {protocol}")
    if trial:
        launcher.leave_note(client, "trial", trial.run)
    else:
        trial = start(client, settings, spec)
    with trial.ends(), cli.resumed_by(*_resuming(trial.run_id, data_dir)):
        if not run_id:
            trial.log_start(trainer.settings, spec, sequences, protocol, data_dir)
        click.echo(f"trial {trial.run_id} in experiment {trial.experiment}")
        result = attempt.train(trial, trainer)
    if result:
        click.echo(_line(result))


def _resuming(run_id: str, data_dir: str | None) -> list[str]:
    """The command that resumes the trial."""
    words = ["python", "-m", "benchmark.train", "--resume", run_id]
    return words + (["--data-dir", data_dir] if data_dir else [])


def _line(result: Result) -> str:
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics["test"].items())
    return (
        f"best epoch {result.best_epoch} of {result.last_epoch}, {result.seconds:.1f} s; "
        f"test  {metrics}"
    )


def _state(trial: Trial | None, sequences: Sequences, protocol: str) -> State | None:
    """The state that the trial resumes from; None if it was interrupted in its first epoch."""
    from benchmark import attempt  # late, as in ``train``

    assert trial, "the first process has the trial"
    trial.check_data(sequences, protocol)
    return attempt.last_state(trial)


def _resumed_settings(settings: Settings, given: dict[str, Value]) -> Settings:
    """The trial's own settings, on the device that is asked for now.

    Raises UsageError for any other setting that differs from the trial's.
    """
    device = str(given.pop("device", settings.device))
    for name, value in given.items():
        if value != getattr(settings, name):
            raise click.UsageError(
                f"{name} is {getattr(settings, name)} in the trial to resume and cannot change: "
                f"leave out --{name.replace('_', '-')}"
            )
    return replace(settings, device=device)


if __name__ == "__main__":
    cli.run(train)
