"""The Ray cluster that preparation and sweeps use: how to connect, and how its errors read."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets.errors import DataError, one_line

ADDRESS = "RAY_ADDRESS"
LONGEST_REASON = 300  # characters


def connect(packages: Sequence[Path], variables: Mapping[str, str]) -> Any:
    """The module ray, connected to the cluster at $RAY_ADDRESS, the one that runs here, or a new
    one of this machine.

    ``packages`` are folders of code that the tasks need; ``variables`` are set for them. Raises
    DataError if Ray is not installed, or no cluster answers.
    """
    try:
        import ray  # here, because it takes seconds and few users install it
    except ImportError:
        raise DataError("Ray is not installed: pip install -r requirements-ray.txt") from None
    _check_address(os.environ.get(ADDRESS, ""))
    # ``result`` raises the first error. Ray would print those of other tasks, too.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        ray.init(
            runtime_env={"py_modules": list(map(str, packages)), "env_vars": dict(variables)},
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DataError(
            f"no Ray cluster (`ray stop` clears a dead one): {_reason(error)}"
        ) from None
    return ray


def _check_address(address: str) -> None:
    """Raises DataError if nothing answers there; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:  # "auto" or nothing
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise DataError(f"no Ray cluster answers at {address} (${ADDRESS}): {error}") from None


def result(ray: Any, of: Any) -> Any:
    """The result of a task, or those of a list. Ray itself retries the tasks of a lost machine.

    Raises the DataError that a task raised, and DataError if Ray could not run it.
    """
    try:
        return ray.get(of)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise DataError(f"the Ray cluster lost a task for good: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return one_line(error, LONGEST_REASON)
