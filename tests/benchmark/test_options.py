"""Options with values that no user means: one line of error, or a value that works."""

import math
import re
from contextlib import suppress
from importlib import import_module

import click
import pandas as pd
import pytest

from benchmark.__main__ import COMMANDS
from benchmark.options import option_type
from benchmark.settings.declaration import Setting, SettingError
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings, checked
from benchmark.training.trainer import Trainer, TrainingError
from datasets.sequences import from_interactions
from datasets.splitting.splits import leave_one_out
from models import MODELS

HOSTILE = ["nan", "1e308", str(2**64), "9" * 5000, ""]
NEEDED = {
    "report": ["--experiment", "none"],
    "promote": ["--experiment", "none"],
    "recommend": ["--model", "models:/none/1", "--output", "none.parquet"],
    "train": ["--dataset", "none"],
    "speed": ["--dataset", "none"],
    "card": ["none", "--sequential"],
    "sweep": ["--dataset", "none"],
    "compare": ["--dataset", "none"],
    "published": ["none.md"],
    "suite": ["none"],
}


def options(verb):
    """The options of a command that take a value; settings are train's alone, to save time."""
    command = getattr(import_module(f"benchmark.{verb}"), verb)
    for option in command.params:
        own = verb == "train" or option.name not in SETTINGS
        if isinstance(option, click.Option) and own and not option.is_flag:
            yield option.opts[0]


@pytest.mark.parametrize("verb", COMMANDS)
def test_whatever_an_option_is_given_a_command_ends_with_one_line(run_verb, store, here, verb):
    (here / "hyper.test").write_text("history choice [ranked]\n")  # cannot be searched
    for option in options(verb):
        for value in HOSTILE:
            done = run_verb(verb, *NEEDED.get(verb, []), option, value)
            shown = f"{verb} {option} {value[:30]}"
            assert done.returncode in (1, 2), shown
            assert done.stderr.splitlines()[-1].startswith("Error: "), shown
            assert "Traceback" not in done.stderr, shown


@pytest.mark.parametrize("verb", ["train", "sweep", "compare"])
def test_a_help_text_lists_each_option_in_its_section(verb):
    command = getattr(import_module(f"benchmark.{verb}"), verb)
    text = command.get_help(click.Context(command, terminal_width=80))
    sections = dict(re.findall(r"^(\w+):\n((?:  .*\n?)+)", text, re.M))
    listed = {name: re.findall(r"^  --([\w-]+)", part, re.M) for name, part in sections.items()}
    groups = ["Data", "Model", "Training", "Evaluation", "Machine", "Tracking", "Other"]
    assert list(listed) == ["Search"] * (verb != "train") + groups
    assert set(listed["Other"]) <= {"dry-run", "help"}
    assert listed["Data"] == ["dataset", "recbole-config", "data-dir"]
    found = [option for options in listed.values() for option in options]
    known = [option.opts[0][2:] for option in command.params if isinstance(option, click.Option)]
    assert sorted(found) == sorted([*known, "help"])
    about_heads = " ".join(sections["Model"].split())
    assert "attention heads per layer. For BERT4Rec, SASRec, gSASRec, eSASRec, HSTU." in about_heads


def extremes(name):
    """The smallest and the largest value of a number."""
    setting = SETTINGS[name]
    low = setting.above if setting.at_least is None else setting.at_least
    high = setting.below if setting.at_most is None else setting.at_most
    if setting.kind is float:
        low = low if setting.above is None else math.nextafter(low, math.inf)
        high = high if setting.below is None else math.nextafter(high, -math.inf)
    return [setting.kind(low), setting.kind(high)]


NUMBERS = [name for name, setting in SETTINGS.items() if setting.kind is not str]
TOO_MUCH = {"layers", "epochs", "hidden_size", "inner_size"}  # at their largest, for a test


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_both_limits_and_trains_at_them(name, monkeypatch):
    # It collects garbage, for seconds where the tests have loaded much.
    monkeypatch.setattr("benchmark.training.trainer.reset_peak", lambda device: None)
    rows = [(user, f"i{item}") for user in ("a", "b") for item in range(8)]
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item"]))
    low, high = extremes(name)
    for beyond in (low - 1, high * 2 + 1, math.nan, math.inf, 10**400):
        with pytest.raises(SettingError):
            checked(name, beyond)
    for value in (low, high):
        for model in ("BERT4Rec", "gSASRec", "GRU4Rec"):
            tiny = {"hidden_size": 4, "inner_size": 4, "epochs": 1, "batch_size": 2, "layers": 1}
            tiny["blend"] = "none"
            if name in TOO_MUCH and value == high:
                continue
            try:
                settings = Settings.of(model=model, **tiny | {name: value})
            except SettingError:
                raise
            except ValueError:  # the model does not have it, or it does not go with the others
                continue
            trainer = Trainer(settings, sequences, leave_one_out(sequences))
            with suppress(TrainingError):  # the loss of the largest learning rate is nan
                assert all(math.isfinite(epoch.train_loss) for epoch in trainer.epochs())


def test_one_negative_is_refused_where_nothing_would_be_learned():
    with pytest.raises(ValueError, match="negatives 1 leaves no item that the target is compared"):
        Settings.of(negatives=1)
    assert Settings.of(model="gSASRec", negatives=1).negatives == 1  # its loss is binary
    with pytest.raises(ValueError, match="gSASRec needs negatives: 1 or more"):
        Settings.of(model="gSASRec", negatives=0)


@pytest.mark.parametrize("model", MODELS)
def test_a_choice_is_taken_in_any_case(model):
    assert Settings.of(model=model.lower()) == Settings.of(model=model.upper())
    assert Settings.of(model=model.lower()).model == model


def test_a_model_that_does_not_fit_into_memory_is_one_line(monkeypatch):
    def build(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("models.build", build)
    sequences = from_interactions(pd.DataFrame({"user": ["a"] * 3, "item": ["x", "y", "z"]}))
    with pytest.raises(TrainingError, match="out of memory on cpu: the model does not fit"):
        Trainer(Settings.of(), sequences, leave_one_out(sequences))


def test_a_float_setting_without_limits_is_any_finite_number(capsys):
    kind = option_type(Setting(0.8, "Weight."))
    option = click.Option(["--decay"], type=kind, default=0.8, show_default=True)
    command = click.Command("train", params=[option], callback=lambda decay: click.echo(decay))
    command.main(["--help"], standalone_mode=False)
    assert "[default: 0.8]" in capsys.readouterr().out
    for text in ("nan", "inf", "-inf", "x"):
        with pytest.raises(click.BadParameter):
            command.main(["--decay", text], standalone_mode=False)
    command.main(["--decay", "-3e5"], standalone_mode=False)
    assert capsys.readouterr().out == "-300000.0\n"
