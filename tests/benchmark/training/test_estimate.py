"""How long a trial takes, as expected before it starts."""

from benchmark.data import Data
from benchmark.settings.settings import Settings
from benchmark.training import estimate
from models.blend import VARIANTS, Blend
from models.slist import SLIST


def test_the_weights_of_a_linear_model_are_expected_once(here, monkeypatch):
    """Time passes only while they are computed, 1,000 seconds of it."""
    passed = 0.0

    class Clock:
        def __init__(self, device):
            pass

        def now(self):
            return passed

    count = Blend.count

    def slow(*args):
        nonlocal passed
        passed += 1000.0
        count(*args)

    monkeypatch.setattr(estimate, "Clock", Clock)
    monkeypatch.setattr(Blend, "count", slow)
    settings = Settings.of(dataset="demo", model="SASRec", hidden_size=8, layers=1)
    found = estimate.estimate(Data.of(settings, None).trainer(settings))
    assert (found.epoch_seconds, found.least_seconds, found.most_seconds) == (0.0, 1000.0, 1000.0)


def test_the_part_of_a_linear_model_in_the_scores_is_expected_in_the_rankings_after_training(
    here, monkeypatch
):
    """Time passes only while its scores are computed, 1 second for each batch of users."""
    passed = 0.0

    class Clock:
        def __init__(self, device):
            pass

        def now(self):
            return passed

    queries = SLIST.queries

    def slow(*args):
        nonlocal passed
        passed += 1.0
        return queries(*args)

    monkeypatch.setattr(estimate, "Clock", Clock)
    monkeypatch.setattr(SLIST, "queries", slow)
    settings = Settings.of(dataset="demo", model="SASRec", hidden_size=8, layers=1)
    found = estimate.estimate(Data.of(settings, None).trainer(settings))
    assert found.epoch_seconds == 0.0
    assert found.least_seconds == found.most_seconds > len(VARIANTS) + 2
