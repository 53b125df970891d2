"""Synthetic interactions with a real sequential signal, for demonstrations without a network."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST = 100_000_000  # numbers in one array


@dataclass(frozen=True)
class Walks:
    """Users walk over items: mostly to a successor of the last item, else to a favourite topic.

    Each item has a few successors of its own, with fixed probabilities; popularity is skewed.
    The first successor is twice as likely as the second, and so on.
    """

    users: int
    items: int
    seed: int
    topics: int
    successors: int
    follow: float
    """Probability that the next item is a successor of the last one."""
    shortest: int
    longest: int
    """Interactions per user, evenly distributed between these."""

    def __post_init__(self):
        """Raises ValueError for sizes of which there are no such walks, or too many."""
        for name in ("users", "items", "topics", "successors", "shortest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} in synthetic should be at least 1")
        if self.seed < 0 or not 0 <= self.follow <= 1 or self.shortest > self.longest:
            raise ValueError(
                "synthetic should have seed >= 0, follow from 0 to 1, and shortest <= longest"
            )
        if max(self.users * self.longest, self.items * (self.topics + self.successors)) > MOST:
            raise ValueError(
                "synthetic is too large: users times longest, and items times topics and "
                f"successors, should be at most {MOST:,}"
            )

    def generate(self) -> pd.DataFrame:
        """Columns user and item (str), timestamp (float64), in time order for each user."""
        rng = np.random.default_rng(self.seed)
        popularity = 1 / np.arange(1, self.items + 1) ** 0.5
        topic_of = rng.integers(self.topics, size=self.items)
        next_items = rng.integers(self.items, size=(self.items, self.successors))
        step = 0.5 ** np.arange(self.successors)
        taste = rng.integers(self.topics, size=self.users)
        weights = popularity * np.where(topic_of == np.arange(self.topics)[:, None], 1.0, 0.02)
        cumulative = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)

        def wander() -> np.ndarray:  # one item per user, by popularity within the user's topic
            draw = rng.random(self.users)
            return np.array(
                [np.searchsorted(cumulative[t], x) for t, x in zip(taste, draw, strict=True)]
            ).clip(max=self.items - 1)

        walk = [wander()]  # each entry: [users]
        for _ in range(self.longest - 1):
            successor = rng.choice(self.successors, size=self.users, p=step / step.sum())
            follows = rng.random(self.users) < self.follow
            walk.append(np.where(follows, next_items[walk[-1], successor], wander()))
        lengths = rng.integers(self.shortest, self.longest + 1, size=self.users)
        user, time = np.nonzero(np.arange(self.longest) < lengths[:, None])
        items = np.stack(walk, axis=1)[user, time]  # [users, longest] -> [n_interactions]
        return pd.DataFrame(
            {
                "user": np.char.add("u", user.astype(str)),
                "item": np.char.add("i", items.astype(str)),
                "timestamp": time.astype(np.float64),
            }
        )
