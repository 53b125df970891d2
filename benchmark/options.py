"""The settings of a trial as options of a command line, for the commands that train."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark import cli
from benchmark.settings import SETTINGS, Setting, Settings, Value

if TYPE_CHECKING:  # it loads pandas, which --help need not wait for
    from benchmark.recbole.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])
Made = TypeVar("Made")


def setting_options(
    *, without: Collection[str] = (), words: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Add a click option for each setting but those ``without``.

    ``words`` are values that the command itself understands, by the name of their setting: one for
    a setting with choices.
    """

    def add(command: Command) -> Command:
        for name, setting in reversed(SETTINGS.items()):
            if name in without:
                continue
            kind = option_type(setting)
            if words and name in words:
                kind = click.Choice([*setting.choices, words[name]], case_sensitive=False)
            option = click.option(
                f"--{name.replace('_', '-')}",
                name,
                type=kind,
                default=setting.default,
                show_default="by the data" if setting.by_data else True,
                help=setting.help,
            )
            command = option(command)
        return command

    return add


def option_type(setting: Setting) -> click.ParamType:
    """The click type with the setting's limits."""
    if setting.choices:
        return click.Choice(setting.choices, case_sensitive=False)
    if setting.kind is str:
        return click.STRING
    low = setting.above if setting.at_least is None else setting.at_least
    high = setting.below if setting.at_most is None else setting.at_most
    open_ends = {"min_open": setting.above is not None, "max_open": setting.below is not None}
    if setting.kind is int:
        return click.IntRange(_integer(low), _integer(high), **open_ends)
    return cli.FiniteRange(low, high, **open_ends)


def _integer(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def given(context: click.Context, values: Mapping[str, Value]) -> dict[str, Value]:
    """The options that the user gave on the command line; the others have their defaults."""
    return {name: value for name, value in values.items() if is_given(context, name)}


def is_given(context: click.Context, name: str) -> bool:
    """Whether the option of that parameter stands on the command line."""
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def resolve(config: Config, given: Mapping[str, Value]) -> Settings:
    """The settings of a trial, from the options and the configuration file.

    Notes about the file are printed on stderr. Raises DataError for a value of the file that is
    refused, and UsageError for settings that are.
    """
    settings = resolved(lambda: config.settings(**given))
    print_notes(config, settings, given)
    return settings


def resolved(make: Callable[[], Made]) -> Made:
    """What is made of options: settings. Raises UsageError if they do not go together."""
    try:
        return make()
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def print_notes(config: Config, settings: Settings, given: Mapping[str, Value]) -> None:
    """Print notes about the configuration file on stderr. Raises DataError as ``notes`` does."""
    for note in config.notes(settings, given):
        click.echo(note, err=True)
