"""What a sweep would run: its trials, before any of them starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmark.sweeps import suggest
from benchmark.sweeps.definition import described
from benchmark.sweeps.suggest import METHODS, Point
from benchmark.tracking.writing.sweep import stored_trials

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from benchmark.data import Data
    from benchmark.settings.declaration import Value
    from benchmark.sweeps.definition import Definition
    from benchmark.sweeps.plan import Effort
    from benchmark.tracking.reading.swept import SweptTrial


def preview(
    client: MlflowClient, data: Data, definition: Definition, name: str, effort: Effort
) -> Iterator[str]:
    """A line for each trial of the sweep, in the order in which they start. Nothing is written.

    Points that depend on results are not known yet: one line gives their number. Raises
    TrackingError if a sweep of that name has another definition.
    """
    protocol = data.protocol(definition.base)
    content = definition.as_dict(data.sequences)
    stored = stored_trials(client, name, content, data.spec, protocol)
    points = {trial.number: trial.values for trial in stored}
    states = {(trial.number, trial.seed): trial for trial in stored}
    n_points = suggest.n_points(definition.space, definition.method, effort.points)
    for number in range(n_points):
        values = points.get(number) or _suggested(definition, number, points)
        if values is None:
            break
        points[number] = values
    seeds = range(definition.base.seed, definition.base.seed + effort.seeds)
    for number, values in sorted(points.items()):
        for seed in seeds:
            yield f"{described(values | {'seed': seed})}: {_state(states.get((number, seed)))}"
    if METHODS[definition.method].learns and len(points) < n_points:
        more = n_points - len(points)
        each = f" with {effort.seeds} seeds each" if effort.seeds > 1 else ""
        yield f"up to {more} more points{each}, which follow from the results"


def _suggested(
    definition: Definition, number: int, points: dict[int, dict[str, Value]]
) -> dict[str, Value] | None:
    """The point of that number; None if there is none, or if it follows from results."""
    if METHODS[definition.method].learns:
        return None
    past = [Point(points[earlier]) for earlier in range(number)]
    seed = definition.base.seed
    return suggest.suggest(definition.space, definition.method, seed, past, definition.fits)


def _state(trial: SweptTrial | None) -> str:
    if trial is None:
        return "new"
    if trial.interrupted:
        return "interrupted, resumes"
    return "pruned" if trial.pruned else trial.record.status.lower()
