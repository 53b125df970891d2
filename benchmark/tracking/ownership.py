"""The owner of a run: the process that claimed it last, on whatever machine. A tag names it."""

import socket
import uuid
from pathlib import Path

from mlflow import MlflowClient

from benchmark.errors import TakenOver
from benchmark.tracking import schema


def claim(client: MlflowClient, run_id: str) -> str:
    """Make this process the owner of the run; its name, as the tag has it."""
    owner = f"{here()} {uuid.uuid4().hex}"
    client.set_tag(run_id, schema.OWNER, owner)
    return owner


def check(client: MlflowClient, run_id: str, owner: str) -> None:
    """Raises TakenOver if the tracking store names another owner."""
    now = client.get_run(run_id).data.tags.get(schema.OWNER, owner)
    if now != owner:
        raise TakenOver(f"another process has taken over run {run_id}: it runs in {place(now)}")


def here() -> str:
    """The machine and the working folder of this process."""
    return f"{socket.gethostname()}:{Path.cwd()}"


def place(owner: str) -> str:
    """The machine and the working folder of an owner."""
    return owner.rpartition(" ")[0] or owner
