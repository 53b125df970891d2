"""A trial of a sweep, as the tracking server has it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run

from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.settings.declaration import Value
from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record, record

Values = dict[str, Value]
"""Settings by name."""


@dataclass(frozen=True)
class SweptTrial:
    """The run of one point of the search space with one seed, as it was logged."""

    number: int
    """The number of the point, from 0."""
    values: Values
    """The point: the searched settings."""
    seed: int
    record: Record

    @property
    def interrupted(self) -> bool:
        """Whether the trial is to be started, or resumed."""
        return self.record.status not in schema.ENDED

    @property
    def ended(self) -> bool:
        return not self.interrupted

    @property
    def pruned(self) -> bool:
        return schema.PRUNED in self.record.tags

    @property
    def why_it_failed(self) -> str:
        return self.record.tags.get(schema.FAILURE, "no reason was logged")

    @property
    def score(self) -> float | None:
        """The validation metric of the best epoch; None if the trial failed."""
        valid = self.record.valid
        return valid[SELECTION_METRIC] if valid and self.record.status == "FINISHED" else None


def all_swept(runs: Iterable[Run]) -> list[SweptTrial]:
    """The runs as trials; those without a seed, which somebody else has nested there, are left
    out."""
    return [swept(run) for run in runs if type(_point(run).get("seed")) is int]


def swept(run: Run) -> SweptTrial:
    values = _point(run)
    seed = values.pop("seed")
    number = int(run.data.tags[schema.NUMBER])
    return SweptTrial(number, values, seed, record(run))


def _point(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.data.tags[schema.POINT])
    return found
