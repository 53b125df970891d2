"""Search settings: many trials, one nested run for each, and nothing lost.

mlflow run . -e sweep -P dataset=ml-1m
mlflow run . -e sweep -P dataset=ml-1m -P space=my.yaml -P method=tpe -P trials=50
python -m benchmark.sweep hyper.test --dataset ml-1m --seeds 3
python -m benchmark.sweep hyper.test --dataset ml-1m --executor ray --cpus-per-trial 1

A sweep that was cut off goes on when it is started again with the same command.
"""

import shlex
from pathlib import Path

import click

import datasets
from benchmark import cli, options
from benchmark.recbole import config as recbole
from benchmark.sweeps import executors, space, suggest
from benchmark.sweeps.plan import Definition, Plan
from benchmark.sweeps.space import Choice
from benchmark.tracking import server
from benchmark.tracking.writing import sweep as tracked_sweep


@click.command(context_settings=cli.CONTEXT)
@click.argument(
    "space_file", metavar="SPACE", type=click.Path(path_type=Path), default=Path("hyper.test")
)
@click.option("--name", help="Of the sweep.  [default: the name of SPACE, without its ending]")
@click.option(
    "--method",
    type=click.Choice(suggest.METHODS),
    help="Of search.  [default: grid if all dimensions are choices, else tpe]",
)
@click.option("--trials", type=click.IntRange(1), help="Points to try; grid: all.  [default: 20]")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Each point is tried with so many seeds, from --seed on.",
)
@click.option(
    "--pruner",
    type=click.Choice(list(suggest.PRUNERS)),
    default="none",
    show_default=True,
    help="Stops a point whose first seed is worse than others were at the same epoch.",
)
@click.option(
    "--executor",
    type=click.Choice(["here", "ray"]),
    default="here",
    show_default=True,
    help="here: one trial after the other, in this process; ray: many on a Ray cluster.",
)
@click.option("--cpus-per-trial", type=click.FloatRange(0), default=1, help="With ray.")
@click.option("--gpus-per-trial", type=click.FloatRange(0), default=0, help="With ray; 0.5: half.")
@click.option(
    "--promote",
    "promoted",
    type=bool,
    is_flag=False,
    flag_value="true",  # alone; `mlflow run` gives every parameter a value
    default=False,
    help="After SPACE: its best becomes champion, as by benchmark.promote.",
)
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
@options.setting_options
@click.pass_context
def sweep(
    context: click.Context,
    space_file: Path,
    name: str | None,
    method: str | None,
    trials: int | None,
    seeds: int,
    pruner: str,
    executor: str,
    cpus_per_trial: float,
    gpus_per_trial: float,
    promoted: bool,
    data_dir: str | None,
    **values,
) -> None:
    """Try the points of a search space, each as a trial like those of `benchmark.train`.

    SPACE is a hyper.test or YAML file. Settings that it does not search are given as options.
    """
    given = options.given(context, values)
    config = recbole.read(given)
    settings = config.resolve(given)
    searched = space.read(space_file)
    choices = all(isinstance(dimension, Choice) for dimension in searched.values())
    method = method or ("grid" if choices else "tpe")
    if method == "grid" and trials:
        raise click.UsageError("a grid has its number of points: --trials is for random and tpe")
    for option in ("cpus_per_trial", "gpus_per_trial"):
        if executor != "ray" and context.get_parameter_source(option).name != "DEFAULT":
            option = option.replace("_", "-")
            raise click.UsageError(f"--{option} is for --executor ray")
    definition = Definition(searched, method, pruner, given, config.settings)
    definition.check()
    client = server.reconnect(server.connect().tracking_uri)
    data = spec, sequences = datasets.load(settings.dataset, data_dir, settings.recbole_config)
    click.echo(datasets.summary(spec, sequences))
    click.echo("\n".join(space.lines(searched)))
    if executor == "ray":
        workplace = executors.Ray(client.tracking_uri, *data, cpus_per_trial, gpus_per_trial)
    else:
        workplace = executors.Here(client.tracking_uri, *data)
    run, again = tracked_sweep.open_sweep(
        client, name or space_file.stem, definition.as_dict(sequences), spec
    )
    click.echo(f"sweep {run.run_id} in experiment {run.experiment}{', again' if again else ''}")
    with run.alive():
        plan = Plan(run, definition, data, trials or 20, seeds)
        plan.work(workplace)
        best = plan.best()
        if best is None:
            raise click.ClickException(f"no trial has finished: {'; '.join(plan.failures())}")
    click.echo(f"best: {plan.describe(*best)}")
    where = shlex.join(["--experiment", run.experiment, "--sweep", run.name])
    click.echo(f"to report: python -m benchmark.report {where}")
    if promoted:
        from benchmark import promote  # with it the whole report, for which few sweeps wait

        promote.promote_best(client, run.experiment, run.name, force=False, data_dir=data_dir)


if __name__ == "__main__":
    cli.run(sweep)
