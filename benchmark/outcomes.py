"""Results that the functions of ``benchmark.api`` return: of a trial, a sweep, a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings

if TYPE_CHECKING:  # it loads pandas
    from benchmark.training.results import Result


@dataclass(frozen=True, repr=False)
class Trained:
    """A trial that has finished."""

    run_id: str
    experiment: str
    settings: Settings
    """All settings, including those that the data decided."""
    result: Result
    """The best epoch, its metrics, ranks and costs."""

    @property
    def valid(self) -> Mapping[str, float]:
        """Metrics of the best epoch on validation, such as {"ndcg@10": 0.17}."""
        return self.result.metrics["best_valid"]

    @property
    def test(self) -> Mapping[str, float]:
        """Metrics of the best epoch on test."""
        return self.result.metrics["test"]

    def __repr__(self) -> str:
        return f"trial {self.run_id} in experiment {self.experiment}: {self.result}"


@dataclass(frozen=True)
class Swept:
    """A sweep whose trials have all ended."""

    run_id: str
    experiment: str
    name: str
    best: Mapping[str, Value]
    """The searched settings of the best point."""
    score: float
    """Its ndcg@10 on validation, mean over seeds."""


@dataclass(frozen=True)
class Promoted:
    """A trial that became champion."""

    name: str
    """Of the registered model."""
    version: str
    run_id: str
