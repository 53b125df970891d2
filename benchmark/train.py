"""Train one trial and track it.

mlflow run . -P learning_rate=0.0003
mlflow run . -P dataset=ml-1m -P learning_rate=0.001 -P seed=2
python -m benchmark.train --dataset demo --learning-rate 0.001
python -m benchmark.train --recbole-config amazon-books_seq.yaml   # as that says
python -m benchmark.train --resume 5f3c...         # go on with a trial that was cut off
torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m     # one trial, two processes
"""

from dataclasses import replace

import click

import datasets
from benchmark import attempt, cli, options
from benchmark.recbole import config as recbole
from benchmark.settings import Settings
from benchmark.tracking import launcher, server
from benchmark.tracking.writing import trial as tracked_trial
from benchmark.training import workers
from benchmark.training.trainer import Trainer
from datasets import Sequences, Spec


@click.command(context_settings=cli.CONTEXT)
@options.setting_options
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
@click.option("--resume", metavar="RUN_ID", help="Go on with that trial, with its own settings.")
@click.pass_context
def train(context: click.Context, data_dir: str | None, resume: str | None, **values) -> None:
    """Train a model on a data set, and log params, metrics and checkpoints to MLflow.

    The trial becomes a run of the experiment that is named after the data set, unless
    `mlflow run --experiment-name` names another.
    """
    given = options.given(context, values)
    client, first, trial = server.connect(), workers.rank() == 0, None
    workers.join()
    if resume and first:
        trial, settings = tracked_trial.resume(client, resume)
        context.call_on_close(trial.release)
    settings = workers.from_first(
        lambda: _resumed_settings(settings, given) if resume else recbole.read(given).resolve(given)
    )
    spec, sequences = datasets.load(settings.dataset, data_dir, settings.recbole_config)
    bar = attempt.step_bar if first else None
    trainer = Trainer(settings, sequences, spec.split_of(sequences), bar)
    if resume and (state := workers.from_first(lambda: _state(trial, spec, sequences))):
        trainer.restore(*state)
    if not first:
        return trainer.finish()
    click.echo(datasets.summary(spec, sequences))
    if resume:
        launcher.leave_note(client, "trial", trial.run)
    else:
        trial = tracked_trial.start(client, settings, spec)
    with trial.ends():
        if not resume:
            trial.log_start(settings, spec, sequences)
        click.echo(f"trial {trial.run_id} in experiment {trial.experiment}")
        result = attempt.train(trial, trainer, sequences)
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result["test"].items())
    click.echo(
        f"best epoch {trainer.best_epoch} of {trainer.epoch}, {trainer.seconds:.1f} s; "
        f"test  {metrics}"
    )


def _state(trial: tracked_trial.Trial, spec: Spec, sequences: Sequences) -> tuple | None:
    """From where the trial goes on; None if it was cut off in its first epoch, and starts anew."""
    trial.check_data(spec, sequences)
    return trial.last_state()


def _resumed_settings(settings: Settings, given: dict) -> Settings:
    """The trial's own settings, on the device asked for now; nothing else can change."""
    device = given.pop("device", settings.device)
    for name, value in given.items():
        if value != getattr(settings, name):
            raise click.UsageError(
                f"{name} is {getattr(settings, name)} in the trial to resume, and stays so"
            )
    return replace(settings, device=device)


if __name__ == "__main__":
    cli.run(train)
