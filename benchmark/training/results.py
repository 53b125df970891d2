"""What training hands over to whoever records it: an epoch, and the result of a trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data, and the evaluation after it."""

    number: int
    """From 1."""
    train_loss: float | None
    """Mean over batches, in nats per target; None in an epoch without training."""
    variant: Mapping[str, float]
    """What a model that tries several values after training tried in this epoch, by name."""
    valid: Mapping[str, float]
    """Metrics at 10 on the validation targets."""
    part: str
    """What these are logged as: "valid", or "tried" for a variant of a model that was trained."""
    one_target: bool
    """Whether each query has one target, so that hit and precision follow from recall."""
    improved: bool
    """Whether ndcg@10 is better than in every epoch before."""
    train_seconds: float
    valid_seconds: float
    sequences_per_second: float
    """Training windows per second of training."""


@dataclass(frozen=True)
class Result:
    """The best epoch of a trial on validation, what it reaches, and what the trial cost."""

    metrics: Mapping[str, Mapping[str, float]]
    """By part, "best_valid" and "test": metrics by name, such as {"ndcg@10": 0.17}. A trial that a
    pruner stopped has no test metrics."""
    one_target: bool
    """Whether each query has one target, as in ``Epoch``."""
    best_epoch: int
    """From 1: the best epoch of training; of a counted model, the best variant."""
    last_epoch: int
    variant: Mapping[str, float]
    """What the model that was best on validation uses, of several values that were tried."""
    seconds: float
    """Of training and evaluation, over all sessions of a resumed trial."""
    parameters: int
    peak_memory_mb: float
    """In units of 2^20 bytes."""
    ranks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """By part, "valid" and "test": the tables of ``training.ranks``; none for a pruned trial."""
    lists: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """By part, "test" alone: the table of ``training.lists``; none for a pruned trial."""
    energy_kwh: float | None = None
    """Measured over all sessions of a resumed trial; None if that was not possible."""
    energy_source: str = ""
    """The counters: rapl, nvml or rapl+nvml."""

    def __str__(self) -> str:
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in self.metrics["test"].items())
        return (
            f"best epoch {self.best_epoch} of {self.last_epoch}; {self.seconds:.1f} s of training "
            f"and evaluation; test  {metrics}"
        )


@dataclass(frozen=True)
class Machine:
    """Where a trial trains."""

    host: str
    device: str
