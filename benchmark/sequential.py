"""How much the order of a history tells: the same model, ranking with shuffled histories.

Klenitskiy et al., "Does It Look Sequential? An Analysis of Datasets for Evaluation of Sequential
Recommendations", RecSys 2024, https://doi.org/10.1145/3640457.3688195.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmark.measures.metrics import SELECTION_METRIC, begins, per_query
from benchmark.reporting.statistics import interval
from benchmark.training.evaluation import rank_targets
from benchmark.training.trainer import Trainer
from datasets.sequences import Sequences
from datasets.spans import spans
from datasets.splitting.targets import Targets
from models.batches import Interactions

SHUFFLES = 3
"""Random orders of each history, whose metrics are averaged."""


@dataclass(frozen=True)
class OrderLoss:
    """What a model loses when it sees the items of each test history in random order."""

    in_order: float
    """Mean test ndcg@10 over queries, as reports show it."""
    shuffled: float
    """The same with shuffled histories."""
    low: float
    """The 95% confidence interval over users of the difference ``in_order - shuffled``."""
    high: float

    def __str__(self) -> str:
        share = f" ({1 - self.shuffled / self.in_order:.1%})" if self.in_order else ""
        return (
            f"test {SELECTION_METRIC} is {self.in_order:.4f} on histories in their order, and "
            f"{self.shuffled:.4f} on the same histories in random order: a loss of "
            f"{self.in_order - self.shuffled:.4f}{share}, 95% interval {self.low:.4f} to "
            f"{self.high:.4f} over users"
        )


def measure(trainer: Trainer) -> OrderLoss:
    """Train or count the model of ``trainer``, and rank the test targets with both histories.

    Shuffling moves the items of a whole history, also those before the part that the model sees.
    Training data, targets and times keep their places.
    """
    for _ in trainer.epochs():
        pass
    targets = trainer.split.test
    in_order = per_query(trainer.final_ranks()["test"], targets.queries, SELECTION_METRIC)
    chance = np.random.default_rng(trainer.settings.seed)
    found = [_shuffled_values(trainer, targets, chance) for _ in range(SHUFFLES)]
    shuffled = np.mean(found, axis=0)  # [queries]
    lost, queries = _by_user(in_order - shuffled, targets)
    low, high = interval(lost[None], weights=queries)
    return OrderLoss(
        float(in_order.mean()), float(shuffled.mean()), float(low.item()), float(high.item())
    )


def _shuffled_values(trainer: Trainer, targets: Targets, chance: np.random.Generator) -> np.ndarray:
    """The metric of each query with its history in random order: [queries] float64."""
    items, baskets, moved = shuffled(trainer.sequences, targets, chance)
    interactions = Interactions(
        torch.from_numpy(items).to(trainer.device), torch.from_numpy(baskets).to(trainer.device)
    )
    ranks = rank_targets(
        trainer.averaged, interactions, moved, trainer.settings.history, trainer.bar
    )
    return per_query(ranks, moved.queries, SELECTION_METRIC)


def shuffled(
    sequences: Sequences, targets: Targets, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, Targets]:
    """The items and baskets of the sequences, behind them those of each query's history with the
    items in random order, and the targets with these histories: [m] int32 both, Targets.
    """
    first = begins(targets.queries)  # [queries]
    starts = targets.starts[first]
    ends = targets.ends[first]
    places = spans(starts, ends)
    query = np.repeat(np.arange(len(first)), ends - starts)
    order = np.lexsort((chance.random(len(places)), query))
    items = np.concatenate([sequences.items, sequences.items[places[order]]])
    baskets = np.concatenate([sequences.baskets, sequences.baskets[places]])
    moved_ends = len(sequences.items) + np.cumsum(ends - starts)
    of_target = np.cumsum(np.bincount(first, minlength=len(targets.queries))) - 1  # [n]
    moved = replace(
        targets, starts=(moved_ends - ends + starts)[of_target], ends=moved_ends[of_target]
    )
    return items, baskets, moved


def _by_user(values: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the values [queries] of each user, and the number of these: [users] float64."""
    users = targets.users[begins(targets.queries)]
    _, of_user = np.unique(users, return_inverse=True)
    return np.bincount(of_user, values), np.bincount(of_user).astype(np.float64)
