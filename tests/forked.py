"""Processes that are forked from one that has loaded torch and MLflow, which takes ten seconds.

Such a process runs `python -m MODULE` as any other: it has its own arguments, folder, environment
and output, gets signals, and ends as the interpreter does. A copy of the project, and what proves
that a command starts, needs a new interpreter: ``subprocess``.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).parents[1]
LOADED = (
    # What the commands import late, and what torch and MLflow do.
    "benchmark.attempt",
    "benchmark.promotion",
    "benchmark.recommendation",
    "benchmark.sweeps.plan",
    "benchmark.tracking.launcher",
    "benchmark.tracking.outbox.recovery",
    "benchmark.tracking.writing.published",
    "mlflow.store.tracking.sqlalchemy_store",
    "torch._dynamo",
)
LONGEST_REQUEST = 1 << 17  # bytes


class Process:
    """The part of ``subprocess.Popen`` that the tests use, with text streams."""

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        folder: Path | None = None,
        log: Path | None = None,
    ):
        """``words`` are a module and its arguments: what stands after `python -m`.

        ``log`` is a file for both streams of a process whose output nobody reads: a full pipe would
        stop it.
        """
        out, to_out = os.pipe()
        err, to_err = os.pipe()
        self._told, to_told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([words, environment, str(folder or Path.cwd())]).encode()
        if log:
            for end in (to_out, to_err):
                file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, end)
                os.close(file)
        ends = [to_out, to_err, to_told.detach()]
        socket.send_fds(_server(), [request], ends)
        for end in ends:
            os.close(end)
        self.args = words
        self.stdout = os.fdopen(out, encoding="utf-8")
        self.stderr = os.fdopen(err, encoding="utf-8")
        self.returncode: int | None = None
        self.pid = int(self._told.recv(32))

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(32))
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """What is left of both streams; a process that takes longer is killed."""
        timer = Timer(timeout, self.kill)
        timer.start()
        with self.stdout, self.stderr, ThreadPoolExecutor(2) as readers:
            out, err = readers.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.wait()
        timer.cancel()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> socket.socket:
    """The connection to the process that has loaded everything. It ends when its starter does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    subprocess.Popen(
        [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()
    return ours


def load() -> None:
    """Import what all commands need, but not the commands."""
    for name in LOADED:
        import_module(name)


def _next_command(requests: socket.socket) -> list[str]:
    """Fork a process for each request. This returns in that process: the words of its command."""
    before = set(os.environ)
    load()
    loaded = {name: value for name, value in os.environ.items() if name not in before}
    gc.freeze()  # what is loaded stays shared
    while True:
        request, ends, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            break
        for end in ends:
            os.close(end)
        while _ended():
            pass
    requests.close()
    words, environment, folder = json.loads(request)
    out, err, told = ends
    if command := os.fork():
        os.close(out)
        os.close(err)
        _tell(told, command)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for end in ends:
        os.close(end)
    os.environ.clear()
    os.environ.update(loaded | environment)
    os.chdir(folder)
    sys.path[:1] = [folder, str(ROOT)]  # as `python -m` does, with PYTHONPATH
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    return words


def _ended() -> bool:
    """Whether a process that told how its command ended has ended."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _tell(told: int, command: int) -> None:
    """Tell the id of a process and, when it has ended, its exit code; then end, too."""
    with socket.socket(fileno=told) as connection:
        connection.send(str(command).encode())
        _, status = os.waitpid(command, 0)
        with suppress(OSError):  # the test has ended
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    module, *options = _next_command(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[1:] = options
    sys.orig_argv = [sys.executable, "-m", module, *options]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
