"""The data set that trials train on, with its split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from benchmark.settings.settings import Settings

if TYPE_CHECKING:  # they load pandas and torch, which --help need not wait for
    from benchmark.training.trainer import Trainer
    from datasets.card import Card
    from datasets.sequences import Sequences
    from datasets.specs.spec import Spec
    from datasets.splitting.targets import Split


@dataclass(frozen=True, repr=False)
class Data:
    """The data set that trials train on."""

    name: str
    """A name in datasets/, or the path of a YAML file: the setting ``dataset`` of its trials."""
    recbole_config: str
    """The setting of that name: a RecBole configuration file, or empty."""
    spec: Spec
    sequences: Sequences
    split: Split
    folder: str | None
    """The folder of the raw files, if it was given."""

    @classmethod
    def load(cls, name: str, folder: str | None = None, recbole_config: str = "") -> Data:
        """See ``datasets.prepare.load``. Raises DataError as it does."""
        from datasets.prepare import load  # late, as above

        spec, sequences = load(name, folder, recbole_config)
        return cls(name, recbole_config, spec, sequences, spec.split_of(sequences), folder)

    @classmethod
    def of(cls, settings: Settings, folder: str | None) -> Data:
        """The data set that the settings of a trial name."""
        return cls.load(settings.dataset, folder, settings.recbole_config)

    @cached_property
    def card(self) -> Card:
        """What is known of the data."""
        from datasets.card import Card  # late, as above

        return Card(self.spec, self.sequences, self.split)

    def protocol(self, settings: Settings) -> str:
        """What results must share to be compared: see ``evaluation.protocol``."""
        from benchmark.training import evaluation

        return evaluation.protocol(
            settings.history, self.sequences, self.split, settings.evaluate_users
        )

    def evaluated(self, settings: Settings) -> Split:
        """The split with the targets that are evaluated: see ``evaluation.evaluated``."""
        from benchmark.training import evaluation

        return evaluation.evaluated(
            settings.history, self.sequences, self.split, settings.evaluate_users
        )

    def trainer(self, settings: Settings) -> Trainer:
        """A new trial in progress; of processes that share it, the first one shows its steps."""
        from benchmark import progress
        from benchmark.training import workers
        from benchmark.training.trainer import Trainer

        bar = progress.step_bar if workers.number() == 0 else None
        return Trainer(settings, self.sequences, self.split, bar)

    def __repr__(self) -> str:
        return self.card.summary()

    def describe(self, settings: Settings) -> None:
        """Print what the data are, and the protocol if histories are masked or users sampled."""
        print(self, flush=True)
        if settings.masks_history or settings.evaluate_users:
            print(f"protocol: {self.protocol(settings)}", flush=True)
