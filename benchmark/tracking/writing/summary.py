"""What the run of a sweep, or of a comparison, shows of the runs that it sums up."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.utils.time import get_current_time_millis

from benchmark.tracking import schema
from benchmark.tracking.outbox.messages import Message, Metrics
from benchmark.tracking.outbox.shown import BestPoint, Note


@dataclass(frozen=True)
class Summary:
    best: Mapping[str, object]
    """The best point: its searched settings, its seeds, and the run id of its first trial; empty if
    no point has a result."""
    metrics: Mapping[str, float]
    """Means over the seeds of the best point, by key."""
    text: str
    """In markdown."""

    def messages(self) -> list[Message]:
        """They replace those of an earlier summary. The point is logged as tags: params never
        change, and a sweep that continues may find a better one."""
        return [
            Metrics(dict(self.metrics), schema.WHOLE_TRIAL, get_current_time_millis()),
            BestPoint({name: str(value) for name, value in self.best.items()}),
            Note(self.text),
        ]
