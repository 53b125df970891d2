"""What a run has to say, kept on disk until the tracking server has it.

    undelivered/RUN_ID/000007.json                     a message: what to say, with its time
    undelivered/RUN_ID/000007/state-0.safetensors      the file that it sends

A message is a request that does no harm when it is made twice: MLflow keeps one of two metrics with
the same key, step, value and time. So each is made, in order, until it is answered, by a thread
beside the training, which never waits for a server.
"""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from tqdm import tqdm

from benchmark import interruption
from benchmark.errors import MachineError
from benchmark.tracking.outbox.messages import DELIVER, may_pass, reason
from benchmark.tracking.server import TrackingError

FOLDER = Path("undelivered")
SHORT_PATIENCE = 20.0  # seconds, after a signal, or an error: less than what clusters grant
PAUSES = (0.2, 0.5, 1, 2, 4, 8)  # seconds between tries; the last one again and again


@dataclass
class Message:
    """One request, on disk."""

    path: Path
    kind: str
    """A key of DELIVER."""
    content: dict
    epoch: int
    """The last one that the run had said something about by then."""

    @property
    def sends(self) -> str | None:
        """The artifact that it sends."""
        return self.content["name"] if self.kind == "artifact" else None

    @property
    def file(self) -> Path:
        """Of an artifact."""
        return self.path.with_suffix("") / Path(self.content["name"]).name

    def deliver(self, client: MlflowClient, run_id: str) -> None:
        file = {"file": self.file} if self.sends else {}
        DELIVER[self.kind](client, run_id, **self.content, **file)

    def remove(self) -> None:
        """First what makes it a message: a file alone is rubbish and is cleared away."""
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(""), ignore_errors=True)


def check_room(folder: Path = FOLDER) -> None:
    """Raises MachineError if no outbox can be made there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _not_writable(folder, error) from None


def _not_writable(folder: Path, error: OSError) -> MachineError:
    return MachineError(
        f"{folder} cannot be written ({error.strerror}): start in a folder that can"
    )


class Outbox:
    """The messages of one run that this process owns.

    Raises TrackingError if another process of this machine owns it, MachineError if its folder
    cannot be written.
    """

    def __init__(self, client: MlflowClient, run_id: str, folder: Path = FOLDER):
        self.client, self.run_id = MlflowClient(client.tracking_uri), run_id  # not a patient one
        self.folder = (folder / run_id).absolute()
        self.lock = FileLock(self.folder / "lock", thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=0)
            (self.folder / "tracking_uri").write_text(client.tracking_uri, encoding="utf-8")
        except Timeout:
            raise TrackingError(f"another process here is at work on run {run_id}") from None
        except OSError as error:
            raise _not_writable(self.folder, error) from None
        self.waiting = self._on_disk()
        self.next_number = 1 + max((int(m.path.stem) for m in self.waiting), default=0)
        self.epoch = max((m.epoch for m in self.waiting), default=0)
        self.sending: Message | None = None
        self.problem: Exception | None = None
        self.closed = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._deliver_all, daemon=True)
        if not self.waiting:
            self.begin()

    def begin(self) -> None:
        """Deliver. What was found on disk waits for this, in case it is needless."""
        self.thread.start()

    def say(self, kind: str, **content) -> None:
        """Have it delivered some time; on a disk that is full it is only remembered."""
        self.epoch = max(self.epoch, content.get("step", 0))
        self._put(Message(self._path(), kind, content, self.epoch))

    def keep(self, name: str, write: Callable[[Path], object]) -> None:
        """``write`` a file, and have it kept as the artifact of that name.

        One of that name that still waits has become needless. Raises MachineError, and leaves
        nothing, if it cannot be written.
        """
        message = Message(self._path(), "artifact", {"name": name}, self.epoch)
        file = message.file
        try:
            file.parent.mkdir()
            write(file)
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        except OSError as error:
            shutil.rmtree(file.parent, ignore_errors=True)
            raise MachineError(
                f"{name} of run {self.run_id} cannot be kept: {file}: {error.strerror or error}; "
                f"make room, then: python -m benchmark.train --resume {self.run_id}"
            ) from None
        self._put(message)

    def flush(self, patience: float) -> bool:
        """Wait until everything is delivered, at most so many seconds, and less if the server
        refuses or a signal says not to; whether it is."""
        started, said = time.monotonic(), False
        with self.changed:
            self.changed.notify_all()
            while self.waiting:
                waited = time.monotonic() - started
                hopeless = self.problem and not may_pass(self.problem)
                limit = min(patience, SHORT_PATIENCE) if hopeless else patience
                if waited > limit or (interruption.hurried() and waited > 1):
                    return False
                if self.problem and waited > 1 and not said:
                    said = True
                    _tell(f"waiting {limit:.0f} s for {self._where()}; Ctrl-C ends that")
                self.changed.wait(0.2)
        return True

    def close(self, patience: float) -> bool:
        """``flush``, and give up the run; what was not delivered stays on disk."""
        if self.closed:
            return not self.waiting
        try:
            return self.flush(patience)
        finally:
            with self.changed:
                self.closed = True
                self.changed.notify_all()
            if self.thread.is_alive():
                self.thread.join(1)  # it may be waiting for an answer
            if not self.waiting:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.lock.release()
            with suppress(OSError):
                self.folder.parent.rmdir()  # if this was the last one

    def left(self) -> str:
        """What to do about what is left."""
        return (
            f"{len(self.waiting)} messages of run {self.run_id} could not be delivered to "
            f"{self.client.tracking_uri} ({reason(self.problem)}); they are kept in {self.folder}: "
            "python -m benchmark.sync"
        )

    def drop(self, needless: Callable[[Message], bool]) -> int:
        """Forget those messages that were found on disk and are needless; how many."""
        with self.changed:
            dropped = [m for m in self.waiting if needless(m)]
            self.waiting = [m for m in self.waiting if m not in dropped]
        for message in dropped:
            message.remove()
        return len(dropped)

    def _path(self) -> Path:
        self.next_number += 1
        return self.folder / f"{self.next_number - 1:06d}.json"

    def _put(self, message: Message) -> None:
        _write(message)
        with self.changed:
            needless = [
                other
                for other in self.waiting
                if other.sends and other.sends == message.sends and other is not self.sending
            ]
            self.waiting = [m for m in self.waiting if m not in needless] + [message]
            self.changed.notify_all()
        for other in needless:
            other.remove()

    def _on_disk(self) -> list[Message]:
        """What an earlier process left, in order; files without a message are cleared away."""
        messages = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                content, epoch = dict(stored["content"]), int(stored["epoch"])
                messages.append(Message(path, stored["kind"], content, epoch))
            except (ValueError, KeyError, TypeError):
                raise TrackingError(f"{path} is damaged: remove it to deliver the rest") from None
        whole = {message.path.with_suffix("") for message in messages}
        for path in self.folder.iterdir():
            if path.is_dir() and path not in whole:
                shutil.rmtree(path)
            elif path.suffix == ".part":
                path.unlink()
        return messages

    def _deliver_all(self) -> None:
        failures = 0
        while True:
            with self.changed:
                while not self.waiting and not self.closed:
                    self.changed.wait()
                if self.closed:
                    return
                message = self.sending = self.waiting[0]
            try:
                message.deliver(self.client, self.run_id)
            except Exception as error:
                failures += 1
                self.problem = error
                if failures == 3:  # else it has passed before anybody could read of it
                    _tell(f"training goes on without {self._where()}: it is told later")
                with self.changed:
                    self.sending = None
                    if not self.closed:
                        self.changed.wait(PAUSES[min(failures, len(PAUSES)) - 1])
                continue
            if failures >= 3:
                _tell(f"the tracking server {self.client.tracking_uri} is back, and is told")
            failures, self.problem = 0, None
            message.remove()
            with self.changed:
                self.sending = None
                self.waiting.remove(message)
                self.changed.notify_all()

    def _where(self) -> str:
        return f"the tracking server {self.client.tracking_uri} ({reason(self.problem)})"


def _write(message: Message) -> None:
    """Whole or not at all; a full disk is no reason not to tell the server."""
    part = message.path.with_suffix(".part")
    try:
        with open(part, "w", encoding="utf-8") as out:
            json.dump({key: getattr(message, key) for key in ("kind", "content", "epoch")}, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, message.path)
    except OSError:
        part.unlink(missing_ok=True)


def _tell(text: str) -> None:
    tqdm.write(text, file=sys.stderr)  # a bar makes room for it
