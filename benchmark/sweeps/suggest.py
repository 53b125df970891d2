"""Which point of a search space is tried next, and which trials are pruned.

Both are functions of the trials that are stored, by Optuna's samplers and pruners. Nothing is kept
in memory or in a second database, so an interrupted sweep resumes as if it had not been
interrupted.
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
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmark.settings import SETTINGS, Value
from benchmark.sweeps.space import Choice, Interval, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

DRAWS = 100  # until a point is found that fits and has not been tried


@dataclass
class Point:
    """A point of the space, and its result on validation as far as it is known."""

    values: dict[str, Value]
    state: TrialState = TrialState.RUNNING
    """Optuna's RUNNING, COMPLETE, PRUNED or FAIL."""
    score: float | None = None
    """Validation metric of the best epoch, mean over seeds."""
    curve: list[float] = field(default_factory=list)
    """Validation metric after each epoch, of the first seed."""


@dataclass(frozen=True)
class Search:
    """What a search method knows when it suggests the next point."""

    space: Space
    seed: int
    past: Sequence[Point]
    """The points that were suggested before, in order."""
    fits: Callable[[dict[str, Value]], bool]
    """Whether the values of a point go together."""


@dataclass(frozen=True)
class Method:
    """A search method."""

    next_point: Callable[[Search], dict[str, Value] | None]
    """The next point, as a function of the search alone; None if there is no other."""
    exhaustive: bool = False
    """Whether it tries every point of the space, which has choices alone."""


def grid(search: Search) -> dict[str, Value] | None:
    """Every combination of the choices, in the order of the file."""
    points = itertools.product(*_choices(search.space))
    point = next(itertools.islice(points, len(search.past), None), None)
    return None if point is None else dict(zip(search.space, point, strict=True))


def random(search: Search) -> dict[str, Value] | None:
    """Points drawn independently of each other."""
    return _drawn(search, lambda seed: optuna.samplers.RandomSampler(seed=seed))


def tpe(search: Search) -> dict[str, Value] | None:
    """Points drawn near the good ones (Bergstra et al. 2011, tree-structured Parzen estimator).

    Points that are still tried count as bad ones, so that they are not drawn again.
    """
    return _drawn(search, lambda seed: optuna.samplers.TPESampler(seed=seed, constant_liar=True))


METHODS = {
    "grid": Method(grid, exhaustive=True),
    "random": Method(random),
    "tpe": Method(tpe),
}
"""The search methods by name. A new method is one function and one line here."""

PRUNERS: dict[str, optuna.pruners.BasePruner | None] = {
    "none": None,
    # After 5 points: stops a point that is worse than their median in the same epoch.
    "median": optuna.pruners.MedianPruner(),
    # In epochs 1, 4, 16, ...: stops all but the best quarter (Li et al. 2020, asynchronous).
    "halving": optuna.pruners.SuccessiveHalvingPruner(),
}
"""The pruners by name."""


def n_points(space: Space, method: str, trials: int) -> int:
    """The number of points that a search tries at most."""
    if not METHODS[method].exhaustive:
        return trials
    return math.prod(map(len, _choices(space)))


def suggest(
    space: Space,
    method: str,
    seed: int,
    past: Sequence[Point],
    fits: Callable[[dict[str, Value]], bool] = lambda values: True,
) -> dict[str, Value] | None:
    """The next point after ``past``, or None if there is no other.

    It depends on nothing but the arguments. Raises KeyError for an unknown method.
    """
    return METHODS[method].next_point(Search(space, seed, past, fits))


def _drawn(
    search: Search, sampler: Callable[[int], optuna.samplers.BaseSampler]
) -> dict[str, Value] | None:
    """A point from a sampler of Optuna, which gets a seed; drawn again until it fits and is new."""
    distributions = {name: _distribution(name, d) for name, d in search.space.items()}
    study = _study()
    study.add_trials([_trial(point, distributions) for point in search.past])
    for draw in range(DRAWS):
        entropy = np.random.SeedSequence([search.seed, len(search.past), draw])
        study.sampler = sampler(int(entropy.generate_state(1)[0]))
        asked = study.ask(distributions)
        is_new = all(asked.params != point.values for point in search.past)
        if is_new and search.fits(asked.params):
            return asked.params
        study.tell(asked, state=TrialState.FAIL)
    return None


class Pruner:
    """Decides after each epoch of a trial whether to stop it.

    Raises KeyError for an unknown kind of pruner.
    """

    def __init__(self, kind: str, past: Sequence[Point]):
        """``past`` are the points that were tried before, in order."""
        self.pruner = PRUNERS[kind]
        self.past = past
        self.trial: optuna.Trial | None = None

    def __call__(self, epoch: int, score: float) -> bool:
        """Whether to stop. It must be asked about every epoch, in order."""
        if self.pruner is None:
            return False
        if self.trial is None:
            self.trial = self._replay(self.pruner)
        self.trial.report(score, epoch)
        return bool(self.trial.should_prune())

    def _replay(self, pruner: optuna.pruners.BasePruner) -> optuna.Trial:
        """A new trial in a study of the past: halving notes which trial reached which rung."""
        study = _study(pruner)
        for point in self.past:
            if point.state not in (TrialState.COMPLETE, TrialState.PRUNED):
                continue
            trial = study.ask()
            for epoch, score in enumerate(point.curve, start=1):
                trial.report(score, epoch)
                trial.should_prune()
            pruned = point.state == TrialState.PRUNED
            study.tell(trial, None if pruned else point.score, point.state)
        return study.ask()


def _study(pruner: optuna.pruners.BasePruner | None = None) -> optuna.Study:
    return optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner
    )


def _choices(space: Space) -> list[tuple[Value, ...]]:
    return [dimension.values for dimension in space.values() if isinstance(dimension, Choice)]


def _distribution(name: str, dimension: Choice | Interval) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    low, high, step = dimension.low, dimension.high, dimension.step
    if SETTINGS[name].kind is int:
        return IntDistribution(int(low), int(high), dimension.log, int(step or 1))
    return FloatDistribution(low, high, dimension.log, step)


def _trial(point: Point, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(
        state=point.state,
        value=point.score if point.state == TrialState.COMPLETE else None,
        params=point.values,
        distributions=distributions,
        intermediate_values=dict(enumerate(point.curve, start=1)),
    )
