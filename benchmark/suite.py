"""Run what is missing of a suite: a file that says which models are compared on which data sets.

mlflow run . -e suite -P suite=quick
python -m benchmark.suite quick
python -m benchmark.suite mine.yaml --dry-run       # what it needs; nothing runs
python -m benchmark.suite literature --executor ray --cpus-per-trial 1

The same command resumes an interrupted suite: finished trials are kept, interrupted trials resume.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from benchmark import cli, interruption
from benchmark.errors import UserError
from benchmark.sweeps.options import check_executor, executor_options
from benchmark.sweeps.tasks import Resources

if TYPE_CHECKING:
    from mlflow.entities import Run


@click.command(context_settings=cli.CONTEXT)
@click.argument("suite_file", metavar="SUITE")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what the suite needs, and start no trial; nothing is downloaded.",
)
@executor_options
@cli.system_metrics_option
@cli.data_dir_option
@click.pass_context
def suite(
    context: click.Context,
    suite_file: str,
    dry_run: bool,
    executor: str,
    jobs: int,
    cpus_per_trial: float,
    gpus_per_trial: float,
    data_dir: str | None,
) -> None:
    """Compare models on many data sets, which a file names. Trials with a result are kept.

    SUITE is the name of a suite in suites/, or the path of a YAML file. Each data set gets a
    comparison, as by the command compare, whose name is SUITE-DATASET. A model that fails, or data
    that are not available, do not stop the others.
    """
    # Torch and MLflow load for seconds, which --help need not wait for.
    from benchmark.sweeps import suite_file as files
    from benchmark.sweeps import suite_tables as tables
    from benchmark.sweeps.suite import Running
    from benchmark.tracking import launcher, provenance, server
    from benchmark.tracking.writing.suite import log_suite

    check_executor(context, executor)
    read = files.read(suite_file)
    client = server.connect_patiently(server.connect().tracking_uri)
    running = Running(client, read, data_dir)

    def log() -> Run:
        found = tables.outcome(read, running.all)
        return log_suite(client, found, read.text, tables.note(read, running.all))

    with cli.resumed_by(*provenance.command_line()), interruption.listening():
        running.look(download=not dry_run)
        for line in tables.estimate(read, running.all):
            click.echo(line)
        if dry_run:
            fails = [each.name for each in running.all if each.refused or each.will_not_run]
            if fails:
                raise UserError(f"{', '.join(fails)} would fail: the lines above say why")
            return
        launcher.leave_note(client, "suite", log())
        running.work(executor, Resources(jobs, cpus_per_trial, gpus_per_trial), log)
        run = log()
    click.echo(
        f"\nvalidation ndcg@10 of each model's best point:\n{tables.results(read, running.all)}"
    )
    for line in tables.missing(read, running.all):
        click.echo(line)
    opens = server.in_ui(client, run.info.experiment_id, run.info.run_id)
    click.echo(f"to compare: python -m benchmark.leaderboard --suite {shlex.quote(read.name)}")
    click.echo(f"to open suite {run.info.run_id}: {opens}")
    failed = sum(each.failed(model) for each in running.all for model in read.models)
    if failed:
        of = len(running.all) * len(read.models)
        raise UserError(f"{failed} of {of} results failed: the lines above say why")
    if all(each.unavailable for each in running.all):
        raise UserError("none of the data sets is available: the lines above say why")


if __name__ == "__main__":
    cli.run(suite)
