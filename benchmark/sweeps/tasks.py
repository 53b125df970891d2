"""The trials of a sweep as tasks, and the contract of what runs them: an executor.

All executors take the same tasks, and return each task when nobody works on it any more. The
result of a task is in the tracking store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from benchmark.errors import UserError
from benchmark.sweeps.suggest import Pruner

if TYPE_CHECKING:
    from benchmark.data import Data

RETRIES = 3  # of a trial whose worker, or whose machine, was lost


class ExecutorError(UserError):
    """Trials cannot run as asked. The message says why."""


@dataclass(frozen=True)
class Job:
    """What all trials of a sweep share."""

    tracking_uri: str
    data: Data
    protocol: str


@dataclass(frozen=True)
class Resources:
    """What trials may occupy."""

    jobs: int = 1
    """Trials at once on this machine."""
    cpus: float = 1
    """Of a machine of a cluster, for each trial; parts of one are possible."""
    gpus: float = 0
    """Like ``cpus``."""

    @property
    def given(self) -> set[str]:
        """The names of the fields that are not the default."""
        return {f.name for f in fields(self) if getattr(self, f.name) != f.default}


@dataclass(frozen=True)
class Task:
    """A trial that is to be attempted."""

    run_id: str
    prune: Pruner


NextTask = Callable[[], Task | None]
"""The next task, or None if there is none before one of those at work has ended."""


class Executor(ABC):
    """A place where trials run."""

    resources: ClassVar[frozenset[str]]
    """The fields of ``Resources`` that matter here."""

    @abstractmethod
    def __init__(self, job: Job, resources: Resources):
        """Raises ExecutorError if trials cannot run here."""

    @abstractmethod
    def run(self, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
        """Each task once nobody works on it any more and, if its worker was lost for good, why."""

    @abstractmethod
    def close(self) -> None:
        """Give the place up. ``run`` may be called again and again before."""
