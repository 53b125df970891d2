"""How long a trial takes, as expected before it starts."""

import pytest

from benchmark.data import Data
from benchmark.settings.settings import Settings
from benchmark.training import estimate
from models.baselines.slist import SLIST
from models.blend import VARIANTS, Blend


@pytest.fixture
def expected(here, monkeypatch):
    """``expected(owner, name, seconds)``: the estimate of a trial, if time passes only while that
    method runs, so many seconds for each call."""

    def expected(owner, name, seconds):
        passed = 0.0
        method = getattr(owner, name)

        class Clock:
            def __init__(self, device):
                pass

            def now(self):
                return passed

        def slow(*args):
            nonlocal passed
            passed += seconds
            return method(*args)

        monkeypatch.setattr(estimate, "Clock", Clock)
        monkeypatch.setattr(owner, name, slow)
        settings = Settings.of(dataset="demo", model="SASRec", hidden_size=8, layers=1)
        return estimate.estimate(Data.of(settings, None).trainer(settings))

    return expected


def test_the_weights_of_a_linear_model_are_expected_once(expected):
    found = expected(Blend, "count", 1000.0)
    assert (found.epoch_seconds, found.least_seconds, found.most_seconds) == (0.0, 1000.0, 1000.0)


def test_the_part_of_a_linear_model_in_the_scores_is_expected_in_the_rankings_after_training(
    expected,
):
    found = expected(SLIST, "queries", 1.0)  # of a batch of users
    assert found.epoch_seconds == 0.0
    assert found.least_seconds == found.most_seconds > len(VARIANTS) + 2
