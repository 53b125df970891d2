"""Compare all models on a data set, with equal tuning: which model for my data?

mlflow run . -e compare -P dataset=mine.yaml -P budget=2h
python -m benchmark.compare --dataset mine.yaml --budget 2h
python -m benchmark.compare --dataset ml-1m --models BERT4Rec,SASRec --budget 8   # points each
python -m benchmark.compare --dataset ml-1m --budget 8 --executor ray --cpus-per-trial 1

The same command resumes an interrupted comparison: finished trials are kept, interrupted trials
resume.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark import cli, options
from benchmark.errors import UserError
from benchmark.settings.declaration import Value
from benchmark.settings.fields import SETTINGS
from benchmark.sweeps.executors import EXECUTORS
from benchmark.sweeps.options import DEFAULT_BUDGET, check_executor, executor_options
from benchmark.sweeps.tasks import Resources

if TYPE_CHECKING:
    from benchmark.sweeps.budget import Budget


class BudgetType(click.ParamType):
    """2h, 90m or a number of points."""

    name = "TIME|POINTS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Budget:
        from benchmark.sweeps.budget import Budget  # late: it loads Optuna

        try:
            return value if isinstance(value, Budget) else Budget.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ModelNames(click.ParamType):
    """A,B: learned models of seqrec, and any model outside this repository."""

    name = "A,B,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        import models  # late: it loads torch

        known = models.learned_models()
        spelled = [SETTINGS["model"].spelled(name.strip()) for name in value.split(",")]
        wrong = [name for name in spelled if name not in known and not models.is_outside(name)]
        if wrong:
            self.fail(
                f"{', '.join(wrong)[:80]!r}: no such learned model; there are {', '.join(known)} "
                "(the counted models are always compared)",
                param,
                ctx,
            )
        return list(dict.fromkeys(spelled))


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@click.option(
    "--budget",
    type=BudgetType(),
    default=DEFAULT_BUDGET,
    show_default=True,
    help="Time of the whole comparison (2h, 90m), shared out equally among the learned models, or "
    "the number of search points of each learned model (8).",
)
@click.option(
    "--models",
    "named",
    type=ModelNames(),
    help="Learned models to compare, beside all counted models; FILE.py:CLASS or MODULE:CLASS is "
    "one outside this repository.  [default: all]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Number of seeds of each learned model's best point, counted from --seed.",
)
@click.option(
    "--spaces",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of search spaces: MODEL.yaml, or default.yaml for models without a file.  "
    "[default: spaces/ of this project]",
)
@click.option(
    "--name",
    default="compare",
    show_default=True,
    help="Name of the comparison: its sweeps are called NAME-MODEL.",
)
@executor_options
@cli.system_metrics_option
@cli.data_dir_option
@options.setting_options(without=["model"])
@click.pass_context
def compare(
    context: click.Context,
    budget: Budget,
    named: list[str] | None,
    seeds: int,
    spaces: Path | None,
    name: str,
    executor: str,
    jobs: int,
    cpus_per_trial: float,
    gpus_per_trial: float,
    data_dir: str | None,
    **values: Value,
) -> None:
    """Compare all models on a data set: counted ones at once, learned ones equally tuned.

    Each learned model gets the same number of search points, or the same time. Its first point is
    its defaults; its best point on validation is repeated with more seeds. Then the report of all
    trials is written. A setting given as an option is not searched, and counts for the models that
    have it.
    """
    # Torch and MLflow load for seconds, which --help need not wait for.
    import models
    from benchmark.report import default_path, report
    from benchmark.sweeps.contenders import SPACES
    from benchmark.sweeps.forecast import measured
    from benchmark.sweeps.request import Request
    from benchmark.tracking import provenance, server

    check_executor(context, executor)
    given = options.given(context, values)
    chosen = models.learned_models() if named is None else [n for n in named if models.learns(n)]
    counted = models.counted_models() + [n for n in named or [] if not models.learns(n)]
    request = Request(name, chosen, counted, given, budget, seeds, spaces or SPACES)
    options.resolved(request.check)
    request.print_notes()
    client = server.connect_patiently(server.connect().tracking_uri)
    data = request.load(data_dir)
    data.describe(request.base)
    comparison = request.open(client, data)
    for model, why in comparison.left_out.items():
        click.echo(f"{model} is left out: {why}", err=True)
    # A sweep that cannot go on is refused here, before any other starts.
    waiting = comparison.waiting()
    comparison.forecast = measured(waiting, comparison.job)
    comparison.announce(waiting)
    workers = EXECUTORS[executor](comparison.job, Resources(jobs, cpus_per_trial, gpus_per_trial))
    context.call_on_close(workers.close)
    with cli.resumed_by(*provenance.command_line()):
        comparison.work(workers)
    context.invoke(
        report,
        experiments=(comparison.experiment,),
        sweeps=comparison.sweep_names,
        output=default_path(comparison.experiment, name),
        tracking_uri=client.tracking_uri,
    )
    comparison.log()
    if comparison.without_result:
        raise UserError("; ".join(comparison.without_result))


if __name__ == "__main__":
    cli.run(compare)
