"""How many trials a stored sweep of a comparison lacks."""

from __future__ import annotations

from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.plan import Effort
from benchmark.tracking.reading.swept import SweptTrial


def trials_to_come(contender: Contender, stored: list[SweptTrial], effort: Effort) -> int:
    """The number of trials that have not ended, where each point has one seed and the best one
    ``effort.seeds_of_best``. Where time decides, the number of points is the largest possible one,
    as long as there is time for one more."""
    first = contender.definition.base.seed
    ended = {(trial.number, trial.seed): trial for trial in stored if trial.ended}
    n_points = contender.n_points(effort.points)
    if ended and effort.seconds is not None:
        used = sum(trial.record.seconds or 0.0 for trial in ended.values())
        if used * (1 + effort.seeds_of_best / len(ended)) > effort.seconds:
            n_points = len({trial.number for trial in stored})
    search = sum((number, first) not in ended for number in range(n_points))
    if search:
        return search + effort.seeds_of_best - 1
    scores = {n: t.score for (n, seed), t in sorted(ended.items()) if seed == first}
    known = {number: score for number, score in scores.items() if score is not None}
    if not known:
        return 0
    best = max(known, key=lambda number: known[number])
    more = range(first + 1, first + effort.seeds_of_best)
    return sum((best, seed) not in ended for seed in more)
