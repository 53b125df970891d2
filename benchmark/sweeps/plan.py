"""A sweep's plan: which trials it consists of, and which comes next, from what is on record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product

import click
import numpy as np
from optuna.trial import TrialState
from tqdm import tqdm

from benchmark.metrics import SELECTION_METRIC
from benchmark.settings import Settings
from benchmark.sweeps import space, suggest
from benchmark.sweeps.executors import Executor, Task
from benchmark.sweeps.space import Choice, Space, SpaceError, Value
from benchmark.sweeps.suggest import Point, Pruner
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing.sweep import Sweep, SweptTrial
from datasets import Sequences, Spec

LARGEST_GRID = 10_000  # points


@dataclass(frozen=True)
class Definition:
    """What makes a sweep that sweep; it stays the same whenever the sweep is gone on with."""

    space: Space
    method: str
    pruner: str
    given: dict[str, Value]
    """Settings that all trials share, where they are not the recipe's."""
    resolve: Callable[..., Settings] = Settings.of
    """From settings that are given to all of them."""

    @property
    def base(self) -> Settings:
        return self.resolve(**self.given)

    def settings(self, values: dict[str, Value], seed: int) -> Settings:
        """Raises ValueError if the values do not go together."""
        return self.resolve(**self.given | values | {"seed": seed})

    def fits(self, values: dict[str, Value]) -> bool:
        try:
            return bool(self.settings(values, 0))
        except ValueError:
            return False

    def check(self) -> None:
        """Raises SpaceError unless every point of a grid, or some point of a space, is valid."""
        both = self.given.keys() & self.space.keys()
        if both:
            raise SpaceError(f"{', '.join(both)}: both searched and given as an option")
        if self.method == "grid" and not all(isinstance(d, Choice) for d in self.space.values()):
            names = [name for name, d in self.space.items() if not isinstance(d, Choice)]
            raise SpaceError(f"{', '.join(names)}: a grid needs choices; --method random or tpe")
        if self.method == "grid" and (n := suggest.n_points(self.space, "grid", 0)) > LARGEST_GRID:
            raise SpaceError(f"a grid of {n:,} points: --method random or tpe")
        ends = [d.values if isinstance(d, Choice) else (d.low, d.high) for d in self.space.values()]
        reasons = []
        for point in islice(product(*ends), LARGEST_GRID):
            values = dict(zip(self.space, point, strict=True))
            try:
                self.settings(values, 0)
            except ValueError as error:
                reasons.append(f"{_text(values)}: {error}")
                if self.method == "grid":
                    break
            else:
                if self.method != "grid":
                    return
        if reasons:
            raise SpaceError(reasons[0])

    def as_dict(self, sequences: Sequences) -> dict:
        shared = self.base.as_dict()
        for name in (*self.space, "device"):  # the device decides no result
            shared.pop(name, None)
        return {
            "space": space.lines(self.space),
            "method": self.method,
            "pruner": self.pruner,
            "data_digest": sequences.digest,
            "settings": shared,
        }


class Plan:
    """The trials of a sweep: some on record, some at work, some to come."""

    def __init__(
        self,
        sweep: Sweep,
        definition: Definition,
        data: tuple[Spec, Sequences],
        trials: int,
        seeds: int,
    ):
        self.sweep, self.definition, self.data = sweep, definition, data
        first = definition.base.seed
        self.seeds = range(first, first + seeds)
        self.n_points = suggest.n_points(definition.space, definition.method, trials)
        # By number of the point, and seed.
        self.trials: dict[tuple[int, int], SweptTrial] = {
            (trial.number, trial.seed): trial for trial in sweep.trials()
        }
        self.values = {trial.number: trial.values for trial in self.trials.values()}
        self.curves: dict[int, list[float]] = {}
        self.at_work: dict[str, tuple[int, int]] = {}

    def work(self, executor: Executor) -> None:
        """Have all trials run; each is on record the moment it ends."""
        with tqdm(initial=self.n_ended, unit="trial", disable=None) as bar:
            bar.total = self.n_ended + self.n_to_come
            for task, lost in executor.run(self.next_task):
                self.sweep.heart.check()
                trial = self._ended(task, lost)
                self.sweep.log_seconds()
                bar.total = self.n_ended + self.n_to_come
                if best := self.best():
                    bar.set_postfix_str(f"best {SELECTION_METRIC} {best[1].score:.4f}", False)
                bar.update()
                with bar.external_write_mode():
                    click.echo(f"trial {self.n_ended} of {bar.total}: {self._line(trial)}")

    def next_task(self) -> Task | None:
        """The trial that was cut off or, if none was, the next of the search."""
        for number in range(self.n_points):
            if number not in self.values:
                values = self._suggest(number)
                if values is None:  # the space has no other points
                    self.n_points = number
                    return None
                self.values[number] = values
            for seed in self._seeds(number):
                trial = self.trials.get((number, seed))
                waits = trial is None or trial.cut_off
                if waits and (number, seed) not in self.at_work.values():
                    return self._start(number, seed, trial)
        return None

    @property
    def n_ended(self) -> int:
        return sum(not trial.cut_off for trial in self.trials.values())

    @property
    def n_to_come(self) -> int:
        planned = (
            (number, seed)
            for number in range(self.n_points)
            for seed in ([] if self._pruned(number) else self.seeds)
        )
        return sum(self._pending(number, seed) for number, seed in planned)

    def best(self) -> tuple[int, Point] | None:
        """Of the points whose seeds have all ended, by the mean over them: number and point."""
        points = ((number, self._point(number)) for number in self.values)
        complete = [(n, p) for n, p in points if p.state == TrialState.COMPLETE]
        return max(complete, key=lambda pair: (pair[1].score, -pair[0]), default=None)

    def describe(self, number: int, point: Point) -> str:
        return f"{_text(point.values)}: valid {SELECTION_METRIC} {point.score:.4f}"

    def failures(self) -> Iterator[str]:
        for trial in self.trials.values():
            if trial.record.status == "FAILED":
                yield f"{trial.record.name}: {trial.why_it_failed}"

    def _suggest(self, number: int) -> dict[str, Value] | None:
        past = [self._point(earlier) for earlier in range(number)]
        definition = self.definition
        return suggest.suggest(
            definition.space, definition.method, definition.base.seed, past, definition.fits
        )

    def _start(self, number: int, seed: int, trial: SweptTrial | None) -> Task:
        values = self.values[number]
        settings = self.definition.settings(values, seed)
        run_id = trial.record.run_id if trial else self.sweep.add_trial(settings, number, values)
        self.sweep.prepare_trial(run_id, settings, *self.data)
        self.at_work[run_id] = (number, seed)
        first = seed == self.seeds[0]  # which decides for the others
        past = [self._point(earlier) for earlier in range(number)] if first else []
        return Task(run_id, Pruner(self.definition.pruner if first else "none", past))

    def _ended(self, task: Task, lost: str | None) -> SweptTrial:
        if lost:
            self.sweep.fail_trial(task.run_id, lost)
        trial = self.sweep.trial(task.run_id)
        if trial.cut_off:
            raise TrackingError(f"trial {task.run_id} has ended, but that could not be recorded")
        self.trials[self.at_work.pop(task.run_id)] = trial
        return trial

    def _pending(self, number: int, seed: int) -> bool:
        trial = self.trials.get((number, seed))
        return trial is None or trial.cut_off

    def _pruned(self, number: int) -> bool:
        return any(t.pruned for s in self.seeds if (t := self.trials.get((number, s))))

    def _seeds(self, number: int) -> range | list[int]:
        """Those to run now: with a pruner, the first one decides about the others."""
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
        """Of its first seed, if a pruner wants to know."""
        first = self.trials.get((number, self.seeds[0]))
        if self.definition.pruner == "none" or first is None or first.cut_off:
            return []
        if number not in self.curves:
            self.curves[number] = self.sweep.curve(first.record.run_id)
        return self.curves[number]

    def _line(self, trial: SweptTrial) -> str:
        what = _text(trial.values | {"seed": trial.seed})
        if trial.score is None:
            return f"{what}: failed: {trial.why_it_failed}"
        how = f"valid {SELECTION_METRIC} {trial.score:.4f}, {trial.record.seconds:.1f} s"
        if trial.pruned:
            how += f", pruned {trial.record.tags['pruned']}"
        best = self.best()
        return f"{what}: {how}" + (f"; best {best[1].score:.4f}" if best else "")


def _text(values: dict[str, Value]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
