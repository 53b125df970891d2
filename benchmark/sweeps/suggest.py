"""Which point of a search space is tried next, and which trials are pruned.

Both are functions of the trials that are stored, by Optuna's samplers and pruners. Nothing is kept
in memory or in a second database, so an interrupted sweep resumes as if it had not been
interrupted.
"""

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

from benchmark.settings.declaration import Value
from benchmark.sweeps import space as spaces
from benchmark.sweeps.space import Choice, Interval, Space

# Seqrec itself reports what a user can mend, before anything starts.
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", module="optuna")
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

DRAWS = 20  # by a search method, until a point is found that fits and has not been tried
RANDOM_DRAWS = 1000  # after these, where the points that are left cannot be listed
MOST_LISTED = 10_000  # the most points that a space may have for all of them to be listed


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
    learns: bool = False
    """Whether a point depends on the results of those before it."""


def grid(search: Search) -> dict[str, Value] | None:
    """Every combination of the choices, in the order of the file."""
    points = spaces.points(search.space)
    return points[len(search.past)] if len(search.past) < len(points) else None


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
    "tpe": Method(tpe, learns=True),
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
    listed = spaces.size(space) if METHODS[method].exhaustive else None
    return trials if listed is None else listed


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
    """A point from a sampler of Optuna, which gets a seed; drawn again until it fits and is new.

    A sampler may insist on points that were tried. Then one of the others is taken at random.
    """
    study = _study()
    study.add_trials([_trial(point, search.space) for point in search.past])
    tried = {frozenset(point.values.items()) for point in search.past}
    listed = can_be_listed(search.space)
    for draw in range(DRAWS if listed else DRAWS + RANDOM_DRAWS):
        entropy = np.random.SeedSequence([search.seed, len(search.past), draw])
        make = sampler if draw < DRAWS else optuna.samplers.RandomSampler
        study.sampler = make(int(entropy.generate_state(1)[0]))
        asked = study.ask()
        values = _sampled(asked, search.space)
        if frozenset(values.items()) not in tried and search.fits(values):
            return values
        study.tell(asked, state=TrialState.FAIL)
    if not listed:
        return None
    left = [p for p in spaces.points(search.space) if frozenset(p.items()) not in tried]
    order = np.random.default_rng([search.seed, len(search.past)]).permutation(len(left))
    return next((left[place] for place in order if search.fits(left[place])), None)


def can_be_listed(space: Space) -> bool:
    """Whether the space has so few points that a search tries them all, if it is told to."""
    size = spaces.size(space)
    return size is not None and size <= MOST_LISTED


def _sampled(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """The values that Optuna suggests: the model first, then the settings that it has."""
    values: dict[str, Value] = {}
    if "model" in space:
        values["model"] = _suggested(trial, "model", space["model"])
        own = spaces.of_model(space, str(values["model"]))
    else:
        own = space
    for name in own:
        if name not in values:
            values[name] = _suggested(trial, name, own[name])
    return {name: values[name] for name in space if name in values}


def _suggested(trial: optuna.Trial, name: str, dimension: Choice | Interval) -> Value:
    distribution = _distribution(dimension)
    if isinstance(dimension, Choice):
        chosen = trial.suggest_categorical(name, dimension.values)
        assert chosen is not None, "no choice is None"
        return chosen
    if isinstance(distribution, IntDistribution):
        return dimension.at(
            trial.suggest_int(name, distribution.low, distribution.high, log=dimension.log)
        )
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


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


def _distribution(dimension: Choice | Interval) -> BaseDistribution:
    """Of a finite interval: of the multiples of its step."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    multiples = dimension.multiples
    if multiples is None:
        return FloatDistribution(dimension.low, dimension.high, dimension.log)
    return IntDistribution(multiples[0], multiples[-1], dimension.log)


def _trial(point: Point, space: Space) -> FrozenTrial:
    """A trial of the past. A value that its dimension does not have is left out: before 0.3, the
    values of a quniform were counted from its lower bound, and a default may lie outside."""
    params: dict[str, Value] = {}
    for name, value in point.values.items():
        place = _place(value, space[name])
        if place is not None:
            params[name] = place
    return create_trial(
        state=point.state,
        value=point.score if point.state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: _distribution(space[name]) for name in params},
        intermediate_values=dict(enumerate(point.curve, start=1)),
    )


def _place(value: Value, dimension: Choice | Interval) -> Value | None:
    """What Optuna knows the value by: of a finite interval, the multiple of the step that it is.

    None if the dimension does not have the value.
    """
    if isinstance(dimension, Choice):
        return value if value in dimension.values else None
    number = float(value)
    if dimension.multiples is None:
        return value if dimension.low <= number <= dimension.high else None
    nearest = round(number / (dimension.step or 1))
    inside = nearest in dimension.multiples
    return nearest if inside and dimension.at(nearest) == value else None
