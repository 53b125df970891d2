"""A suite at work: a comparison of all models on each data set, one after the other.

The tracking server has all of its state, so that the same command runs what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.errors import MachineError, UserError
from benchmark.sweeps.comparison import Comparison, Reached
from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.executors import EXECUTORS
from benchmark.sweeps.forecast import Forecast, measured
from benchmark.sweeps.plan import Effort
from benchmark.sweeps.request import Request
from benchmark.sweeps.suite_file import Suite, SuiteData
from benchmark.sweeps.tasks import ExecutorError, Resources
from benchmark.sweeps.to_come import trials_to_come
from benchmark.tracking import launcher, server
from benchmark.tracking.server import TrackingError, Unavailable
from datasets import DataError, source
from datasets.errors import DataMissing

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from benchmark.data import Data
    from datasets.specs.spec import Spec

OF_ALL_DATA = (MachineError, Unavailable, ExecutorError)
"""Errors that the next data set would meet, too."""


@dataclass
class OnData:
    """A data set of a suite, and how far it is."""

    entry: SuiteData
    request: Request
    experiment: str
    """The name of the experiment with its sweeps."""
    protocol: str = ""
    digest: str = ""
    sums_up: tuple[str, str] | None = None
    """The ids of the experiment and of the run that sum up the comparison."""
    unavailable: str = ""
    """Why there are no data."""
    refused: str = ""
    """Why the models cannot be compared on these data."""
    will_not_run: list[str] = field(default_factory=list)
    """The contenders whose stored sweep is another one."""
    to_come: dict[str, int] = field(default_factory=dict)
    """The number of trials that are still to run, by learned model."""
    effort: Effort = field(default_factory=lambda: Effort(1))
    forecast: Forecast = field(default_factory=lambda: Forecast({}))
    """Of the learned models that have trials to come."""
    left_out: dict[str, str] = field(default_factory=dict)
    """The counted models that do not fit the data, with the reason."""
    cells: dict[str, Reached] = field(default_factory=dict)
    """By model; those that have not run yet are missing."""

    @property
    def name(self) -> str:
        """Of the data set within the suite."""
        return self.entry.name

    def open(self, client: MlflowClient, data: Data) -> Comparison:
        """The comparison on these data."""
        self.protocol = data.protocol(self.request.base)
        self.digest = data.sequences.digest
        comparison = self.request.open(client, data)
        comparison.take = False  # the run of `mlflow run` belongs to no single data set
        self.left_out = comparison.left_out
        self.effort = comparison.effort
        return comparison

    def why_missing(self, model: str) -> str:
        """Why the result of the model, or that of a seed, is missing; empty if it is not, or if the
        model has not run yet."""
        cell = self.cells.get(model)
        if cell and (cell.score is not None or cell.failure):
            return cell.failure
        return self.left_out.get(model) or self.refused

    def failed(self, model: str) -> bool:
        """Whether something is missing that was to run."""
        return bool(self.why_missing(model)) and model not in self.left_out


class Running:
    """A suite and its data sets."""

    def __init__(self, client: MlflowClient, suite: Suite, data_dir: str | None):
        self.client = client
        self.suite = suite
        self.data_dir = data_dir
        self.all = [
            OnData(entry, suite.request(entry), launcher.chosen_name(client, entry.spec.name))
            for entry in suite.datasets
        ]

    def look(self, *, download: bool) -> None:
        """Load each data set, and measure a few steps of each learned model that has trials to
        come. Nothing is written to the tracking server.

        Without ``download``, data that are not on this machine stay where they are.
        """
        for on_data in self.all:
            self._attempt(on_data, lambda each: self._look(each, download))

    def work(self, executor: str, resources: Resources, after_each: Callable[[], object]) -> None:
        """Run what is missing. An error of one model or data set does not stop the others.

        Raises MachineError, Unavailable or ExecutorError, which the others would meet, too.
        """
        for on_data in self.all:
            if not on_data.unavailable and not on_data.refused:
                print(f"\n{on_data.request.name}: {on_data.entry.spec.title}", flush=True)
                self._attempt(on_data, lambda each: self._work(each, executor, resources))
                after_each()

    def _attempt(self, on_data: OnData, step: Callable[[OnData], None]) -> None:
        try:
            step(on_data)
        except OF_ALL_DATA:
            raise
        except DataMissing as error:
            on_data.unavailable = str(error)
            print(f"{on_data.name} is not available: {error}", file=sys.stderr)
        except (UserError, DataError) as error:
            on_data.refused = str(error)
            print(f"{on_data.name} failed: {error}", file=sys.stderr)

    def _look(self, on_data: OnData, download: bool) -> None:
        request = on_data.request
        request.print_notes()
        if not download:
            _check_here(on_data.entry.spec, self.data_dir)
        data = request.load(self.data_dir)
        data.describe(request.base)
        comparison = on_data.open(self.client, data)
        for model, why in comparison.left_out.items():
            print(f"{model} is left out: {why}", file=sys.stderr)
        found = {each.name: self._to_come(comparison, each) for each in comparison.contenders}
        on_data.will_not_run = [name for name, n in found.items() if n is None]
        on_data.to_come = {
            each.name: n for each in comparison.learned if (n := found[each.name]) is not None
        }
        waiting = [c for c in comparison.learned if on_data.to_come.get(c.name)]
        on_data.forecast = measured(waiting, comparison.job)

    def _to_come(self, comparison: Comparison, contender: Contender) -> int | None:
        """None if the stored sweep of that name is another one."""
        try:
            stored = comparison.stored(contender)
        except Unavailable:
            raise
        except TrackingError as error:
            print(f"{comparison.sweep_name(contender)} will not run: {error}", file=sys.stderr)
            return None
        return trials_to_come(contender, stored, comparison.effort)

    def _work(self, on_data: OnData, executor: str, resources: Resources) -> None:
        comparison = on_data.open(self.client, on_data.request.load(self.data_dir))
        comparison.forecast = on_data.forecast
        try:
            with closing(EXECUTORS[executor](comparison.job, resources)) as workers:
                comparison.work(workers, go_on=True)
        finally:
            on_data.cells = comparison.cells
        if comparison.summaries:
            where = server.experiment_id(self.client, comparison.experiment)
            on_data.sums_up = (where, comparison.log())


def _check_here(spec: Spec, data_dir: str | None) -> None:
    """Raises DataMissing if the data would be downloaded."""
    if spec.synthetic or source.on_this_machine(spec.sources, spec, data_dir):
        return
    if any(each.url for each in spec.sources):
        raise DataMissing(
            "its files are not on this machine; the suite downloads them when it runs"
        )
