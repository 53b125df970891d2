"""Settings that the training data decide."""

from dataclasses import replace

from benchmark.settings import Settings
from datasets.sequences import Sequences, Split

MANY = 0.1  # with fewer repeats, the weights learn more slowly than they help


def decided(settings: Settings, sequences: Sequences, split: Split) -> Settings:
    """The settings with a value in place of each "auto" that depends on the data.

    ``repeats``: weights by how often and how long ago an item occurred ("frequency") if many
    training interactions repeat an item and evaluation asks for that; else one weight ("learned").
    """
    if not settings.has("repeats") or settings.repeats != "auto":
        return settings
    again = settings.history == "ranked" and split.repeats_in_training(sequences) > MANY
    return replace(settings, repeats="frequency" if again else "learned")
