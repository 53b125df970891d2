"""What a comparison is asked for: data, models, settings and budget. It is checked before any data
are loaded."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data import Data
from benchmark.errors import UserError
from benchmark.recbole import config as recbole
from benchmark.recbole.config import Config
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings, checked
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.comparison import Comparison
from benchmark.sweeps.contenders import SPACES, Contender, Own, contenders, that_fit
from benchmark.sweeps.tasks import Job
from benchmark.training.batches import check_learnable

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_ALL = ("dataset", "recbole_config", "history", "evaluate_users", "seed", "device")
"""Settings that every model has."""


@dataclass(frozen=True)
class Request:
    """One data set and the models that are compared on it."""

    name: str
    """The sweeps are called NAME-CONTENDER."""
    learned: Sequence[str]
    counted: Sequence[str]
    given: Mapping[str, Value]
    """Settings for the models that have them; ``dataset`` is one."""
    budget: Budget
    seeds: int
    """Of the best point of each learned model."""
    spaces: Path = SPACES
    """The folder of search spaces."""
    owned: Mapping[str, Own] = field(default_factory=dict)
    """What single learned models have of their own."""

    @cached_property
    def config(self) -> Config:
        """RecBole's configuration file, or an empty one."""
        return recbole.read(self.given)

    @cached_property
    def base(self) -> Settings:
        """The settings that all trials share: data, protocol and first seed."""
        return self.config.settings(**{n: v for n, v in self.given.items() if n in OF_ALL})

    def check(self) -> None:
        """Raises ValueError for settings that do not go together, SpaceError for a search space
        that cannot be read or tried, and DataError for a configuration file that is refused."""
        checked("seed", self.base.seed + self.seeds - 1)
        self._contenders(self.counted)

    def print_notes(self) -> None:
        """Print notes about the configuration file on stderr. Raises DataError as they do."""
        for note in self.config.notes(self.base, self.given):
            print(note, file=sys.stderr)

    def load(self, data_dir: str | None) -> Data:
        """Raises DataError if the data are not found, or cannot be downloaded or used."""
        return Data.of(self.base, data_dir)

    def open(self, client: MlflowClient, data: Data) -> Comparison:
        """The comparison on these data, none of whose trials runs yet.

        Raises UserError if there is nothing to learn, or if no model is left with the settings.
        """
        if self.learned:
            check_learnable(data.evaluated(self.base))
        counted, left_out = that_fit(self.counted, data.sequences.n_items, self.given)
        try:
            baselines, learned = self._contenders(counted)
        except ValueError as error:  # of a setting that only a model that is left out has
            raise UserError(str(error)) from None
        protocol = data.protocol(self.base)
        job = Job(client.tracking_uri, data, protocol)
        return Comparison(
            client, self.name, job, baselines, learned, self.budget, self.seeds, left_out
        )

    def _contenders(self, counted: Sequence[str]) -> tuple[Contender | None, list[Contender]]:
        return contenders(
            self.learned, counted, self.given, self.config.settings, self.spaces, self.owned
        )
