"""Synthetic interactions with a second-order sequential signal, for demonstrations offline."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST = 100_000_000  # numbers in one array


@dataclass(frozen=True)
class Walks:
    """Users walk over items; the last two items say which item comes next.

    Each item has ``successors`` successors, and is of one of as many kinds. With probability
    ``follow`` a user moves to the last item's successor number k, where k is the kind of the item
    before the last. Otherwise, and for the first two items, the user jumps to a random item, drawn
    by popularity.

    A first-order Markov chain sees the last item only. It can learn the item's successors, which
    are about equally frequent, but not which of them comes next.
    """

    users: int
    items: int
    seed: int
    successors: int
    """Successors of each item, and kinds of items."""
    follow: float
    """Probability that the next item is the successor that the last two items determine."""
    shortest: int
    """Fewest interactions of a user. The number is uniform from ``shortest`` to ``longest``."""
    longest: int
    """Most interactions of a user."""

    def __post_init__(self) -> None:
        """Raises ValueError for sizes for which there are no such walks, or too many."""
        for name in ("users", "items", "successors", "shortest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} in synthetic should be at least 1")
        if self.seed < 0 or not 0 <= self.follow <= 1 or self.shortest > self.longest:
            raise ValueError(
                "synthetic should have seed >= 0, follow from 0 to 1, and shortest <= longest"
            )
        if max(self.users * self.longest, self.items * self.successors) > MOST:
            raise ValueError(
                "synthetic is too large: users times longest, and items times successors, should "
                f"be at most {MOST:,}"
            )

    def generate(self) -> pd.DataFrame:
        """Columns user and item (str), timestamp (float64), in time order for each user.

        The timestamp is the position in the user's walk, from 0.
        """
        rng = np.random.default_rng(self.seed)
        popularity = rng.permutation(1 / np.arange(1, self.items + 1) ** 0.5)  # [items]
        kind = np.arange(self.items) * self.successors // self.items  # [items], from 0
        # Each item is the successor of about one item of each kind. Independent draws would lead
        # most walks to a few items, from where a first-order chain predicts well.
        orders = [rng.permutation(self.items) for _ in range(self.successors)]
        successor = np.concatenate(orders).reshape(self.items, self.successors)

        shape = (self.longest, self.users)
        walk = rng.choice(self.items, size=shape, p=popularity / popularity.sum())  # jumps
        follows = rng.random(shape) < self.follow
        for time in range(2, self.longest):
            chosen = successor[walk[time - 1], kind[walk[time - 2]]]  # [users]
            walk[time] = np.where(follows[time], chosen, walk[time])

        lengths = rng.integers(self.shortest, self.longest + 1, size=self.users)
        user, time_of = np.nonzero(np.arange(self.longest) < lengths[:, None])  # [n_interactions]
        return pd.DataFrame(
            {
                "user": np.char.add("u", user.astype(str)),
                "item": np.char.add("i", walk[time_of, user].astype(str)),
                "timestamp": time_of.astype(np.float64),
            }
        )
