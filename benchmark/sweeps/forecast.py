"""How long a comparison of models takes: before it starts, and again after each sweep."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.sweeps.budget import spoken
from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.executors import Job
from benchmark.sweeps.plan import Effort
from benchmark.training.measurement import Estimate, estimate
from benchmark.training.trainer import Trainer


@dataclass
class Forecast:
    """What the sweeps of learned models take, one trial at a time on this machine."""

    trials: Mapping[str, Estimate]
    """A trial with the defaults, by model; a model that could not be measured is missing."""
    expected: float = 0.0
    """Seconds of the sweeps that are done, as they were expected ..."""
    took: float = 0.0
    """... and as they were."""

    def table(self, learned: list[Contender], effort: Effort) -> list[dict[str, str]]:
        """A row for each learned model."""
        rows = []
        for contender in learned:
            row = {"model": contender.name, "a trial": "?", "memory": "?", "points": "?"}
            if of_trial := self.trials.get(contender.name):
                row["a trial"] = spoken(of_trial.seconds)
                row["memory"] = f"{of_trial.memory_mb:,.0f} MB"
                row["points"] = str(self._points(contender, effort))
                row["all"] = spoken(self.seconds(contender, effort))
            rows.append(row)
        return rows

    def warnings(self, learned: list[Contender], effort: Effort) -> Iterator[str]:
        """One line about the models whose defaults take longer than their share of the time."""
        if effort.seconds is None:
            return
        least = {name: t.seconds * effort.seeds_of_best for name, t in self.trials.items()}
        long = [c.name for c in learned if least.get(c.name, 0.0) > effort.seconds]
        if long:
            yield (
                f"{spoken(effort.seconds)} for each model are too short for the defaults with "
                f"{effort.seeds_of_best} seeds: {', '.join(long)}; give a larger "
                "--budget, or fewer --models"
            )

    def seconds(self, contender: Contender, effort: Effort) -> float:
        """What the sweep takes; the time of its share, if it has one."""
        of_trial = self.trials.get(contender.name)
        if of_trial is None:
            return effort.seconds or 0.0
        trials = self._points(contender, effort) + effort.seeds_of_best - 1
        return of_trial.seconds * trials

    def left(self, to_come: list[Contender], effort: Effort) -> float:
        """Seconds that the other sweeps take, if they differ from their estimates as those did
        that are done."""
        found = sum(self.seconds(contender, effort) for contender in to_come)
        if effort.seconds is not None:
            return max(found, effort.seconds * len(to_come))
        return found * (self.took / self.expected if self.expected else 1.0)

    def done(self, contender: Contender, effort: Effort, seconds: float) -> None:
        """Note how long a sweep took."""
        self.expected += self.seconds(contender, effort)
        self.took += seconds

    def _points(self, contender: Contender, effort: Effort) -> int:
        points = contender.n_points(effort.points)
        if effort.seconds is None:
            return points
        fit = int(effort.seconds / self.trials[contender.name].seconds)
        return max(1, min(points, fit - effort.seeds_of_best + 1))


def measured(learned: list[Contender], job: Job) -> Forecast:
    """Measure a few steps of each learned model. One that fails is named on stderr."""
    split = job.spec.split_of(job.sequences)
    found: dict[str, Estimate] = {}
    for contender in learned:
        try:
            trainer = Trainer(contender.definition.base, job.sequences, split)
            found[contender.name] = estimate(trainer)
        except UserError as error:
            print(f"{contender.name} cannot be measured: {error}", file=sys.stderr)
    return Forecast(found)
