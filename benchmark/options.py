"""The settings of a trial as options of a command line, for the verbs that train."""

from collections.abc import Callable
from dataclasses import Field, fields

import click

from benchmark.settings import Settings


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
