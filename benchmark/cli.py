"""What every command line verb shares: options from settings, and errors as one line."""

import sys
from collections.abc import Callable
from dataclasses import fields

import click

from benchmark.checkpoint import CheckpointError
from benchmark.settings import Settings
from benchmark.tracking import Terminated, TrackingError
from benchmark.trainer import TrainingError
from datasets import DataError

# The user's to mend, and said in one line; anything else is a defect of ours and keeps its trace.
USER_ERRORS = (DataError, TrackingError, TrainingError, CheckpointError)

# --learning_rate is --learning-rate: `mlflow run -P learning_rate=...` passes names as they are.
CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-"), "max_content_width": 100}


def setting_options(command: Callable) -> Callable:
    """A click option for each field of Settings."""
    for setting in reversed(fields(Settings)):
        option = click.option(
            f"--{setting.name.replace('_', '-')}",
            setting.name,
            type=_option_type(setting.type, **setting.metadata),
            default=setting.default,
            show_default=True,
            help=setting.metadata["help"],
        )
        command = option(command)
    return command


def _option_type(
    kind: type, help: str, choices=None, at_least=None, above=None, at_most=None, below=None
):
    if choices:
        return click.Choice(choices)
    if kind is int:
        return click.IntRange(at_least)
    if kind is float:
        low = at_least if above is None else above
        high = at_most if below is None else below
        return click.FloatRange(low, high, min_open=above is not None, max_open=below is not None)
    return str


def run(command: click.Command) -> None:
    """Run a verb as a process: exit 0; 1 with one line for a user's error; 2 for wrong usage;
    130 after Ctrl-C and 143 after SIGTERM, as the shell has it."""
    try:
        sys.exit(command.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except USER_ERRORS as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except Terminated:
        click.echo("Terminated.", err=True)
        sys.exit(143)
