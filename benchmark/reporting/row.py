"""A row of a report: the trials that differ in nothing but their seed."""

import statistics
from dataclasses import dataclass
from functools import cached_property

from benchmark.tracking import schema
from benchmark.tracking.reading.record import Param, Record


@dataclass(frozen=True)
class Row:
    """Trials that differ in nothing but their seed."""

    records: list[Record]
    """By seed."""
    mark: str = ""
    """What tells its entry from another row's of the same model, where each run was chosen."""

    @property
    def started(self) -> int:
        """When the first trial started, in milliseconds since 1970."""
        return min(record.started for record in self.records)

    @property
    def params(self) -> dict[str, Param]:
        return self.records[0].params

    @property
    def model(self) -> str:
        return str(self.params.get("model", ""))

    @cached_property
    def name(self) -> str:
        """The model; with "+ SLIST" if SLIST has a part in its scores."""
        return " ".join(filter(None, [self.model, self.blend]))

    @cached_property
    def blend(self) -> str:
        """The linear model with a part in the scores, as "+ SLIST"; empty if there is none."""
        weights = [r.metrics.get(f"{schema.BEST_TRIED}weight", 0.0) for r in self.records]
        return (
            f"+ {self.params['blend']}".upper() if "blend" in self.params and any(weights) else ""
        )

    @property
    def entry(self) -> str:
        """The name, with where the result comes from if its trial did not run here."""
        return self.name + self._origin

    @property
    def unblended(self) -> str:
        """The entry of all rows of its model, whether or not a linear model has a part in them."""
        return self.model + self._origin

    @property
    def _origin(self) -> str:
        return " (published)" * self.published + " (scored)" * self.scored + self.mark

    @property
    def learned(self) -> bool:
        """Whether its model learns by gradients; a counted model has no learning rate."""
        return "learning_rate" in self.params and not self.scored

    @cached_property
    def valid(self) -> dict[str, float]:
        """Means over the seeds."""
        return _means([record.valid for record in self.records])

    @cached_property
    def test(self) -> dict[str, float]:
        """Means over the seeds."""
        return _means([record.test for record in self.records])

    @property
    def seeds(self) -> set[Param]:
        return {record.params.get("seed", "") for record in self.records}

    def valid_on(self, seeds: set[Param], metric: str) -> float:
        """A metric on validation, mean over these of its seeds, or over all if there are none of
        them; -1 without validation."""
        chosen = [r for r in self.records if r.params.get("seed", "") in seeds] or self.records
        return _means([record.valid for record in chosen]).get(metric, -1.0)

    @property
    def published(self) -> bool:
        """Whether the figures come from a page: the trial did not run here."""
        return self.records[0].published

    @property
    def scored(self) -> bool:
        """Whether another library trained it: its files were scored here."""
        return self.records[0].scored

    @property
    def until(self) -> int | None:
        """The last test rank that is known of all trials; None: all ranks are."""
        return min((r.until for r in self.records if r.until is not None), default=None)

    @property
    def seconds(self) -> float | None:
        """Mean over the trials that were timed."""
        seconds = [record.seconds for record in self.records if record.seconds is not None]
        return statistics.fmean(seconds) if seconds else None

    def param(self, name: str) -> Param:
        """A parameter, or an empty text."""
        return self.params.get(name, "")

    def metric(self, name: str) -> float | None:
        """Mean over the trials that logged a metric under that key, such as "parameters"."""
        values = [record.metrics[name] for record in self.records if name in record.metrics]
        return statistics.fmean(values) if values else None

    def deviation(self, part: str, name: str) -> float | None:
        """The standard deviation (n - 1) of a metric among the seeds; None for one seed.

        ``part`` is "valid" or "test".
        """
        values = [getattr(record, part)[name] for record in self.records]
        return statistics.stdev(values) if len(values) > 1 else None


def _means(results: list[dict[str, float] | None]) -> dict[str, float]:
    """Of the metrics that all results have; none if there is no result."""
    found = [result for result in results if result is not None]
    names = [name for name in (found or [{}])[0] if all(name in result for result in found)]
    return {name: statistics.fmean(result[name] for result in found) for name in names}
