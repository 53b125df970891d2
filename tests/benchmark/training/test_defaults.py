"""Settings that the training data decide."""

import numpy as np
import pytest

from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings
from benchmark.training.defaults import decided
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out


def data(users, length, n_items, repeats=False):
    """``users`` sequences of so many training items each, and two more; each item equally often."""
    count = users * (length + 2)
    items = np.arange(count) % n_items
    if repeats:
        items = np.repeat(np.arange(users), length + 2) % n_items
    offsets = np.arange(0, count + 1, length + 2)
    ids = [Ids.of(np.arange(n).astype(str)) for n in (users, n_items)]
    sequences = Sequences(items.astype(np.int32), offsets, *ids)
    return sequences, leave_one_out(sequences)


def found(of, **given):
    settings = decided(Settings.of(**given), *of)
    return {name: getattr(settings, name) for name, s in SETTINGS.items() if s.by_data}


def test_sparse_short_sequences():
    """20 interactions of an item; 8 of a user, 128 users in a step, 125 steps in an epoch."""
    assert found(data(16_000, 8, 6_400)) == {
        "dropout": 0.5,
        "batch_size": 128,
        "windows": "tiled",
        "patience": 4,
        "schedule": "constant",
        "repeats": "learned",
        "embeddings": "slist",
        "blend": "slist",
    }


def test_dense_long_sequences():
    """300 interactions of an item; users have more than the 50 of a window."""
    assert found(data(600, 100, 200)) == {
        "dropout": 0.1,
        "batch_size": 32,
        "windows": "sampled",
        "patience": 13,  # 38 steps in an epoch
        "schedule": "plateau",
        "repeats": "learned",
        "embeddings": "slist",
        "blend": "slist",
    }


def test_small_data_have_small_batches():
    """3,000 sequences: 128 of them in a step would leave 24 steps in an epoch."""
    assert found(data(3_000, 8, 6_400))["batch_size"] == 32


def test_dropout_falls_by_the_logarithm():
    """2, 20, 40, 64, 126, 200 and 2,000 interactions of an item."""
    dropout = [found(data(n * 20, 8, 80))["dropout"] for n in (1, 10, 20, 32, 63, 100, 1000)]
    assert dropout == [0.5, 0.5, 0.38, 0.3, 0.18, 0.1, 0.1]


def test_the_learning_rate_falls_where_data_are_not_sparse():
    """20 and 21 interactions of an item."""
    assert [found(data(n * 10, 8, 80))["schedule"] for n in (20, 21)] == ["constant", "plateau"]


def test_patience_is_longer_where_data_are_dense():
    """200 interactions of an item, and fewer: 500 steps are an epoch."""
    patience = [found(data(16_000, 8, n), batch_size=32)["patience"] for n in (640, 650)]
    assert patience == [5, 3]


@pytest.mark.parametrize(
    ("history", "expected"), [("ranked", "frequency"), ("masked", "learned"), ("novel", "learned")]
)
def test_repeats_are_weighted_by_frequency_where_they_are_asked_for(history, expected):
    assert found(data(100, 8, 50, repeats=True), history=history)["repeats"] == expected


@pytest.mark.parametrize(
    ("limit", "value"), [("LARGEST_CATALOGUE", 79), ("MOST_PAIRS", 6399), ("MOST_KEPT_PAIRS", 6399)]
)
def test_large_data_have_no_part_of_slist(monkeypatch, limit, value):
    """100 users have 8 training interactions each: 6,400 pairs."""
    monkeypatch.setattr(f"benchmark.training.defaults.{limit}", value + 1)
    assert found(data(100, 8, 80))["blend"] == "slist"
    monkeypatch.setattr(f"benchmark.training.defaults.{limit}", value)
    of = found(data(100, 8, 80))
    assert (of["embeddings"], of["blend"]) == ("random", "none")


def test_what_is_given_or_in_the_recipe_stays():
    of = data(16_000, 8, 6_400)
    assert found(of, dropout=0.1, patience=7)["dropout"] == 0.1
    assert found(of, dropout=0.1, patience=7)["patience"] == 7
    assert found(of, batch_size=32)["patience"] == 3  # 500 steps are an epoch
    paper = decided(Settings.of(recipe="paper", learning_rate=0.001), *of)
    assert not paper.undecided
    assert {k: getattr(paper, k) for k in ("dropout", "batch_size", "windows", "patience")} == {
        "dropout": 0.2,
        "batch_size": 256,
        "windows": "tiled",
        "patience": 10,
    }
    assert (paper.embeddings, paper.blend, paper.repeats) == ("random", "none", "alike")


def test_the_command_repeats_what_was_decided():
    settings = decided(Settings.of(dataset="mine.yaml"), *data(16_000, 8, 6_400))
    words = settings.command().split()
    for word in ("dropout=0.5", "batch_size=128", "windows=tiled", "patience=4", "blend=slist"):
        assert word in words


def test_a_model_that_is_counted_has_nothing_to_decide():
    settings = Settings.of(model="Popularity")
    assert decided(settings, *data(10, 8, 20)) is settings
