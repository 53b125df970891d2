"""Whether anybody works on a run: whoever does changes a tag of it every two seconds.

Nothing depends on two machines' clocks, or on one of them seeing the other's processes.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.tracking import schema
from benchmark.tracking.writing import status

BEAT = 2.0  # seconds
DEAD_AFTER = 5 * BEAT  # without one


class Heart:
    """This process's claim to a run."""

    def __init__(self, client: MlflowClient, run_id: str):
        self.client, self.run_id = client, run_id
        self.owner = uuid.uuid4().hex
        self.lost = False  # another process has taken over

    @contextmanager
    def beats(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        self._tag(0)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def check(self) -> None:
        """Raises TakenOver if the run is another process's by now."""
        if self.lost:
            raise status.TakenOver(f"another process has taken over run {self.run_id}")

    def _beat(self, stop: threading.Event) -> None:
        count = 0
        while not stop.wait(BEAT):
            count += 1
            try:
                tags = self.client.get_run(self.run_id).data.tags
                self.lost = self.lost or not tags[schema.HEARTBEAT].startswith(self.owner)
                if not self.lost:
                    self._tag(count)
            except Exception:  # the server may be back at the next beat
                continue

    def _tag(self, count: int) -> None:
        self.client.set_tag(self.run_id, schema.HEARTBEAT, f"{self.owner} {count}")


def living(client: MlflowClient, runs: list[Run]) -> set[str]:
    """Ids of those RUNNING runs whose heart beats. Takes up to DEAD_AFTER if one's does not."""

    def beats() -> dict[str, str]:
        return {
            run.info.run_id: client.get_run(run.info.run_id).data.tags[schema.HEARTBEAT]
            for run in runs
            if run.info.status == "RUNNING"
        }

    before, alive = beats(), set()
    deadline = time.monotonic() + DEAD_AFTER
    while alive != set(before) and time.monotonic() < deadline:
        time.sleep(BEAT / 2)
        alive |= {run_id for run_id, beat in beats().items() if beat != before[run_id]}
    return alive
