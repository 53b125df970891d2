"""What every command line verb shares: options from settings, and errors as one line."""

import sys
from collections.abc import Callable
from dataclasses import Field, fields

import click

from benchmark.checkpoint import CheckpointError
from benchmark.settings import Settings
from benchmark.tracking import TakenOver, Terminated, TrackingError
from benchmark.trainer import TrainingError
from datasets import DataError, Sequences, Spec

# The user's to mend, and said in one line; anything else is a defect of ours and keeps its trace.
USER_ERRORS = (DataError, TrackingError, TakenOver, TrainingError, CheckpointError)

# --learning_rate is --learning-rate: `mlflow run -P learning_rate=...` passes names as they are.
CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-"), "max_content_width": 100}


def setting_options(command: Callable) -> Callable:
    """A click option for each field of Settings."""
    for setting in reversed(fields(Settings)):
        option = click.option(
            f"--{setting.name.replace('_', '-')}",
            setting.name,
            type=option_type(setting),
            default=setting.default,
            show_default=True,
            help=setting.metadata["help"],
        )
        command = option(command)
    return command


def option_type(setting: Field) -> click.ParamType:
    """What click accepts for a field of Settings."""
    limits = setting.metadata
    if "choices" in limits:
        return click.Choice(limits["choices"])
    if setting.type is int:
        return click.IntRange(limits.get("at_least"))
    if setting.type is float:
        low = limits.get("at_least", limits.get("above"))
        high = limits.get("at_most", limits.get("below"))
        return click.FloatRange(low, high, min_open="above" in limits, max_open="below" in limits)
    return click.STRING


def given(context: click.Context, values: dict) -> dict:
    """Those options that stand on the command line, and not the defaults of the others."""
    return {k: v for k, v in values.items() if context.get_parameter_source(k).name != "DEFAULT"}


def settings(given: dict) -> Settings:
    """Raises UsageError for values that do not go together."""
    try:
        return Settings.of(**given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


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
