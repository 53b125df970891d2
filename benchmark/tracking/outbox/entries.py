"""The messages of one run on disk.

undelivered/RUN_ID/owner                           the owner of the run that said them
undelivered/RUN_ID/000007.json                     a message, with its time
undelivered/RUN_ID/000007/state-0.safetensors      the file that the message sends
"""

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.tracking.outbox.messages import (
    Artifact,
    Discard,
    Input,
    Labels,
    Message,
    Metrics,
    Status,
    Untag,
)
from benchmark.tracking.outbox.model import Model
from benchmark.tracking.outbox.shown import BestPoint, ExperimentTags, NameSuffix, Note
from benchmark.tracking.server import TrackingError
from datasets import files

OWNER = "owner"  # the name of the file; there is none before 0.3

KINDS: dict[str, type[Message]] = {
    message.kind: message
    for message in (
        *(Metrics, Labels, Input, Artifact, Status, Untag, Discard),
        *(ExperimentTags, Note, NameSuffix, Model, BestPoint),
    )
}


def as_json(message: Message) -> dict[str, Any]:
    return {"kind": message.kind, "content": asdict(message)}


def from_json(stored: dict[str, Any]) -> Message:
    """Raises KeyError or TypeError if this is no message."""
    return KINDS[stored["kind"]](**stored["content"])


@dataclass(frozen=True)
class Queued:
    """A message in its place on disk."""

    path: Path
    message: Message
    epoch: int
    """The last epoch that the run had reported by then."""

    @property
    def attachments(self) -> Path:
        """The folder of the file that the message sends."""
        return self.path.with_suffix("")

    @property
    def artifact(self) -> str | None:
        """The name of the artifact that the message sends; None if it sends none."""
        return self.message.name if isinstance(self.message, Artifact) else None

    def replaces(self, other: "Queued") -> bool:
        """Whether the other one, said before this one, need not be delivered any more."""
        if other.artifact is None:
            return False
        if isinstance(self.message, Discard):
            return other.artifact.startswith(f"{self.message.folder}/")
        return other.artifact == self.artifact

    def write(self) -> None:
        """Write the message whole or not at all. A full disk is no reason not to deliver it."""
        with suppress(OSError):
            files.write(self.path, json.dumps(as_json(self.message) | {"epoch": self.epoch}))

    def remove(self) -> None:
        """The message goes first: a file without a message is cleared away by the next process."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.attachments, ignore_errors=True)


def owner(folder: Path) -> str | None:
    """The owner of the run that said the messages in its folder; None if that is not known."""
    try:
        return (folder / OWNER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def on_disk(folder: Path) -> list[Queued]:
    """The messages of an earlier process, in order; files without a message are removed.

    Raises TrackingError if a message is damaged.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            found.append(Queued(path, from_json(stored), int(stored["epoch"])))
        except (ValueError, KeyError, TypeError):
            raise TrackingError(f"{path} is damaged: remove it to deliver the rest") from None
    whole = {entry.attachments for entry in found}
    for path in folder.iterdir():
        if path.is_dir() and path not in whole:
            shutil.rmtree(path)
        elif path.suffix == ".part":
            path.unlink()
    return found
