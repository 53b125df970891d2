"""Options that say where trials run, for the commands that run many."""

import click

from benchmark import cli, options
from benchmark.settings.declaration import LARGEST_COUNT
from benchmark.sweeps.executors import EXECUTORS

RESOURCES = {"jobs": "jobs", "cpus_per_trial": "cpus", "gpus_per_trial": "gpus"}
"""The fields of ``Resources``, by the options that set them."""
MOST_JOBS = 1000
DEFAULT_BUDGET = "2h"  # of a comparison: see ``budget.Budget``


def executor_options(command: options.Command) -> options.Command:
    """Add the options that say where trials run, which ``check_executor`` checks."""
    command = click.option(
        "--gpus-per-trial",
        type=cli.FiniteRange(0, LARGEST_COUNT),
        default=0,
        show_default=True,
        help="Number of GPUs for each trial, with --executor ray; 0.5: two trials share one.",
    )(command)
    command = click.option(
        "--cpus-per-trial",
        type=cli.FiniteRange(0, LARGEST_COUNT),
        default=1,
        show_default=True,
        help="Number of CPU cores for each trial, with --executor ray.",
    )(command)
    command = click.option(
        "--jobs",
        type=click.IntRange(1, MOST_JOBS),
        default=1,
        show_default=True,
        help="Number of trials at once, with --executor here; they share its CPU cores equally.",
    )(command)
    command = click.option(
        "--executor",
        type=click.Choice(list(EXECUTORS)),
        default="here",
        show_default=True,
        help="Place where trials run: here (on this machine) or ray (on a Ray cluster).",
    )(command)
    return command


def check_executor(context: click.Context, executor: str) -> None:
    """Raises UsageError for resources with an executor that does not have them."""
    for name, resource in RESOURCES.items():
        if options.is_given(context, name) and resource not in EXECUTORS[executor].resources:
            others = [name for name, other in EXECUTORS.items() if resource in other.resources]
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is for --executor {' or '.join(others)}")
