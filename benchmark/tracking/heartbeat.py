"""Whether a process works on a sweep: the process changes a tag of its run every two seconds.

Neither the clocks of two machines nor a view of the other machine's processes is needed.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.background import meanwhile
from benchmark.errors import TakenOver
from benchmark.tracking import ownership, schema
from benchmark.tracking.outage import is_outage
from benchmark.tracking.server import TrackingError

BEAT = 2.0  # seconds
DEAD_AFTER = 5 * BEAT  # without a beat


class Heart:
    """Shows that the owner of a run is at work on it, until another process owns the run."""

    def __init__(self, client: MlflowClient, run_id: str, owner: str):
        """``owner`` is the name of this process, by ``ownership.claim``."""
        self.client = client
        self.run_id = run_id
        self.owner = owner
        self.problem: Exception | None = None  # of the last beat, unless it is an outage

    @contextmanager
    def beats(self) -> Iterator[None]:
        self._tag(0)
        with meanwhile(self._beat):
            yield

    def check(self) -> None:
        """Ask the tracking server whether this process still owns the run.

        Raises TakenOver if another process does, or the error of the last beat.
        """
        ownership.check(self.client, self.run_id, self.owner)
        if self.problem:
            raise self.problem

    def _beat(self, stop: threading.Event) -> None:
        count = 0
        while not stop.wait(BEAT):
            count += 1
            try:
                ownership.check(self.client, self.run_id, self.owner)
                self._tag(count)
                self.problem = None
            except TakenOver:
                return
            except Exception as error:  # ``check`` raises it, unless a later beat succeeds
                outage = is_outage(error) or isinstance(error, TrackingError)
                self.problem = None if outage else error

    def _tag(self, count: int) -> None:
        self.client.set_tag(self.run_id, schema.HEARTBEAT, f"{self.owner} {count}")


def living(client: MlflowClient, runs: list[Run]) -> set[str]:
    """The ids of the RUNNING runs whose heart beats. Takes up to DEAD_AFTER if one does not."""

    def beats() -> dict[str, str]:
        return {
            run.info.run_id: schema.tags_of(client.get_run(run.info.run_id))[schema.HEARTBEAT]
            for run in runs
            if run.info.status == "RUNNING"
        }

    before = beats()
    alive: set[str] = set()
    deadline = time.monotonic() + DEAD_AFTER
    while alive != set(before) and time.monotonic() < deadline:
        time.sleep(BEAT / 2)
        alive |= {run_id for run_id, beat in beats().items() if beat != before[run_id]}
    return alive
