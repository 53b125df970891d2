"""Search settings: a sweep of many trials, each a nested run.

mlflow run . -e sweep -P dataset=ml-1m
mlflow run . -e sweep -P dataset=ml-1m -P space=my.yaml -P method=tpe -P trials=50
python -m benchmark.sweep hyper.test --dataset ml-1m --seeds 3
python -m benchmark.sweep hyper.test --dataset ml-1m --executor ray --cpus-per-trial 1

The same command resumes an interrupted sweep: finished trials are kept, interrupted trials resume.
"""

import shlex
from pathlib import Path

import click

from benchmark import cli, options
from benchmark.data import Data
from benchmark.installation import INSTALLED, ROOT
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings, checked
from benchmark.sweeps import space
from benchmark.sweeps.definition import Definition
from benchmark.sweeps.options import check_executor, executor_options
from benchmark.sweeps.suggest import METHODS, MOST_LISTED, PRUNERS
from benchmark.sweeps.tasks import Resources

DEFAULT_SPACE = ROOT / "hyper.test" if INSTALLED else Path("hyper.test")


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@click.argument(
    "space_file", metavar="SPACE", type=click.Path(path_type=Path), default=DEFAULT_SPACE
)
@click.option("--name", help="Name of the sweep.  [default: name of SPACE, without its suffix]")
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    help="Search method.  [default: grid if all dimensions are choices, else tpe]",
)
@click.option(
    "--trials",
    type=click.IntRange(1, MOST_LISTED),
    help="Number of points to try; a grid tries all points.  [default: 20]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Number of seeds with which each point is tried, counted from --seed.",
)
@click.option(
    "--pruner",
    type=click.Choice(list(PRUNERS)),
    default="none",
    show_default=True,
    help="Rule that stops a trial which is worse than others were at the same epoch; a point whose "
    "first seed is stopped gets no other seeds.",
)
@click.option(
    "--timeout",
    type=cli.Duration(),
    help="Time of the sweep (2h, 90m), with that of its interrupted processes: no point is started "
    "that is expected to end later.  [default: none]",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the trials that would run, and start none.",
)
@executor_options
@click.option(
    "--promote",
    "promoted",
    type=bool,
    is_flag=False,
    flag_value="true",  # without a value; `mlflow run` gives every parameter a value
    default=False,
    help="Promotion of the best trial to champion when the sweep ends, as by the command promote.",
)
@cli.system_metrics_option
@cli.data_dir_option
@options.setting_options()
@click.pass_context
def sweep(
    context: click.Context,
    space_file: Path,
    name: str | None,
    method: str | None,
    trials: int | None,
    seeds: int,
    pruner: str,
    timeout: float | None,
    dry_run: bool,
    executor: str,
    jobs: int,
    cpus_per_trial: float,
    gpus_per_trial: float,
    promoted: bool,
    data_dir: str | None,
    **values: Value,
) -> None:
    """Try the points of a search space, each as a trial like those of the command train.

    SPACE is a hyper.test or YAML file. Settings that it does not search are given as options.
    """
    # Torch and MLflow load for seconds, which --help need not wait for.
    from benchmark.recbole import config as recbole
    from benchmark.sweeps.plan import Effort
    from benchmark.sweeps.preview import preview
    from benchmark.sweeps.search import search
    from benchmark.tracking import provenance, server

    given = options.given(context, values)
    config = recbole.read(given)
    searched = space.read(space_file, str(given.get("model", Settings.model)))
    method = method or ("grid" if space.only_choices(searched) else "tpe")
    _check_trials(context, method)
    check_executor(context, executor)
    definition = Definition(searched, method, pruner, given, config.settings)
    settings = options.resolved(lambda: definition.base)
    options.print_notes(config, settings, given)
    checked("seed", settings.seed + seeds - 1)
    definition.check()
    for line in definition.never_tried():
        click.echo(line, err=True)
    client = server.connect_patiently(server.connect().tracking_uri)
    data = Data.of(settings, data_dir)
    data.describe(settings)
    name = name or space_file.stem
    effort = Effort(trials or 20, seeds, seconds=timeout)
    if dry_run:
        for line in preview(client, data, definition, name, effort):
            click.echo(line)
        return
    resources = Resources(jobs, cpus_per_trial, gpus_per_trial)
    with cli.resumed_by(*provenance.command_line()):
        found = search(client, data, definition, name, effort, executor, resources)
    click.echo(f"best point: {found.best}")
    where = shlex.join(["--experiment", found.experiment, "--sweep", found.name])
    click.echo(f"to report: python -m benchmark.report {where}")
    if promoted:
        from benchmark.serving import promotion  # late, because it is seldom used

        best_trial = promotion.promote_best(
            client, found.experiment, sweep=found.name, data_dir=data_dir
        )
        click.echo(promotion.describe(found.experiment, *best_trial))
    click.echo(f"to open sweep {found.run_id}: {found.in_ui}")


def _check_trials(context: click.Context, method: str) -> None:
    """Raises UsageError for a number of points with a search method that tries all."""
    if METHODS[method].exhaustive and options.is_given(context, "trials"):
        others = " or ".join(name for name, other in METHODS.items() if not other.exhaustive)
        raise click.UsageError(
            f"--method {method} tries all points: --trials is for --method {others}"
        )


if __name__ == "__main__":
    cli.run(sweep)
