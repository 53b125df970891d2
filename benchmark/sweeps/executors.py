"""Where the trials of a sweep run: on this machine, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from benchmark import installation
from benchmark.sweeps import processes
from benchmark.sweeps.tasks import (
    RETRIES,
    Executor,
    ExecutorError,
    Job,
    NextTask,
    Resources,
    Task,
)
from datasets import DataError
from datasets.errors import one_line
from datasets.machines import cluster


class Here(Executor):
    """On this machine: one trial after the other in this process, or several at once in others."""

    resources = frozenset({"jobs"})

    def __init__(self, job: Job, resources: Resources):
        self.job = job
        self.jobs = resources.jobs

    def run(self, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
        if self.jobs > 1:
            yield from processes.run(self.job, self.jobs, next_task)
            return
        # late: it loads torch, and --help names executors
        from benchmark.attempt import attempt

        job = self.job
        while task := next_task():
            attempt(job.tracking_uri, job.data, task.run_id, task.prune)
            yield task, None

    def close(self) -> None:
        """Nothing is held."""


class Ray(Executor):
    """On a Ray cluster: the one at $RAY_ADDRESS, the one that runs here, or a new one of this
    machine. The data are in its object store, once per machine."""

    resources = frozenset({"cpus", "gpus"})

    def __init__(self, job: Job, resources: Resources):
        self.needed = resources
        try:
            self.ray = cluster.connect(installation.folders(), _inherited())
        except DataError as error:
            raise ExecutorError(str(error)) from None
        try:
            self._check_room()
            self._check_store(job.tracking_uri)
        except ExecutorError:
            self.close()  # else no later executor of this process could connect
            raise
        from benchmark.attempt import attempt  # late, as in ``Here``

        self.job = [job.tracking_uri, self.ray.put(job.data)]
        self.attempt: Any = self.ray.remote(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=RETRIES
        )(attempt)

    def _check_room(self) -> None:
        """Raises ExecutorError if no machine has room for a task, which would wait for ever."""
        needed = self.needed
        machines = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(
            machine.get("CPU", 0) >= needed.cpus and machine.get("GPU", 0) >= needed.gpus
            for machine in machines
        ):
            have = [f"{m.get('CPU', 0):g} CPUs, {m.get('GPU', 0):g} GPUs" for m in machines]
            raise ExecutorError(
                f"no machine of the Ray cluster has room for a trial with {needed.cpus:g} CPUs and "
                f"{needed.gpus:g} GPUs; they have: {'; '.join(have)}"
            )

    def _check_store(self, tracking_uri: str) -> None:
        """Raises ExecutorError if the trials' machines cannot all reach the tracking store."""
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
                # With the timeout, machines that join meanwhile take up work within seconds.
                ended, _ = self.ray.wait(list(at_work), num_returns=1, timeout=5)
                for done in ended:
                    yield at_work.pop(done), self._lost(done)
        finally:
            for job in at_work:
                self.ray.cancel(job, force=True)

    def close(self) -> None:
        self.ray.shutdown()

    def _lost(self, done: Any) -> str | None:
        """Why the worker of a task was lost for good; None if it was not.

        Raises the error that the task raised: the tracking server or the machine is at fault.
        """
        try:
            self.ray.get(done)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self.ray.exceptions.RayError as error:
            return f"its worker was lost {RETRIES + 1} times: {one_line(error)}"
        return None

    def _slots(self) -> int:
        """The number of trials that the cluster has room for now."""
        total = self.ray.cluster_resources()
        needed = self.needed
        room = [total.get("CPU", 0) / needed.cpus] if needed.cpus else []
        room += [total.get("GPU", 0) / needed.gpus] if needed.gpus else []
        return max(1, int(min(room, default=1)))


EXECUTORS: dict[str, type[Executor]] = {"here": Here, "ray": Ray}
"""The executors by name."""


def _inherited() -> dict[str, str]:
    """The variables that trials on other machines need: those of system metrics."""
    return {name: text for name, text in os.environ.items() if "SYSTEM_METRICS" in name}
