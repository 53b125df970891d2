"""A sweep's plan: which trials it consists of, and which comes next, from the stored trials."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from optuna.trial import TrialState

from benchmark.data import Data
from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.settings.declaration import Value
from benchmark.sweeps import suggest
from benchmark.sweeps.definition import Definition, described
from benchmark.sweeps.suggest import Point, Pruner
from benchmark.sweeps.tasks import Task
from benchmark.tracking import schema
from benchmark.tracking.reading.swept import SweptTrial
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing.sweep import Sweep
from benchmark.training.defaults import decided


@dataclass(frozen=True)
class Effort:
    """How much a sweep may try."""

    points: int
    """The largest number of points, for a method that does not try them all."""
    seeds: int = 1
    """The number of seeds of each point."""
    seeds_of_best: int = 1
    """The number of seeds of the best point, once all points have been tried."""
    seconds: float | None = None
    """Seconds of work on the sweep, in all processes: a point is not tried if it and the seeds of
    the best one are expected to end later, except the first. None: as long as it takes."""

    def __post_init__(self) -> None:
        if self.points < 1 or self.seeds < 1:
            raise ValueError(f"{self.points} trials, {self.seeds} seeds: at least 1 of each")


@dataclass(frozen=True)
class Best:
    """The best point of a sweep so far."""

    number: int
    values: dict[str, Value]
    score: float
    """Validation metric, mean over seeds."""

    def __str__(self) -> str:
        return f"{described(self.values)}: valid {SELECTION_METRIC} {self.score:.4f}"


class Plan:
    """The trials of a sweep: stored ones, running ones and future ones.

    A trial is a point of the space, by its number from 0, with a seed.
    """

    def __init__(self, sweep: Sweep, definition: Definition, data: Data, effort: Effort):
        self.sweep = sweep
        self.definition = definition
        self.data = data
        first = definition.base.seed
        self.seeds = range(first, first + effort.seeds)
        self.more_seeds = range(first + effort.seeds, first + effort.seeds_of_best)
        self.seconds = effort.seconds
        self.n_points = suggest.n_points(definition.space, definition.method, effort.points)
        self.not_tried = 0  # points that were asked for, and that the space does not have
        self.too_late = 0  # points for which the time does not suffice
        self.trials: dict[tuple[int, int], SweptTrial] = {
            (trial.number, trial.seed): trial for trial in sweep.trials()
        }
        self.values = {trial.number: trial.values for trial in self.trials.values()}
        self.curves: dict[int, list[float]] = {}
        self.at_work: dict[str, tuple[int, int]] = {}  # by run
        self.shown: dict[str, int] = {}  # by run: the number of the trial on the terminal

    def by_the_data(self) -> str:
        """The settings of all trials that the data decide; empty if models are searched."""
        base = self.definition.base
        if "model" in self.definition.space:
            return ""
        names = base.undecided - self.definition.space.keys()
        return decided(base, self.data.sequences, self.data.split).described(names)

    def next_task(self) -> Task | None:
        """An interrupted trial or, if there is none, the next one of the search; then the best
        point with more seeds."""
        for number in range(self.n_points):
            if number not in self.values and not self._add_point(number):
                break
            for seed in self._seeds(number):
                if self._pending(number, seed) and (number, seed) not in self.at_work.values():
                    return self._start(number, seed)
        for number, seed in self._more_of_best():
            if (number, seed) not in self.at_work.values():
                return self._start(number, seed)
        return None

    def _add_point(self, number: int) -> bool:
        """Whether there is a point of that number; if not, the search ends before it."""
        if not self._has_time():
            self.too_late = self.n_points - number
            self.n_points = number
            return False
        values = self._suggest(number)
        if values is None:  # the space has no more points
            self.not_tried = self.n_points - number
            self.n_points = number
            return False
        self.values[number] = values
        return True

    def _has_time(self) -> bool:
        """Whether one more point and the seeds of the best one are expected to end in time."""
        ended = [trial.record.seconds or 0.0 for trial in self.trials.values() if trial.ended]
        if self.seconds is None or not ended:
            return True
        used = self.sweep.seconds
        # Trials may run side by side: one takes as long as it takes, many as long as they took.
        several = (len(self.seeds) + len(self.more_seeds)) * used / len(ended)
        return used + max(float(np.mean(ended)), several) <= self.seconds

    def _more_of_best(self) -> list[tuple[int, int]]:
        """The trials of the best point with more seeds that have not ended, after the search."""
        best = self.best()
        if self._searching() or best is None:
            return []
        return [(best.number, seed) for seed in self.more_seeds if self._pending(best.number, seed)]

    def _searching(self) -> int:
        """The number of trials of the search that are planned and have not ended."""
        planned = (
            (number, seed)
            for number in range(self.n_points)
            for seed in ([] if self._pruned(number) else self.seeds)
        )
        return sum(self._pending(number, seed) for number, seed in planned)

    def total(self) -> int | None:
        """The number of trials when the sweep is finished; None where time decides."""
        return self.n_ended + self.n_to_come if self.seconds is None else None

    @property
    def n_ended(self) -> int:
        """The number of trials that have finished or failed."""
        return sum(trial.ended for trial in self.trials.values())

    @property
    def n_to_come(self) -> int:
        """The number of trials that are planned and have not ended."""
        search = self._searching()
        return search + len(self.more_seeds if search else self._more_of_best())

    def with_result(self, number: int) -> list[SweptTrial]:
        """The trials of a point that have a result, by seed."""
        of_point = [trial for (n, _), trial in sorted(self.trials.items()) if n == number]
        return [trial for trial in of_point if trial.score is not None and not trial.pruned]

    def best(self) -> Best | None:
        """The point with the best mean score, among those whose seeds have all ended."""
        points = {number: self._point(number) for number in sorted(self.values)}
        complete = [
            Best(number, point.values, point.score)
            for number, point in points.items()
            if point.state == TrialState.COMPLETE and point.score is not None
        ]
        return max(complete, key=lambda best: best.score, default=None)  # the first of equal ones

    def shortfall(self) -> str:
        """Why fewer points were tried than were asked for; empty if all were tried."""
        if self.too_late:
            return (
                f"{self.too_late} of {self.too_late + self.n_points} points were not tried: the "
                "time is up; the same command with a longer --timeout tries them"
            )
        if not self.not_tried:
            return ""
        if suggest.can_be_listed(self.definition.space):
            return f"the search space has {self.n_points} points, and all of them were tried"
        return (
            f"{self.not_tried} of {self.not_tried + self.n_points} points were not tried: among "
            f"{suggest.RANDOM_DRAWS} points that were drawn, none was new and fitted"
        )

    def failures(self) -> Iterator[str]:
        """One line for each trial that failed: its name, and why it failed."""
        for trial in self.trials.values():
            if trial.record.status == "FAILED":
                yield f"{trial.record.name}: {trial.why_it_failed}"

    def _suggest(self, number: int) -> dict[str, Value] | None:
        past = [self._point(earlier) for earlier in range(number)]
        definition = self.definition
        if number == 0 and definition.from_defaults:
            defaults = decided(definition.base, self.data.sequences, self.data.split).as_dict()
            return {name: defaults[name] for name in definition.space}
        return suggest.suggest(
            definition.space, definition.method, definition.base.seed, past, definition.fits
        )

    def _start(self, number: int, seed: int) -> Task:
        self.sweep.heart.check()
        values = self.values[number]
        settings = self.definition.settings(values, seed)
        settings = decided(settings, self.data.sequences, self.data.split)
        trial = self.trials.get((number, seed))
        run_id = trial.record.run_id if trial else self.sweep.add_trial(settings, number, values)
        self.sweep.prepare_trial(run_id, settings, self.data)
        self.at_work[run_id] = (number, seed)
        self.shown[run_id] = self.n_ended + len(self.at_work)
        first = seed == self.seeds[0]  # the first seed decides for the others
        past = [self._point(earlier) for earlier in range(number)] if first else []
        return Task(run_id, Pruner(self.definition.pruner if first else "none", past))

    def ended(self, task: Task, lost: str | None) -> SweptTrial:
        """The trial of a task that nobody works on any more; ``lost``: why its worker was lost.

        Raises TrackingError if the trial's end is not recorded.
        """
        if lost:
            self.sweep.fail_trial(task.run_id, lost)
        trial = self.sweep.trial(task.run_id)
        if trial.interrupted:
            raise TrackingError(f"trial {task.run_id} has ended, but that could not be recorded")
        self.trials[self.at_work.pop(task.run_id)] = trial
        return trial

    def _pending(self, number: int, seed: int) -> bool:
        trial = self.trials.get((number, seed))
        return trial is None or trial.interrupted

    def _pruned(self, number: int) -> bool:
        return any(t.pruned for s in self.seeds if (t := self.trials.get((number, s))))

    def _seeds(self, number: int) -> range | list[int]:
        """The seeds to run now: with a pruner the first one decides about the others."""
        waits = self.definition.pruner != "none" and self._pending(number, self.seeds[0])
        return self.seeds[:1] if waits or self._pruned(number) else self.seeds

    def _point(self, number: int) -> Point:
        trials = [t for s in self.seeds if (t := self.trials.get((number, s)))]
        scores = [trial.score for trial in trials if trial.score is not None]
        if self._pruned(number):
            state = TrialState.PRUNED
        elif any(self._pending(number, seed) for seed in self.seeds):
            state = TrialState.RUNNING
        else:
            state = TrialState.COMPLETE if scores else TrialState.FAIL
        score = float(np.mean(scores)) if scores else None
        return Point(self.values[number], state, score, self._curve(number))

    def _curve(self, number: int) -> list[float]:
        """The curve of the first seed, if a pruner needs it."""
        first = self.trials.get((number, self.seeds[0]))
        if self.definition.pruner == "none" or first is None or first.interrupted:
            return []
        if number not in self.curves:
            self.curves[number] = self.sweep.curve(first.record.run_id)
        return self.curves[number]

    def start_line(self, task: Task) -> str:
        """A line for the terminal: that the trial of a task starts, or resumes."""
        number, seed = self.at_work[task.run_id]
        begins = "resumes" if (number, seed) in self.trials else "starts"
        point = described(self.values[number] | {"seed": seed})
        return f"{self._counted(task)} {begins}: {point}"

    def end_line(self, task: Task, trial: SweptTrial) -> str:
        """A line for the terminal: how the trial of a task ended."""
        return f"{self._counted(task)}: {self._outcome(trial)}"

    def _counted(self, task: Task) -> str:
        total = self.total()
        of = f" of {total}" if total else ""
        return f"trial {self.shown[task.run_id]}{of}"

    def _outcome(self, trial: SweptTrial) -> str:
        what = described(trial.values | {"seed": trial.seed})
        if trial.score is None:
            return f"{what}: failed: {trial.why_it_failed}"
        how = f"valid {SELECTION_METRIC} {trial.score:.4f} in {trial.record.seconds:.1f} s"
        if trial.pruned:
            how += f", pruned {trial.record.tags[schema.PRUNED]}"
        best = self.best()
        return f"{what}: {how}" + (f"; best complete point {best.score:.4f}" if best else "")
