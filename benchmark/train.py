"""Train one trial and track it.

mlflow run . -P learning_rate=0.0003
mlflow run . -P dataset=ml-1m -P learning_rate=0.001 -P seed=2
python -m benchmark.train --dataset demo --learning-rate 0.001
python -m benchmark.train --resume 5f3c...         # go on with a trial that was cut off
torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m     # one trial, two processes
"""

from dataclasses import replace

import click
from tqdm import tqdm

import datasets
from benchmark import checkpoint, cli, tracking, workers
from benchmark.settings import Settings
from benchmark.trainer import SELECTION_METRIC, Epoch, Trainer
from datasets import Sequences, Spec


@click.command(context_settings=cli.CONTEXT)
@cli.setting_options
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
@click.option("--resume", metavar="RUN_ID", help="Go on with that trial, with its own settings.")
@click.pass_context
def train(context: click.Context, data_dir: str | None, resume: str | None, **values) -> None:
    """Train a model on a data set, and log params, metrics and checkpoints to MLflow.

    The trial becomes a run of the experiment that is named after the data set, unless
    `mlflow run --experiment-name` names another.
    """
    given = {k: v for k, v in values.items() if context.get_parameter_source(k).name != "DEFAULT"}
    client = tracking.connect()
    if resume:
        trial, settings, last = tracking.resume(client, resume)
        settings = _resumed_settings(settings, given)
    else:
        settings = _settings(given)
    spec, sequences = datasets.load(settings.dataset, data_dir)
    first = workers.rank() == 0
    trainer = Trainer(settings, sequences, spec.split_of(sequences), _epoch_bar if first else None)
    if resume:
        trial.check_data(sequences)
        if last:  # else it was cut off in its first epoch, and starts anew
            trainer.restore(*checkpoint.load(last))
    if not first:
        return trainer.finish()
    describe(spec, sequences)
    if not resume:
        trial = tracking.start(client, settings, spec)
    with trial.ends():
        if not resume:
            trial.log_start(settings, spec, sequences, trainer.device)
        click.echo(f"trial {trial.run_id} in experiment {trial.experiment}")
        watch(trainer, trial)
        result = trial.log_result(trainer, trainer.final_ranks(), sequences)
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result["test"].items())
    click.echo(
        f"best epoch {trainer.best_epoch} of {trainer.epoch}, {trainer.seconds:.1f} s; "
        f"test  {metrics}"
    )


def watch(trainer: Trainer, trial: tracking.Trial) -> None:
    """Train to the end; log and show each epoch as it comes."""
    total = trainer.settings.epochs
    with tqdm(initial=trainer.epoch, total=total, unit="epoch", disable=None, leave=False) as bar:
        for epoch in trainer.epochs():
            trial.log_epoch(epoch)
            trial.log_checkpoint(trainer, best=epoch.improved)
            best = trainer.best_valid[SELECTION_METRIC]
            bar.set_postfix_str(f"best {SELECTION_METRIC} {best:.4f}", refresh=False)
            bar.update()
            with bar.external_write_mode():  # the bar makes room for a line
                click.echo(_line(epoch))


def _settings(given: dict) -> Settings:
    try:
        return Settings.of(**given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _resumed_settings(settings: Settings, given: dict) -> Settings:
    """The trial's own settings, on the device asked for now; nothing else can change."""
    device = given.pop("device", settings.device)
    for name, value in given.items():
        if value != getattr(settings, name):
            raise click.UsageError(
                f"{name} is {getattr(settings, name)} in the trial to resume, and stays so"
            )
    return replace(settings, device=device)


def describe(spec: Spec, sequences: Sequences) -> None:
    """Print what the model is trained on."""
    numbers = sequences.statistics
    synthetic = " SYNTHETIC data, generated here:" if spec.synthetic else ""
    click.echo(
        f"{spec.title}:{synthetic} {numbers['users']:,} users, {numbers['items']:,} items, "
        f"{numbers['interactions']:,} interactions, sparsity {numbers['sparsity']:.2%}; "
        f"digest {sequences.digest}"
    )
    if numbers["users_not_evaluated"]:
        click.echo(
            f"{numbers['users_not_evaluated']:,} users have fewer than three interactions: "
            "trained on, not evaluated"
        )


def _epoch_bar(batches, *, total: int, epoch: int):
    return tqdm(
        batches,
        total=total,
        desc=f"epoch {epoch}",
        unit="batch",
        position=1,
        leave=False,
        disable=None,
    )


def _line(epoch: Epoch) -> str:
    mark = "  *" if epoch.improved else ""
    return (
        f"epoch {epoch.number}: loss {epoch.train_loss:.4f}  "
        f"valid {SELECTION_METRIC} {epoch.valid[SELECTION_METRIC]:.4f}  "
        f"{epoch.train_seconds:.1f} s + {epoch.valid_seconds:.1f} s{mark}"
    )


if __name__ == "__main__":
    cli.run(train)
