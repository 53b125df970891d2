"""Which point of a search space is tried next, and which trial is not worth going on with.

Both are functions of what is on record, by Optuna's samplers and pruners: nothing is kept in memory
or in a second database, so that a sweep that was cut off goes on as if it had not been.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from benchmark.sweeps.space import SETTINGS, Choice, Interval, Space, Value

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

METHODS = ("grid", "random", "tpe")
PRUNERS = {
    "none": None,
    # After 5 points, one that is worse than the median of them in the same epoch.
    "median": optuna.pruners.MedianPruner(),
    # In epochs 1, 4, 16, ... all but the best quarter (Li et al. 2020, asynchronous).
    "halving": optuna.pruners.SuccessiveHalvingPruner(),
}
TRIES = 100  # to draw a point that has not been drawn before


@dataclass
class Point:
    """A point of the space and, as far as it is known, how it did on validation."""

    values: dict[str, Value]
    state: TrialState = TrialState.RUNNING
    """Of Optuna: RUNNING, COMPLETE, PRUNED or FAIL."""
    score: float | None = None
    """Best epoch's validation metric, mean over seeds."""
    curve: list[float] = field(default_factory=list)
    """That metric after each epoch, with the first seed."""


def n_points(space: Space, method: str, trials: int) -> int:
    """How many points a search may try."""
    if method != "grid":
        return trials
    return math.prod(len(dimension.values) for dimension in space.values())


def suggest(
    space: Space,
    method: str,
    seed: int,
    past: Sequence[Point],
    fits: Callable[[dict[str, Value]], bool] = lambda values: True,
) -> dict[str, Value] | None:
    """The point that follows those that have been tried, or None if there is no other.

    It depends on nothing but the arguments; a drawn point that does not fit is drawn again.
    """
    if method == "grid":
        names, choices = space.keys(), (dimension.values for dimension in space.values())
        point = next(itertools.islice(itertools.product(*choices), len(past), None), None)
        return point and dict(zip(names, point, strict=True))
    distributions = {name: _distribution(name, dimension) for name, dimension in space.items()}
    study = _study()
    study.add_trials(_trial(point, distributions) for point in past)
    for attempt in range(TRIES):
        number = int(np.random.SeedSequence([seed, len(past), attempt]).generate_state(1)[0])
        study.sampler = (
            # Points that are still being tried count as bad ones, not to be tried twice.
            optuna.samplers.TPESampler(seed=number, constant_liar=True)
            if method == "tpe"
            else optuna.samplers.RandomSampler(seed=number)
        )
        asked = study.ask(distributions)
        if fits(asked.params) and all(asked.params != point.values for point in past):
            return asked.params
        study.tell(asked, state=TrialState.FAIL)
    return None


class Pruner:
    """Says after an epoch whether a trial is worth going on with."""

    def __init__(self, kind: str, past: Sequence[Point]):
        """``past``: the points tried before, in order."""
        self.kind, self.past, self.study, self.trial = kind, past, None, None

    def __call__(self, epoch: int, score: float) -> bool:
        """True to stop. All epochs have to be asked about, in order."""
        if PRUNERS[self.kind] is None:
            return False
        if self.study is None:
            self._replay()
        self.trial.report(score, epoch)
        return bool(self.trial.should_prune())

    def _replay(self) -> None:
        """Lead a study to where this trial begins: halving notes who reached which rung."""
        self.study = _study(PRUNERS[self.kind])
        for point in self.past:
            if point.state not in (TrialState.COMPLETE, TrialState.PRUNED):
                continue
            trial = self.study.ask()
            for epoch, score in enumerate(point.curve, start=1):
                trial.report(score, epoch)
                trial.should_prune()
            pruned = point.state == TrialState.PRUNED
            self.study.tell(trial, None if pruned else point.score, point.state)
        self.trial: Trial = self.study.ask()


def _study(pruner: optuna.pruners.BasePruner | None = None) -> optuna.Study:
    return optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner
    )


def _distribution(name: str, dimension: Choice | Interval) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    low, high, step = dimension.low, dimension.high, dimension.step
    if SETTINGS[name].type is int:
        return IntDistribution(low, high, dimension.log, step or 1)
    return FloatDistribution(low, high, dimension.log, step)


def _trial(point: Point, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(
        state=point.state,
        value=point.score if point.state == TrialState.COMPLETE else None,
        params=point.values,
        distributions=distributions,
        intermediate_values=dict(enumerate(point.curve, start=1)),
    )
