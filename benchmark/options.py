"""The settings of a trial as options of a command line, for the verbs that train."""

from collections.abc import Callable
from dataclasses import Field, fields

import click

from benchmark.settings import Settings
from datasets import Sequences, Spec


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
    """Print what the model is trained on, and how many users it is evaluated on."""
    numbers, split = sequences.statistics, spec.split_of(sequences)
    synthetic = " SYNTHETIC data, generated here:" if spec.synthetic else ""
    click.echo(
        f"{spec.title}:{synthetic} {numbers['users']:,} users, {numbers['items']:,} items, "
        f"{numbers['interactions']:,} interactions, sparsity {numbers['sparsity']:.2%}; "
        f"digest {sequences.digest}"
    )
    trained = (split.train_ends - split.train_starts).sum()
    click.echo(
        f"{split.name}: {trained:,} interactions to train on, {len(split.valid.users):,} users to "
        f"validate on, {len(split.test.users):,} to test on"
    )
    if split.users_not_evaluated:
        click.echo(f"{split.users_not_evaluated:,} users {split.not_evaluated}")
