"""Synthetic sequences of the published shape of Amazon-Books, for timing without the real file.

40,550 users, 31,094 items, 1,181,294 interactions, a 10-core like the original: every user and
every item has at least 10. Users' lengths and items' popularity are skewed, and each item has a few
likely successors, so that a sequential model has something to learn. What a step costs depends on
these alone; quality on them says nothing about real users.

(datasets/synthetic.py cannot give this shape: its lengths are uniform, and neither the number of
interactions nor that of the items that occur can be set.)
"""

import numpy as np

USERS = 40_550
ITEMS = 31_094
INTERACTIONS = 1_181_294
CORE = 10
SPREAD = 1.2  # standard deviation of the logarithm of a user's interactions beyond the core
FOLLOW = 0.4  # probability that the next item is a successor of the last one
SUCCESSORS = np.array([0.5, 0.25, 0.15, 0.1])  # probabilities of an item's successors


def amazon_shape(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(items [INTERACTIONS] int64, oldest first, user after user; offsets [USERS + 1] int64)."""
    rng = np.random.default_rng(seed)
    lengths = _lengths(rng)
    items = _walks(lengths, rng)
    _fill_core(items, rng)
    return items, np.concatenate([[0], np.cumsum(lengths)])


def _lengths(rng: np.random.Generator) -> np.ndarray:
    """[USERS] int64: the core plus a log-normal share of what is left, to the exact total."""
    beyond = np.exp(SPREAD * rng.standard_normal(USERS))
    beyond *= (INTERACTIONS - CORE * USERS) / beyond.sum()
    lengths = CORE + beyond.astype(np.int64)
    short = INTERACTIONS - lengths.sum()  # lost by rounding down: fewer than USERS
    lengths[np.argsort(lengths - CORE - beyond)[:short]] += 1
    return lengths


def _walks(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[INTERACTIONS] int64: to a successor of the last item, else anywhere by popularity."""
    popularity = 1 / (np.arange(ITEMS) + 100) ** 0.8
    cumulative = np.cumsum(rng.permutation(popularity / popularity.sum()))

    def by_popularity(*shape: int) -> np.ndarray:
        return np.searchsorted(cumulative, rng.random(shape)).clip(max=ITEMS - 1)

    successors = by_popularity(ITEMS, len(SUCCESSORS))  # popular ones: their skew is kept
    longest_first = np.argsort(-lengths, kind="stable")
    starts = (np.cumsum(lengths) - lengths)[longest_first]
    ascending = lengths[longest_first[::-1]]
    items = np.empty(lengths.sum(), dtype=np.int64)
    last = by_popularity(USERS)
    for step in range(lengths.max()):  # all users at once whose walk is this long
        walking = USERS - np.searchsorted(ascending, step, side="right")
        if step:
            which = rng.choice(len(SUCCESSORS), size=walking, p=SUCCESSORS)
            follows = rng.random(walking) < FOLLOW
            last = np.where(follows, successors[last[:walking], which], by_popularity(walking))
        items[starts[:walking] + step] = last
    return items


def _fill_core(items: np.ndarray, rng: np.random.Generator) -> None:
    """Put items that occur too rarely in the place of some that occur often."""
    while (missing := CORE - (counts := np.bincount(items, minlength=ITEMS))).max() > 0:
        rare = np.repeat(np.arange(ITEMS), missing.clip(min=0))
        often = np.flatnonzero(counts[items] > 4 * CORE)
        items[rng.choice(often, size=len(rare), replace=False)] = rare
