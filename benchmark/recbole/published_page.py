"""A published result page, read: its data set, its search space and its trials."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError


class PageError(UserError):
    """The file is not a result page, or cannot be read. The message names the place and why."""


@dataclass(frozen=True)
class PublishedTrial:
    """A trial of the page's search."""

    line: int
    """Its first line in the file."""
    params: dict[str, str]
    """Parameters as written, in the order of the page."""
    valid: dict[str, float]
    """Validation metrics by name, such as recall@10."""
    test: dict[str, float]
    """Test metrics by name."""


@dataclass(frozen=True)
class Bar:
    """The progress bar at the end of a search."""

    done: int
    """Number of finished trials."""
    elapsed: int
    """Duration of the search in whole seconds, rounded down."""
    seconds_per_trial: float
    """Mean duration of a trial, rounded."""
    error: float
    """Largest rounding error of ``seconds_per_trial``."""
    loss: float
    """Minus the best validation score."""

    @property
    def agrees(self) -> bool:
        """Whether ``elapsed`` is the duration of all trials, within rounding."""
        return -self._slack <= self._total - self.elapsed <= 1 + self._slack

    @property
    def seconds(self) -> float:
        """Duration of the search: the most precise value that fits both figures of the bar."""
        if not self.agrees:
            return self._total
        return min(max(self._total, self.elapsed), self.elapsed + 0.999)

    @property
    def _total(self) -> float:
        return self.done * self.seconds_per_trial

    @property
    def _slack(self) -> float:
        return self.done * self.error


@dataclass(frozen=True)
class PublishedPage:
    """A result page."""

    path: Path
    content: bytes
    """The whole file."""
    dataset: str
    """Title of the data set."""
    card: str | None
    """Link to the page that describes the data set."""
    model: str
    """Name of the model."""
    model_link: str | None
    """Link to the page that describes the model."""
    seconds: float | None
    """Time cost: seconds per trial."""
    space: list[str]
    """Search space: lines of a hyper.test file, as written."""
    best: dict[str, str]
    """Best parameters, as written."""
    trials: list[PublishedTrial]
    logging: list[str]
    """Lines of the logging block at the end of the page; empty if there is none."""
    bar: Bar | None
    """Progress bar of the logging block."""
    lines: dict[str, int]
    """Line of each section, by its title in lower case."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def where(self, line: int | str) -> str:
        """FILE:LINE of a line or a section."""
        return f"{self.path}:{line if isinstance(line, int) else self.lines[line]}"
