"""Synthetic sequences of the size of Amazon-Books, for timing without the real file.

The published counts: 40,550 users, 31,094 items and 1,181,294 interactions, a 10-core as the
original is: every user and every item has at least 10 interactions. Sequence lengths and item
popularity are skewed. Every item has a few likely successors, so that a sequential model can learn
something. The time of a training step depends on these properties alone; metrics on these data say
nothing about real users.

datasets/synthetic.py cannot produce these data: its sequence lengths are uniform, and it sets
neither the number of interactions nor the number of items that occur.
"""

import numpy as np

USERS = 40_550
ITEMS = 31_094
INTERACTIONS = 1_181_294
CORE = 10  # fewest interactions of a user or an item
SPREAD = 1.2  # standard deviation of log(length - CORE) over the users, before rounding
FOLLOW = 0.4  # probability that the next item is a successor of the last item
SUCCESSORS = np.array([0.5, 0.25, 0.15, 0.1])  # probability of each successor of an item


def amazon_shape(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Items and offsets of all sequences; the same seed gives the same sequences.

    Returns (items [INTERACTIONS] int64, offsets [USERS + 1] int64). User u has the items
    ``items[offsets[u]:offsets[u + 1]]``, oldest first.
    """
    rng = np.random.default_rng(seed)
    lengths = _lengths(rng)
    items = _walks(lengths, rng)
    _fill_core(items, rng)
    return items, np.concatenate([[0], np.cumsum(lengths)])


def _lengths(rng: np.random.Generator) -> np.ndarray:
    """[USERS] int64: CORE plus a log-normal number each; the sum is INTERACTIONS."""
    beyond = np.exp(SPREAD * rng.standard_normal(USERS))
    beyond *= (INTERACTIONS - CORE * USERS) / beyond.sum()
    lengths = CORE + beyond.astype(np.int64)
    # Rounding down lost fewer than USERS interactions: those who lost most get one more.
    short = INTERACTIONS - lengths.sum()
    lengths[np.argsort(lengths - CORE - beyond)[:short]] += 1
    return lengths


def _walks(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[INTERACTIONS] int64: the items of all users, each user a random walk over the items.

    A step leads to a successor of the last item with probability FOLLOW, otherwise to an item drawn
    by popularity.
    """
    popularity = 1 / (np.arange(ITEMS) + 100) ** 0.8
    cumulative = np.cumsum(rng.permutation(popularity / popularity.sum()))

    def by_popularity(*shape: int) -> np.ndarray:
        return np.searchsorted(cumulative, rng.random(shape)).clip(max=ITEMS - 1)

    # Successors are drawn by popularity, too: otherwise they would flatten the popularity of items.
    successors = by_popularity(ITEMS, len(SUCCESSORS))
    longest_first = np.argsort(-lengths, kind="stable")
    starts = (np.cumsum(lengths) - lengths)[longest_first]
    ascending = lengths[longest_first[::-1]]
    items = np.empty(lengths.sum(), dtype=np.int64)
    last = by_popularity(USERS)
    # One step of all users at a time. The users with the longest sequences come first, so that
    # those who take this step are a prefix.
    for step in range(lengths.max()):
        walking = USERS - np.searchsorted(ascending, step, side="right")
        if step:
            which = rng.choice(len(SUCCESSORS), size=walking, p=SUCCESSORS)
            follows = rng.random(walking) < FOLLOW
            last = np.where(follows, successors[last[:walking], which], by_popularity(walking))
        items[starts[:walking] + step] = last
    return items


def _fill_core(items: np.ndarray, rng: np.random.Generator) -> None:
    """Replace occurrences of frequent items with rare items until every item occurs CORE times."""
    while True:
        counts = np.bincount(items, minlength=ITEMS)
        missing = CORE - counts
        if missing.max() <= 0:
            return
        rare = np.repeat(np.arange(ITEMS), missing.clip(min=0))
        frequent = np.flatnonzero(counts[items] > 4 * CORE)
        items[rng.choice(frequent, size=len(rare), replace=False)] = rare
