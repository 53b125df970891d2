"""Where trials run: in this process one after the other, or on a Ray cluster many at once.

Both take the same function and the same tasks, and hand back each task when nobody works on it any
more. What came of it is on record.
"""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from benchmark.attempt import attempt
from benchmark.sweeps.suggest import Pruner
from datasets import Sequences, Spec

RETRIES = 3  # of a trial whose worker, or whose machine, was lost


class ExecutorError(click.ClickException):
    """Trials cannot be run as asked. The message says why."""


@dataclass(frozen=True)
class Task:
    """A trial that is to be attempted."""

    run_id: str
    prune: Pruner


NextTask = Callable[[], Task | None]
"""The next task, or None if there is none before one of those at work has ended."""


class Executor(Protocol):
    def run(self, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
        """Each task once nobody works on it and, if its worker was lost for good, why."""


class Here:
    """In this process."""

    def __init__(self, tracking_uri: str, spec: Spec, sequences: Sequences):
        self.job = (tracking_uri, spec, sequences)

    def run(self, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
        while task := next_task():
            attempt(*self.job, task.run_id, task.prune)
            yield task, None


class Ray:
    """On a Ray cluster: the one at $RAY_ADDRESS, the one running here, or a new one of this
    machine. The data are in its object store, once for each machine."""

    def __init__(
        self, tracking_uri: str, spec: Spec, sequences: Sequences, cpus: float, gpus: float
    ):
        try:
            import ray
        except ImportError:
            raise ExecutorError(
                "Ray is not installed: pip install -r requirements-ray.txt"
            ) from None
        self.ray, self.cpus, self.gpus = ray, cpus, gpus
        _check_address(os.environ.get("RAY_ADDRESS", ""))
        root = Path(__file__).parents[2]
        packages = [str(root / name) for name in ("benchmark", "datasets", "models")]
        try:
            ray.init(
                runtime_env={"py_modules": packages},
                log_to_driver=False,
                logging_level="ERROR",
                include_dashboard=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ExecutorError(
                f"no Ray cluster (`ray stop` clears a dead one): {reason}"
            ) from None
        self._check_room()
        self._check_store(tracking_uri)
        self.job = [tracking_uri, *map(ray.put, (spec, sequences))]
        self.attempt = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(attempt)

    def _check_room(self) -> None:
        """A task that no machine has room for would wait for ever."""
        there = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(
            node.get("CPU", 0) >= self.cpus and node.get("GPU", 0) >= self.gpus for node in there
        ):
            has = "; ".join(f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in there)
            raise ExecutorError(
                f"no machine of the Ray cluster has room for a trial with {self.cpus:g} CPUs and "
                f"{self.gpus:g} GPUs; they have: {has}"
            )

    def _check_store(self, tracking_uri: str) -> None:
        machines = {node["NodeManagerAddress"] for node in self.ray.nodes() if node["Alive"]}
        if len(machines) > 1 and not tracking_uri.startswith(("http:", "https:", "databricks")):
            raise ExecutorError(
                f"trials on {len(machines)} machines cannot share {tracking_uri}: "
                "set MLFLOW_TRACKING_URI to a tracking server"
            )

    def run(self, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
        at_work: dict[Any, Task] = {}
        try:
            while True:
                while len(at_work) < self._slots() and (task := next_task()):
                    job = self.attempt.remote(*self.job, task.run_id, task.prune)
                    at_work[job] = task
                if not at_work:
                    return
                # Machines that have joined since take up work within seconds.
                ended, _ = self.ray.wait(list(at_work), num_returns=1, timeout=5)
                for done in ended:
                    yield at_work.pop(done), self._lost(done)
        finally:
            for job in at_work:
                self.ray.cancel(job, force=True)
            self.ray.shutdown()

    def _lost(self, done: Any) -> str | None:
        try:
            self.ray.get(done)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None  # the tracking server is at fault
        except self.ray.exceptions.RayError as error:
            return f"its worker was lost {RETRIES + 1} times: {' '.join(str(error).split())}"
        return None

    def _slots(self) -> int:
        """How many trials the cluster has room for, as it is now."""
        there = self.ray.cluster_resources()
        room = [there.get("CPU", 0) / self.cpus] if self.cpus else []
        room += [there.get("GPU", 0) / self.gpus] if self.gpus else []
        return max(1, int(min(room, default=1)))


def _check_address(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:  # "auto" or nothing
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise ExecutorError(
            f"no Ray cluster answers at {address} ($RAY_ADDRESS): {error}"
        ) from None
