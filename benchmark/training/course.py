"""The course of a trial: which epochs train, which try variants, and which was best."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.measures.metrics import SELECTION_METRIC


@dataclass
class Course:
    """The first five fields are fixed. The others change with each epoch, and are JSON values."""

    learns: bool
    """Whether epochs train. All those of a counted model try variants."""
    variants: int
    """The number of epochs after training, each with a variant of the best model."""
    limit: int
    """The largest number of epochs that train."""
    patience: int
    """The number of epochs without a better one on validation, after which something changes."""
    falls: bool
    """Whether the learning rate falls once before training ends."""
    epoch: int = 0
    """The number of complete epochs."""
    fallen: int = 0
    """After how many of them the learning rate fell; 0: not yet."""
    trained: int | None = None
    """After how many of them training ended; None: not yet."""
    best_epoch: int = 0
    """The epoch that was best on validation. Of a learned model only epochs that trained count."""
    best_variant: dict[str, float] = field(default_factory=dict)
    """Of the model that was best on validation."""
    best_valid: dict[str, float] = field(default_factory=lambda: {SELECTION_METRIC: -1.0})

    def __post_init__(self) -> None:
        if not self.learns:
            self.trained = 0

    @property
    def finished(self) -> bool:
        """Whether training has ended, and all variants have been tried."""
        return self.trained is not None and self.epoch >= self.trained + self.variants

    @property
    def most_epochs(self) -> int:
        """The largest number of epochs that the trial can have."""
        return (self.limit if self.trained is None else self.trained) + self.variants

    @property
    def variant(self) -> int | None:
        """The number, from 0, of the variant that the next epoch tries; None: it trains."""
        return None if self.trained is None else self.epoch - self.trained

    def add(self, valid: dict[str, float], variant: Mapping[str, float]) -> bool:
        """Add an epoch with these metrics and, if it tried one, this variant; whether it is the
        best on validation."""
        training = self.variant is None
        self.epoch += 1
        improved = valid[SELECTION_METRIC] > self.best_valid[SELECTION_METRIC]
        if improved:
            self.best_valid = valid
            self.best_variant = dict(variant)
            if training or not self.learns:
                self.best_epoch = self.epoch
        self.pace()
        return improved

    def pace(self) -> None:
        """Lower the learning rate, or end training, where validation does not get better."""
        if self.trained is not None:
            return
        waited = self.epoch - max(self.best_epoch, self.fallen)
        if waited >= self.patience:
            if self.falls and not self.fallen:
                self.fallen = self.epoch
            else:
                self.trained = self.epoch
        if self.epoch >= self.limit:
            self.trained = self.epoch
