"""What models reach on targets that nobody can predict: a check that no evaluation leaks.

    python -m bench.chance                             # all models
    python -m bench.chance --users 4000 --items 400 --epochs 10 --models Markov SASRec

The data are SYNTHETIC. In training, each user returns to a few items of their own. Targets of
validation and test are drawn anew from the catalogue, so that they say nothing about the history,
and the history nothing about them: every model should be at chance, under every split and every
value of ``history``. In a second data set every target repeats: no model should have a hit with
masked histories.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import benchmark  # noqa: F401  (first: it sets how OpenMP waits, which torch reads when imported)

# isort: split
import numpy as np

import models
from benchmark.measures.metrics import per_query
from benchmark.settings.settings import Settings
from benchmark.training.evaluation import evaluated, rank_targets
from benchmark.training.trainer import Trainer
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import SPLITS
from datasets.splitting.targets import Split, Targets

TRAINED = 16  # interactions of each user before the first that may be a target
POOL = 6  # different items that a user has in training
ERRORS = 4.0  # standard errors from chance that are put down to sampling
METRICS = ("recall@10", "ndcg@10")


def drawn(users: int, n_items: int, *, repeats: bool = False, trained: int = TRAINED) -> Sequences:
    """Users with ``trained`` interactions among ``POOL`` items, and then a quarter as many others.

    Those are drawn from the catalogue or, with ``repeats``, from the user's earlier items. Their
    times are later than all others, and random, so that a split by time, which trains on 80%, finds
    other targets than leave-one-out.
    """
    random = np.random.default_rng(1)
    pools = random.integers(n_items, size=(users, POOL))
    past = np.take_along_axis(pools, random.integers(POOL, size=(users, trained)), 1)
    late = random.integers(n_items, size=(users, trained // 4))
    if repeats:
        late = np.take_along_axis(past, random.integers(trained, size=late.shape), 1)
    early = np.tile(np.arange(trained), (users, 1))
    times = np.hstack([early, trained + np.sort(random.random(late.shape), 1)])
    return Sequences(
        items=np.hstack([past, late]).ravel().astype(np.int32),
        offsets=np.arange(users + 1) * (trained + trained // 4),
        user_ids=Ids.of(np.arange(users).astype(str)),
        item_ids=Ids.of(np.arange(n_items).astype(str)),
        timestamps=times.ravel().astype(float),
    )


@dataclass(frozen=True)
class Chance:
    """A metric's mean over users where each target is any of its candidates, equally likely."""

    mean: float
    error: float
    """Standard error of the mean."""

    def errors_above(self, value: float) -> float:
        return (value - self.mean) / self.error


def chance(sequences: Sequences, targets: Targets, history: str, metric: str) -> Chance:
    """What a model without any knowledge of these targets reaches, if it has no equal scores."""
    candidates = np.full(len(targets.users), float(sequences.n_items))
    asked = np.ones(len(targets.users))
    if history != "ranked":
        parts = zip(targets.starts, targets.ends, strict=True)
        candidates -= [len(np.unique(sequences.items[start:end])) for start, end in parts]
        asked -= targets.repeated(sequences.items)  # the others are misses
    at = per_query(np.arange(1, 11), np.arange(10), metric)  # beyond rank 10 it is 0
    mean = asked * at.sum() / candidates  # [n]
    variance = asked * (at**2).sum() / candidates - mean**2
    return Chance(float(mean.mean()), math.sqrt(variance.sum()) / len(mean))


@dataclass(frozen=True)
class Found:
    """A metric that a model reached, and chance."""

    part: str
    metric: str
    value: float
    chance: Chance

    @property
    def leaks(self) -> bool:
        return self.chance.errors_above(self.value) > ERRORS


def measured(trainer: Trainer, split: Split, history: str) -> Iterator[Found]:
    """All metrics of a trained model on the targets of ``split``."""
    split = evaluated(history, trainer.sequences, split)
    for part, targets in (("valid", split.valid), ("test", split.test)):
        ranks = rank_targets(trainer.averaged, trainer.interactions, targets, history)
        for metric in METRICS:
            expected = chance(trainer.sequences, targets, history, metric)
            value = float(per_query(ranks, targets.queries, metric).mean())
            yield Found(part, metric, value, expected)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(models.MODELS), metavar="MODEL")
    args = parser.parse_args()

    def trained(model: str, sequences: Sequences, split: Split, history: str) -> Trainer:
        few = {"epochs": args.epochs} if models.learns(model) else {}
        settings = Settings.of(model=model, history=history, **few)
        trainer = Trainer(settings, sequences, split)
        for _ in trainer.epochs():
            pass
        return trainer

    leaks = 0
    sequences = drawn(args.users, args.items)
    print("| model | split | history | valid recall@10 | ndcg@10 | test recall@10 | ndcg@10 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model, name, history in product(args.models, SPLITS, ("ranked", "masked", "novel")):
        split = SPLITS[name].split(sequences)
        trainer = trained(model, sequences, split, history)
        found = list(measured(trainer, split, history))
        cells = [f"{f.value:.4f} ({f.chance.errors_above(f.value):+.1f})" for f in found]
        print(f"| {model} | {name} | {history} | {' | '.join(cells)} |", flush=True)
        leaks += sum(f.leaks for f in found)
    again = drawn(args.users, args.items, repeats=True)
    for model, name in product(args.models, SPLITS):
        split = SPLITS[name].split(again)
        metrics = trained(model, again, split, "masked").result().metrics
        hits = max(metrics["best_valid"]["recall@10"], metrics["test"]["recall@10"])
        print(f"| {model} | {name}, every target repeats | masked | {hits:.4f} | | | |", flush=True)
        leaks += hits > 0
    if leaks:
        sys.exit(f"{leaks} results are more than {ERRORS:g} standard errors above chance")


if __name__ == "__main__":
    main()
