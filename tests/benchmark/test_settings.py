"""Recipes, and the command that repeats a trial."""

from dataclasses import fields

import pytest

import models
from benchmark.settings import Settings

RECIPES = models.MODELS["BERT4Rec"].recipes


def repeated(settings):
    """The settings that the trial's own command gives."""
    kinds = {f.name: f.type for f in fields(Settings)}
    given = [word.split("=", 1) for word in settings.command().split() if "=" in word]
    return Settings.of(**{name: kinds[name](value) for name, value in given})


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_gives_what_is_not_given(recipe):
    settings = Settings.of(recipe=recipe, seed=9)
    for name, value in RECIPES[recipe].items():
        assert getattr(settings, name) == value
    assert settings.seed == 9
    assert settings.hidden_size == Settings.hidden_size  # neither gives it
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
