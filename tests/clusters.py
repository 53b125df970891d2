"""A real Ray cluster of two nodes on this machine."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import free_port


def processes(text: str) -> list[int]:
    """The ids of all processes whose command line contains ``text``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text in (folder / "cmdline").read_text().replace("\0", " "):
                found.append(int(folder.name))
        except OSError:  # the process has ended
            continue
    return found


def kill(text: str) -> int:
    """Kill all processes whose command line contains ``text``; return their number."""
    found = processes(text)
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(found)


@contextmanager
def ray_folder() -> Iterator[dict[str, str]]:
    """Environment variables with a temporary folder for Ray's sockets, and for the address of its
    newest cluster."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        yield {
            "RAY_TMPDIR": folder,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one to ~/.ray
            "RAY_ADDRESS": "",
        }
        kill(folder)


@contextmanager
def two_nodes(variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Start nodes with one CPU each, and a GPU that does not exist.

    ``variables`` are those of ``ray_folder``. Gives the cluster's address, and the second node's
    name, to kill it.
    """
    port = free_port()
    address = f"127.0.0.1:{port}"
    environment = {**os.environ, **variables}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    name = f"test{port}"
    common = ["--num-cpus", "1", "--num-gpus", "1", "--object-store-memory", "100000000"]
    head = ["--head", "--port", str(port), "--include-dashboard", "false"]
    for words in ([*head, "--node-name", f"{name}-1"], ["--node-name", f"{name}-2"]):
        place = [] if "--head" in words else ["--address", address]
        ray = [str(Path(sys.executable).parent / "ray"), "start", *place, *words, *common]
        done = subprocess.run(ray, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    yield address, f"{name}-2"
