"""The limits of settings, recipes, and the command that repeats a trial."""

import pickle
from contextlib import nullcontext
from dataclasses import fields
from unittest.mock import Mock

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import models
from benchmark import options
from benchmark.settings.declaration import SettingError
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings, checked, converted
from benchmark.tracking.reading.settings import stored_settings

RECIPES = models.MODELS["BERT4Rec"].recipes


def repeated(settings):
    """The settings that the command of the trial sets."""
    words = [word.split("=", 1) for word in settings.command().split() if "=" in word]
    return Settings.of(**{name: SETTINGS[name].kind(value) for name, value in words})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs cannot be 0: it should be an integer, at least 1"),
        ("epochs", 3.0, "epochs cannot be 3.0: it should be an integer"),
        ("epochs", True, "epochs cannot be True: it should be an integer"),
        ("epochs", None, "epochs cannot be None: it should be an integer"),
        ("dropout", 5.0, "dropout cannot be 5.0: it should be a finite number, at least 0 and bel"),
        ("dropout", 1, "dropout cannot be 1: it should be a finite number, at least 0 and below 1"),
        (
            "mask_ratio",
            0,
            "mask_ratio cannot be 0: it should be a finite number, above 0 and below",
        ),
        ("last_share", 1.1, "at least 0 and at most 1"),
        ("muon_ratio", float("inf"), "muon_ratio cannot be inf: it should be a finite number"),
        ("muon_ratio", float("nan"), "muon_ratio cannot be nan: it should be a finite number"),
        ("muon_ratio", 10**400, "it should be a finite number, at least 0"),
        ("norm", "sideways", "norm cannot be 'sideways': it should be one of post, pre"),
        ("norm", 1, "norm cannot be 1: it should be one of post, pre"),
        ("dataset", 1, "dataset cannot be 1: it should be text"),
        ("model", "FPMC", "model cannot be 'FPMC': it should be one of BERT4Rec, SASRec"),
        ("recipe", ["fast"], "recipe cannot be ['fast']: it should be one of fast, paper"),
    ],
)
def test_a_value_outside_the_limits_is_one_sentence_wherever_it_comes_from(name, value, message):
    for make in (Settings, Settings.of, lambda **one: checked(*one.popitem())):
        with pytest.raises(SettingError) as caught:
            make(**{name: value})
        assert message in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # workers pickle it


def test_values_within_the_limits_are_taken_as_they_are():
    settings = Settings.of(dropout=0, last_share=1, causal_share=0.0, warmup_steps=0)
    assert (settings.dropout, settings.last_share, settings.warmup_steps) == (0, 1, 0)
    types = {f.name: f.type for f in fields(Settings)}
    assert {name: types[name] for name in SETTINGS} == {n: s.kind for n, s in SETTINGS.items()}
    assert (converted("epochs", 3.0), converted("dropout", 0)) == (3, 0.0)
    assert [type(v) for v in (converted("epochs", 3.0), converted("dropout", 0))] == [int, float]


NUMBERS = st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from([-1e-9, 1 - 1e-9, 1e300])


@given(st.sampled_from(list(SETTINGS)), NUMBERS | st.text(max_size=4))
@example("norm", "pre")
@example("dropout", 1)
@example("mask_ratio", 0.0)
@example("max_length", 2)
def test_the_command_line_has_the_same_limits(name, value):
    kind = SETTINGS[name].kind
    if kind is int and isinstance(value, float):
        value = int(value)
    if (kind is str) != isinstance(value, str):
        return
    try:
        expected = checked(name, value)
    except SettingError:
        with pytest.raises(click.BadParameter):
            options.option_type(SETTINGS[name]).convert(value, None, None)
    else:
        assert options.option_type(SETTINGS[name]).convert(value, None, None) == expected


def test_every_recipe_of_a_model_can_be_chosen():
    named = {name for model in models.MODELS.values() for name in model.recipes}
    assert named == set(SETTINGS["recipe"].choices)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_gives_what_is_not_given(recipe):
    settings = Settings.of(recipe=recipe, seed=9)
    for name, value in RECIPES[recipe].items():
        assert getattr(settings, name) == value
    assert settings.seed == 9
    assert settings.hidden_size == Settings.hidden_size  # no recipe sets it
    own = Settings.of(recipe=recipe, dropout=0.45, causal_share=0.25)
    assert (own.dropout, own.causal_share) == (0.45, 0.25)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"recipe": "paper"},
        {"recipe": "paper", "dropout": Settings.dropout, "learning_rate": 0.0001},
        {"dataset": "ml-1m", "dropout": RECIPES["paper"]["dropout"], "seed": 3},
    ],
)
def test_the_command_of_a_trial_repeats_it(given):
    settings = Settings.of(**given)
    assert repeated(settings) == settings


def test_the_paper_s_recipe_has_no_trick_in_it():
    paper = Settings.of(recipe="paper")
    assert paper.causal_share == paper.last_share == paper.muon_ratio == paper.ema_decay == 0
    assert (paper.positions, paper.windows, paper.schedule) == ("learned", "tiled", "constant")


def test_a_stored_trial_of_gsasrec_without_repeats_scores_all_items_alike(monkeypatch, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("model: gSASRec\nnegatives: 256\n")
    stored = "benchmark.tracking.reading.settings.artifact"
    monkeypatch.setattr(stored, lambda *_: nullcontext(config))
    settings = stored_settings(Mock(), "a run")
    alone = {"embeddings": "random", "blend": "none"}
    assert settings == Settings.of(model="gSASRec", repeats="alike", **alone)
    assert not settings.undecided
