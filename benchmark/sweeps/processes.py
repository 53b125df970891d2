"""Several trials at once on this machine: a process for each."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import ModuleType
from typing import Any

from benchmark.errors import UserError
from benchmark.sweeps.tasks import RETRIES, Job, NextTask, Task

# A new process is forked from one that has loaded torch and MLflow, which takes seconds. It is not
# forked from this one, whose threads would be lost.
_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass
class _Attempt:
    """A process that trains a trial."""

    task: Task
    process: Any
    """A ``multiprocessing.Process`` of the context."""
    error: Connection
    """Receives the error of the user or the machine that ends the sweep, if there is one."""
    losses: int
    """How many processes of this trial were lost before."""


def run(job: Job, jobs: int, next_task: NextTask) -> Iterator[tuple[Task, str | None]]:
    """Run tasks in ``jobs`` processes at once: what ``Executor.run`` yields.

    Raises the UserError of a trial that the next one would meet, too. When the caller stops early,
    all processes get SIGTERM, keep their state and end.
    """
    _CONTEXT.set_forkserver_preload([__name__.replace("sweeps.processes", "attempt")])
    at_work: list[_Attempt] = []
    try:
        while True:
            while len(at_work) < jobs and (task := next_task()):
                at_work.append(_start(job, jobs, task, losses=0))
            if not at_work:
                return
            wait([attempt.process.sentinel for attempt in at_work])
            for attempt in [a for a in at_work if not a.process.is_alive()]:
                at_work.remove(attempt)
                if attempt.error.poll() and (error := _received(attempt.error)):
                    raise error
                code = attempt.process.exitcode
                if code == 0:
                    yield attempt.task, None
                elif attempt.losses < RETRIES:
                    at_work.append(_start(job, jobs, attempt.task, attempt.losses + 1))
                else:
                    yield attempt.task, f"its process was lost {RETRIES + 1} times: {_ended(code)}"
    finally:
        for attempt in at_work:
            attempt.process.terminate()
        for attempt in at_work:
            attempt.process.join()


def _start(job: Job, jobs: int, task: Task, losses: int) -> _Attempt:
    error, to_error = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_work, args=(job, jobs, task, to_error))
    with _without_main():
        process.start()
    to_error.close()
    return _Attempt(task, process, error, losses)


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start in this block do not import the main module, which may be a user's
    script: it would start its sweep again in each of them."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _received(connection: Connection) -> UserError | None:
    """The error that a process sent; None if it was killed while it sent one."""
    try:
        error: UserError = connection.recv()
    except EOFError:
        return None
    return error


def _ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _work(job: Job, jobs: int, task: Task, to_error: Connection) -> None:
    """What the process of a trial does."""
    import torch

    from benchmark import interruption
    from benchmark.attempt import attempt

    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sweep, which sends SIGTERM
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # epochs of several trials would mix
    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    try:
        with interruption.listening():
            attempt(job.tracking_uri, job.data, task.run_id, task.prune)
    except UserError as error:
        to_error.send(error)
    except interruption.Terminated:
        sys.exit(1)


def _end_with_parent() -> None:
    """A sweep that was killed leaves no trial running."""
    parent = multiprocessing.parent_process()
    assert parent, "this process was started by the sweep"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _NoTerminal(io.TextIOWrapper):
    """A stream on which no progress bars are drawn: those of several trials would mix."""

    def isatty(self) -> bool:
        return False
