"""Settings that the training data decide."""

from dataclasses import replace

from benchmark.settings import Settings
from datasets.sequences import Sequences, Split


def decided(settings: Settings, sequences: Sequences, split: Split) -> Settings:
    """The settings with a value in place of each "auto" that depends on the data.

    ``repeats``: weights by how often and how long ago an item occurred ("frequency") if users
    repeat items in training and evaluation asks for that; otherwise one weight ("learned").
    """
    if not settings.has("repeats") or settings.repeats != "auto":
        return settings
    again = settings.history == "ranked" and split.trains_on_repeats(sequences)
    return replace(settings, repeats="frequency" if again else "learned")
