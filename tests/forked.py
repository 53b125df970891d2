"""Processes that are forked from one that has loaded torch and MLflow, which takes ten seconds.

Such a process runs `python -m MODULE` as any other: it has its own arguments, folder, environment
and output, gets signals, and ends as the interpreter does. What proves that a command starts needs
a new interpreter: ``subprocess``.

There are two such processes. One has also loaded this repository, and runs its commands. The other
has loaded packages alone. It runs copies of this repository and registered models, which bring
their own code. `tests/fork/python` is a stand-in for `python` that asks it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = (
    # What the commands import, also late, and what torch and MLflow import late.
    "jinja2",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "optuna",
    "pandas",
    "psutil",
    "pyarrow.csv",
    "pyarrow.parquet",
    "safetensors.torch",
    "scipy.sparse",
    "scipy.special",
    "scipy.stats",
    "tabulate",
    "torch._dynamo",
    "torch.distributed",
    "yaml",
)
OWN = (
    # What the commands import late.
    "benchmark.attempt",
    "benchmark.serving.promotion",
    "benchmark.serving.recommendation",
    "benchmark.sweeps.plan",
    "benchmark.tracking.launcher",
    "benchmark.tracking.outbox.recovery",
    "benchmark.tracking.writing.published",
)
LONGEST_REQUEST = 1 << 17  # bytes
STAND_IN = ROOT / "tests" / "fork"  # a folder for the PATH
ADDRESS = "TESTS_FORKED"  # environment variable of the stand-in


class Process:
    """The part of ``subprocess.Popen`` that the tests use, with text streams."""

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        folder: Path | None = None,
        log: Path | None = None,
        own: bool = True,
    ):
        """``words`` are a module and its arguments: what stands after `python -m`.

        ``log`` is a file for both streams of a process whose output nobody reads: a full pipe would
        stop it. With ``own``, the process runs the code of this repository; without, that of
        ``folder`` and of the PYTHONPATH in ``environment``.
        """
        out, to_out = os.pipe()
        err, to_err = os.pipe()
        request = json.dumps([words, environment, str(folder or Path.cwd())]).encode()
        if log:
            for end in (to_out, to_err):
                file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, end)
                os.close(file)
        nothing = os.open(os.devnull, os.O_RDONLY)
        ends = [nothing, to_out, to_err]
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._told.connect(str(servers().own if own else servers().packages))
        socket.send_fds(self._told, [request], ends)
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


class Servers(NamedTuple):
    """The sockets of the two processes that have loaded."""

    own: Path
    packages: Path
    alive: subprocess.Popen
    """The processes end when its standard input is closed: when the tests end."""


@cache
def servers() -> Servers:
    """Start the two processes. Requests wait until they have loaded."""
    folder = Path(tempfile.mkdtemp(prefix="forked"))
    sockets = []
    for name in ("own", "packages"):
        sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        sockets[-1].bind(str(folder / name))
        sockets[-1].listen(64)
    ends = [listener.fileno() for listener in sockets]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", *map(str, ends)],
        cwd=ROOT,
        pass_fds=ends,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    for listener in sockets:
        listener.close()
    return Servers(folder / "own", folder / "packages", process)


def stand_in(path: str) -> dict[str, str]:
    """Environment variables with which `python -m` is a forked process; ``path`` is the PATH."""
    return {
        "PATH": os.pathsep.join([str(STAND_IN), path]),
        "PYTHON_EXEC": str(STAND_IN / "python"),  # torchrun's
        ADDRESS: str(servers().packages),
    }


def load(names: tuple[str, ...] = PACKAGES + OWN) -> None:
    """Import what all commands need, but not the commands."""
    for name in names:
        import_module(name)
    gc.freeze()  # forked processes go on sharing the loaded objects


def _next_command(own: socket.socket, packages: socket.socket) -> list[str]:
    """Load, then fork a process for each request.

    This returns in that process: the words of its command.
    """
    folder = Path(own.getsockname()).parent
    before = set(os.environ)
    path = sys.path[1:]
    sys.path[:] = path  # `datasets` is also a package that MLflow imports
    load(PACKAGES)
    listener = own if os.fork() == 0 else packages
    code = [str(ROOT)] if listener is own else []
    sys.path[:] = [*code, *path]
    load(OWN if listener is own else ())
    loaded = {name: value for name, value in os.environ.items() if name not in before}
    connection = _next_request(listener)
    if connection is None:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit()
    own.close()
    packages.close()
    request, ends, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, 3)
    words, environment, where = json.loads(request)
    if command := os.fork():
        for end in ends:
            os.close(end)
        _tell(connection, command)
    connection.close()
    for number, end in enumerate(ends):
        os.dup2(end, number)
        os.close(end)
    os.environ.clear()
    os.environ.update(loaded | environment)
    os.chdir(where)
    code += filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [where, *code, *path]  # as `python -m` does
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    return words


def _next_request(listener: socket.socket) -> socket.socket | None:
    """Fork a process for each connection. This returns the connection in that process.

    It returns None when the tests have ended.
    """
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            return None
        connection, _ = listener.accept()
        if os.fork() == 0:
            return connection
        connection.close()
        while _ended():
            pass


def _ended() -> bool:
    """Whether a process that told how its command ended has ended."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def run(words: list[str]) -> None:
    """Run a module with its arguments in this process, as `python -m` does."""
    module, *options = words
    sys.argv[1:] = options
    sys.orig_argv = [sys.executable, "-m", module, *options]
    if module.startswith(("benchmark.", "datasets.")):
        sys.modules.pop(module, None)  # loaded for others, as datasets.prepare is: runpy would warn
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tell(connection: socket.socket, command: int) -> None:
    """Tell the id of a process and, when it has ended, its exit code; then end, too."""
    with connection, suppress(OSError):  # the test has ended
        connection.send(str(command).encode())
        _, status = os.waitpid(command, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    run(_next_command(*(socket.socket(fileno=int(end)) for end in sys.argv[1:])))
