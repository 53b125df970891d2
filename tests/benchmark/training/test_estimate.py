"""How long a trial takes, as expected before it starts."""

from benchmark.data import Data
from benchmark.settings.settings import Settings
from benchmark.training import estimate
from models.blend import Blend


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
