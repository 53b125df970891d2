"""The settings of a trial as options of a command line, for the commands that train."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark import cli
from benchmark.errors import UserError
from benchmark.settings.declaration import Setting, Value
from benchmark.settings.fields import LEARNING, SETTINGS
from benchmark.settings.settings import Settings, declared
from models import MODELS, by_setting, is_outside

if TYPE_CHECKING:  # it loads pandas, which --help need not wait for
    from benchmark.recbole.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])
Made = TypeVar("Made")


GROUPS: dict[str, tuple[str, ...]] = {
    "search": ("budget", "named", "method", "trials", "seeds", "pruner", "timeout", "spaces"),
    "data": ("data_dir",),
    "model": (),
    "training": (),
    "evaluation": (),
    "machine": ("executor", "jobs", "cpus_per_trial", "gpus_per_trial"),
    "tracking": ("run_id", "name", "promoted", "system_metrics"),
    "other": (),
}
"""The sections of a help text, in order, and the parameters in each that are no settings."""


class TrialCommand(click.Command):
    """A command with settings as options. A model that its words name, by --model or --models, adds
    the settings that its constructor alone declares."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in the sections of ``GROUPS``."""
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        own = ctx.meta.get(OWN_OPTIONS, [])
        for param in sorted(self.get_params(ctx), key=lambda param: param.name not in SETTINGS):
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record:
                sections["model" if param in own else _group(param.name or "")].append(record)
        for group, records in sections.items():
            if records:
                with formatter.section(group.capitalize()):
                    formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[OWN_OPTIONS] = self._own_options(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*ctx.meta.get(OWN_OPTIONS, []), *super().get_params(ctx)]

    def _own_options(self, ctx: click.Context, words: list[str]) -> list[click.Parameter]:
        """Raises UserError for a model that cannot be loaded, and for a setting whose name another
        option has."""
        found: dict[str, click.Parameter] = {}
        others = [p for p in super().get_params(ctx) if p.name not in SETTINGS]
        taken = {name for p in others for name in (p.name, *p.opts, *p.secondary_opts)}
        for model in self._models(words):
            try:
                own = {n: s for n, s in declared(model).items() if n not in SETTINGS}
            except ValueError as error:
                raise UserError(str(error)) from None
            for name in own:
                if not taken.isdisjoint(_names(name)):
                    raise UserError(
                        f"{model}: {name} is another option: give the setting another name"
                    )
            found |= {n: click.Option(_names(n), **_attributes(s)) for n, s in own.items()}
        return list(found.values())

    def _models(self, words: list[str]) -> Iterator[str]:
        """The models that the words of a command line name.

        Those of seqrec are left out, because they load slowly, unless there is an option that
        is none of the command's.
        """
        options = [word.partition("=")[0].replace("_", "-") for word in words if word[:2] == "--"]
        known = {option for param in self.params for option in param.opts}
        is_argument = any(isinstance(p, click.Argument) and p.name == "model" for p in self.params)
        for before, word in zip(["", *words], words, strict=False):
            option, equals, value = word.partition("=")
            names = value if equals and option in MODEL_OPTIONS else ""
            if before in MODEL_OPTIONS or (is_argument and "-" not in (before[:1], word[:1])):
                names = word
            for name in names.split(","):
                model = SETTINGS["model"].spelled(name.strip())
                if is_outside(model) or (model in MODELS and not known.issuperset(options)):
                    yield model


OWN_OPTIONS = "benchmark.own_options"
"""The key of these options in click's context."""
MODEL_OPTIONS = ("--model", "--models")


def _group(name: str) -> str:
    """The section of a parameter that is no model's own setting."""
    if name in SETTINGS:
        return SETTINGS[name].group
    return next((group for group, names in GROUPS.items() if name in names), "other")


class ModelChoice(click.Choice[str]):
    """The name of a model of seqrec, or of another one."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """One word: the names of all models are too long for a line."""
        return "MODEL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if is_outside(value):
            return str(value)
        if str(value).endswith(".py"):
            self.fail(f"{value!r} lacks the class: FILE.py:CLASS", param, ctx)
        return super().convert(value, param, ctx)


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
            more = (words[name],) if words and name in words else ()
            attributes = _attributes(setting, more)
            attributes["help"] += _models_with(name, attributes["type"])
            command = click.option(*_names(name), **attributes)(command)
        return command

    return add


def _names(name: str) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", name


def _attributes(setting: Setting, more: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": option_type(setting, more),
        "default": setting.default,
        "show_default": "by the data" if setting.by_data else setting.default != "",
        "help": setting.help,
    }


def _models_with(name: str, kind: click.ParamType) -> str:
    """Which models have the setting, as a sentence of its help text; empty if all have it."""
    if isinstance(kind, ModelChoice):
        return f" Names: {', '.join(kind.choices)}."
    if name in LEARNING:
        return " For learned models."
    having = by_setting.having(name)
    learned = by_setting.learned()
    if set(having) >= set(learned):
        having = ["learned models", *(model for model in having if model not in learned)]
    return f" For {', '.join(having)}." if having else ""


def option_type(setting: Setting, more: tuple[str, ...] = ()) -> click.ParamType:
    """The click type with the setting's limits; ``more`` are other values."""
    if setting.choices:
        kind = ModelChoice if setting.or_else else click.Choice
        return kind([*setting.choices, *more], case_sensitive=False)
    if setting.kind is str:
        return click.STRING
    low = setting.above if setting.at_least is None else setting.at_least
    high = setting.below if setting.at_most is None else setting.at_most
    open_ends = {"min_open": setting.above is not None, "max_open": setting.below is not None}
    if setting.kind is int:
        return click.IntRange(_integer(low), _integer(high), **open_ends)
    if low is None and high is None:  # a range without ends is shown as x<=None
        return cli.Finite()
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
