"""Settings that the training data decide, where nobody gave them.

One rule for all learned models, by facts of the training data alone. docs/sparse-data.md has what
it is worth, and on which data it was found.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings
from benchmark.training.batches import window_counts
from datasets.sequences import Sequences
from datasets.splitting.targets import Split

DENSE = 200  # interactions of an item from which on data are dense
SPARSE = 20  # interactions of an item up to which they are sparse
LEAST_DROPOUT = 0.1
MOST_DROPOUT = 0.5
INTERACTIONS_PER_STEP = 1024
STEPS_PER_EPOCH = 100  # at least, if batches are not smaller than the smallest
BATCHES = (32, 256)  # the smallest and the largest
STEPS_OF_PATIENCE = 500
EPOCHS_OF_PATIENCE = 3  # at least
EPOCHS_IF_DENSE = 5  # at least: three epochs without a better one can be noise
MANY_REPEATS = 0.1  # with fewer repeats, weights by frequency learn more slowly than they help
LARGEST_CATALOGUE = 200_000  # items: SLIST's part holds a score of each for each user of a batch
MOST_PAIRS = 1e9  # ``Facts.pairs``, which SLIST counts: minutes
MOST_KEPT_PAIRS = 3e8  # of items with a user in common, at most, which SLIST keeps: up to 8 GB


@dataclass(frozen=True)
class Facts:
    """What the settings follow from."""

    n_items: int
    per_item: float
    """Training interactions, a mean over items."""
    per_user: float
    """Training interactions, a mean over the users who have any."""
    pairs: float
    """See ``n_pairs``."""
    repeats: float
    """Share of the training interactions that repeat an item of their user."""

    @classmethod
    def of(cls, sequences: Sequences, split: Split) -> "Facts":
        lengths = split.train_ends - split.train_starts
        lengths = lengths[lengths > 0]
        return cls(
            n_items=sequences.n_items,
            per_item=lengths.sum() / sequences.n_items,
            per_user=lengths.mean() if len(lengths) else 1.0,
            pairs=n_pairs(split),
            repeats=split.repeats_in_training(sequences),
        )


def n_pairs(split: Split) -> float:
    """Pairs of training interactions of one user, the sum over users."""
    return float(np.square((split.train_ends - split.train_starts).astype(float)).sum())


def decided(settings: Settings, sequences: Sequences, split: Split) -> Settings:
    """The settings, with a value by the training data for each that nobody gave.

    - ``dropout``: .1 where an item has 200 interactions or more, .5 where it has 20 or fewer, and
      between these by the logarithm.
    - ``windows``: sampled where users have more interactions than ``max_length``, else tiled.
    - ``batch_size``: the power of two, from 32 to 256, with about 1,024 interactions in a step, or
      smaller, for an epoch of about 100 steps.
    - ``patience``: the epochs of 500 steps, at least 3, or 5 where an item has 200 interactions or
      more.
    - ``schedule``: constant where an item has 20 interactions or fewer, else plateau.
    - ``repeats``: frequency where over a tenth of the interactions repeat and histories are ranked.
    - ``embeddings``, ``blend``: slist, in catalogues of up to 200,000 items, if ``Facts.pairs``
      are at most 1e9, and the smaller of these and of all pairs of items at most 3e8.
    """
    return by_facts(settings, Facts.of(sequences, split), split) if settings.undecided else settings


def by_facts(settings: Settings, facts: Facts, split: Split) -> Settings:
    """As ``decided``, by the facts of the data."""
    windows = window_counts(split.train_starts, split.train_ends, settings.max_length)
    n_windows = int(windows.sum())
    small = (
        facts.n_items <= LARGEST_CATALOGUE
        and facts.pairs <= MOST_PAIRS
        and min(facts.pairs, facts.n_items**2) <= MOST_KEPT_PAIRS
    )
    found: dict[str, Value] = {
        "dropout": _dropout(facts),
        "windows": "sampled" if facts.per_user > settings.max_length else "tiled",
        "batch_size": _batch_size(facts, settings.max_length, n_windows),
        "schedule": "constant" if facts.per_item <= SPARSE else "plateau",
        "repeats": _repeats(facts, settings.history),
        "embeddings": "slist" if small else "random",
        "blend": "slist" if small else "none",
    }
    settings = _with(settings, found)
    steps = max(1.0, n_windows / settings.batch_size)
    settings = _with(settings, {"patience": _patience(facts, steps)})
    return replace(settings, undecided=frozenset())


def _with(settings: Settings, found: dict[str, Value]) -> Settings:
    values = {name: value for name, value in found.items() if name in settings.undecided}
    return replace(settings, **values)  # type: ignore[arg-type]  # their types are checked there


def _dropout(facts: Facts) -> float:
    share = math.log(DENSE / max(facts.per_item, 1e-9)) / math.log(DENSE / SPARSE)
    more = min(1.0, max(0.0, share)) * (MOST_DROPOUT - LEAST_DROPOUT)
    return round(LEAST_DROPOUT + more, 2)


def _batch_size(facts: Facts, max_length: int, n_windows: int) -> int:
    by_length = INTERACTIONS_PER_STEP / min(facts.per_user, max_length)
    low, high = BATCHES
    sequences = min(high, max(low, min(by_length, n_windows / STEPS_PER_EPOCH)))
    return int(2 ** round(math.log2(sequences)))


def _patience(facts: Facts, steps_per_epoch: float) -> int:
    least = EPOCHS_OF_PATIENCE if facts.per_item < DENSE else EPOCHS_IF_DENSE
    return max(least, round(STEPS_OF_PATIENCE / steps_per_epoch))


def _repeats(facts: Facts, history: str) -> str:
    return "frequency" if facts.repeats > MANY_REPEATS and history == "ranked" else "learned"
