"""Train one trial and track it.

mlflow run . -P learning_rate=0.0003
mlflow run . -P dataset=ml-1m -P learning_rate=0.001 -P seed=2
mlflow run . -P dataset=ml-1m -P model=baselines                   # all counted models
python -m benchmark.train --dataset demo --learning-rate 0.001
python -m benchmark.train --recbole-config amazon-books_seq.yaml   # RecBole's configuration file
python -m benchmark.train --resume 5f3c...                         # resume an interrupted trial
torchrun --nproc-per-node 2 -m benchmark.train --dataset ml-1m     # one trial, two processes
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from benchmark import cli, options
from benchmark.data import Data
from benchmark.settings.declaration import Value
from benchmark.settings.settings import BASELINES, Settings, shared
from models import is_outside

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from benchmark.tracking.writing.trial import Trial
    from benchmark.training.trainer import Trainer


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@options.setting_options(words={"model": BASELINES})
@cli.system_metrics_option
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
    A setting that the model does not have is refused. `--model baselines` trains all models that
    are counted, one after the other; a setting then counts for the models that have it.

    The trial becomes a run of the experiment that is named after the data set, unless
    `mlflow run --experiment-name` or $MLFLOW_EXPERIMENT_NAME names another.
    """
    # Torch and MLflow load for seconds, which --help need not wait for.
    from benchmark import attempt
    from benchmark.recbole import config as recbole
    from benchmark.tracking import launcher, server
    from benchmark.tracking.reading.run_ids import whole_run_id
    from benchmark.tracking.writing.trial import resume, start
    from benchmark.training import state, workers
    from models import outside

    given = options.given(context, values)
    workers.join()
    client = server.connect()
    first = workers.number() == 0
    if given.get("model") == BASELINES:
        if run_id:
            raise click.UsageError("--resume resumes one trial: leave out --model baselines")
        del given["model"]
        return _train_baselines(client, given, data_dir)
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
    if is_outside(settings.model):  # the same source in all processes
        source = workers.from_first(lambda: outside.load(settings.model).source)
        outside.load_stored(settings.model, source)
    data = Data.of(settings, data_dir)
    trainer = data.trainer(settings)
    if run_id and (
        saved := workers.from_first(
            lambda: attempt.state_to_resume(trial, settings, data) if trial else None
        )
    ):
        state.restore(trainer, *saved)
    if not first:
        return trainer.finish()
    data.describe(settings)
    if line := trainer.settings.described(settings.undecided):
        click.echo(f"by the data: {line}")
    if trial:
        launcher.leave_note(client, "trial", trial.run)
    else:
        trial = start(client, settings, data.spec)
    _attempt(trial, trainer, data, new=not run_id)
    _print_next(client, trial, trial.run_id)


def _train_baselines(client: MlflowClient, given: dict[str, Value], data_dir: str | None) -> None:
    """Train all counted models, one after the other; a model that cannot be trained is left out."""
    import models  # late, as in ``train``
    from benchmark.recbole import config as recbole
    from benchmark.tracking.writing.trial import start
    from benchmark.training import workers
    from benchmark.training.trainer import TrainingError

    first = workers.number() == 0
    config = recbole.read(given)
    own = options.resolved(lambda: shared(given, models.counted_models()))
    each = options.resolved(lambda: [config.settings(**values) for values in own.values()])
    trial: Trial | None = None
    data = Data.of(each[0], data_dir)
    if first:
        options.print_notes(config, each[0], given)
        data.describe(each[0])
    for settings in each:
        try:
            trainer = data.trainer(settings)
            if not first:
                trainer.finish()
                continue
            trial = start(client, settings, data.spec, take=False)  # its model would be baselines
            click.echo(f"{settings.model}:")
            _attempt(trial, trainer, data)
        except TrainingError as error:
            if first:
                click.echo(f"{settings.model} is left out: {error}", err=True)
    if trial:
        _print_next(client, trial)


def _attempt(trial: Trial, trainer: Trainer, data: Data, *, new: bool = True) -> None:
    """Train the trial to its end, and print its result; the start of a ``new`` one is logged."""
    from benchmark import attempt  # late, as in ``train``

    with cli.resumed_by(*_resuming(trial.run_id, data.folder)):
        result = attempt.complete(trial, trainer, data, new=new)
    click.echo(str(result))


def _print_next(client: MlflowClient, trial: Trial, run_id: str = "") -> None:
    """Print what reports the trial's experiment, and what opens it, or its run ``run_id``."""
    from benchmark.tracking import server  # late, as in ``train``

    experiment = trial.experiment
    click.echo(f"to report: python -m benchmark.report --experiment {shlex.quote(experiment)}")
    opened = f"trial {run_id}" if run_id else f"experiment {experiment}"
    where = server.in_ui(client, trial.run.info.experiment_id, run_id)
    click.echo(f"to open {opened}: {where}")


def _resuming(run_id: str, data_dir: str | None) -> list[str]:
    """The command that resumes the trial."""
    words = f"python -m benchmark.train --resume {run_id}".split()
    return words + (["--data-dir", data_dir] if data_dir else [])


def _resumed_settings(settings: Settings, given: dict[str, Value]) -> Settings:
    """The trial's own settings, on the device that is asked for now.

    Raises UsageError for any other setting that differs from the trial's.
    """
    device = str(given.pop("device", settings.device))
    for name, value in given.items():
        if value != settings.value(name):
            raise click.UsageError(
                f"{name} is {settings.value(name)} in the trial to resume and cannot change: "
                f"leave out --{name.replace('_', '-')}"
            )
    return replace(settings, device=device)


if __name__ == "__main__":
    cli.run(train)
