"""How long a comparison of models takes: before it starts, and again after each sweep."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmark.durations import spoken
from benchmark.errors import UserError
from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.plan import Effort
from benchmark.sweeps.tasks import Job
from benchmark.training.estimate import Estimate, estimate


@dataclass
class Forecast:
    """What the sweeps of learned models take, one trial at a time on this machine.

    Where trials may stop early, it is a range: ``Estimate`` has the shortest and the longest trial.
    """

    trials: Mapping[str, Estimate]
    """A trial with the defaults, by model; a model that could not be measured is missing."""
    expected: float = 0.0
    """Seconds that the sweeps which are done were expected to take at most."""
    took: float = 0.0
    """Seconds that they took."""

    def table(self, learned: list[Contender], effort: Effort) -> list[dict[str, str]]:
        """A row for each learned model."""
        rows = []
        for contender in learned:
            trial = self.trials.get(contender.name)
            row = {"model": contender.name, "an epoch": "?", "a trial": "?", "memory": "?"}
            if trial:
                row["an epoch"] = spoken(trial.epoch_seconds)
                row["a trial"] = _range(spoken(trial.least_seconds), spoken(trial.most_seconds))
                row["memory"] = f"{trial.memory_mb:,.0f} MB"
                row["points"] = self._points(contender, trial, effort)
                row["all"] = _range(*map(spoken, self.seconds(contender, effort)))
            rows.append(row)
        return rows

    def warnings(self, learned: list[Contender], effort: Effort) -> Iterator[str]:
        """One line about the models whose defaults take longer than their share of the time."""
        if effort.seconds is None:
            return
        least = {n: t.least_seconds * effort.seeds_of_best for n, t in self.trials.items()}
        long = [c.name for c in learned if least.get(c.name, 0.0) > effort.seconds]
        if long:
            yield (
                f"{spoken(effort.seconds)} for each model are too short for the defaults with "
                f"{effort.seeds_of_best} seeds: {', '.join(long)}; give a larger --budget, or "
                "fewer --models"
            )

    def seconds(self, contender: Contender, effort: Effort) -> tuple[float, float]:
        """What the sweep takes, at least and at most; with a share of the time, that share."""
        share = effort.seconds or 0.0
        trial = self.trials.get(contender.name)
        if trial is None:
            return share, share
        return needed(trial, contender.n_points(effort.points) + effort.seeds_of_best - 1, effort)

    def left(self, to_come: list[Contender], effort: Effort) -> str:
        """The time that other sweeps take. Once a sweep is done, they are expected to differ from
        their longest times as it did."""
        ranges = [self.seconds(contender, effort) for contender in to_come]
        least = sum(low for low, _ in ranges)
        most = sum(high for _, high in ranges)
        if self.expected and effort.seconds is None:
            return spoken(most * self.took / self.expected)
        return _range(spoken(least), spoken(most))

    def done(self, contender: Contender, effort: Effort, seconds: float) -> None:
        """Note how long a sweep took, if it was measured."""
        if contender.name not in self.trials:
            return
        self.expected += self.seconds(contender, effort)[1]
        self.took += seconds

    def _points(self, contender: Contender, trial: Estimate, effort: Effort) -> str:
        points = contender.n_points(effort.points)
        if effort.seconds is None:
            return str(points)
        fit = [
            max(1, min(points, int(effort.seconds / seconds) - effort.seeds_of_best + 1))
            for seconds in (trial.most_seconds, trial.least_seconds)
        ]
        return _range(*map(str, fit))


def needed(trial: Estimate, n_trials: int, effort: Effort) -> tuple[float, float]:
    """Seconds of so many trials, at least and at most. Where time decides: the share of a model, or
    what its defaults with all seeds need, if that is more."""
    if effort.seconds is not None:
        share = max(effort.seconds, trial.least_seconds * effort.seeds_of_best)
        return share, share
    return n_trials * trial.least_seconds, n_trials * trial.most_seconds


def measured(learned: list[Contender], job: Job) -> Forecast:
    """Measure a few steps of each learned model. One that fails is named on stderr."""
    found: dict[str, Estimate] = {}
    for contender in learned:
        try:
            found[contender.name] = estimate(job.data.trainer(contender.definition.base))
        except UserError as error:
            print(f"{contender.name} cannot be measured: {error}", file=sys.stderr)
    return Forecast(found)


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
