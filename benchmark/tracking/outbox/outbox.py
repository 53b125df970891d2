"""The messages of one run, kept on disk until the tracking server has them.

A thread beside the training delivers them in order and repeats each until the server answers.
Training never waits for the server. Before each message the thread asks the server whether this
process still owns the run; if not, nothing more is delivered.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import requests
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tqdm import tqdm

from benchmark import interruption
from benchmark.errors import MachineError, NoRoom, TakenOver
from benchmark.tracking import ownership
from benchmark.tracking.deleted import why_gone
from benchmark.tracking.outage import DEFECTS, is_outage, reason
from benchmark.tracking.outbox import entries
from benchmark.tracking.outbox.entries import Queued
from benchmark.tracking.outbox.messages import Artifact, Message
from benchmark.tracking.server import TrackingError, without_credentials
from datasets import files
from datasets.errors import masked

FOLDER = Path("undelivered")
SHORT_WAIT = 20.0  # seconds, after a signal or an error: less than what clusters grant
PAUSES = (0.2, 0.5, 1, 2, 4, 8)  # seconds between tries; the last one repeats
TRIES = 6  # of a message that the server refuses: a refusal can be a race between two runs
NOTICED = 3  # failures in a row before the user reads of them


def check_room(folder: Path = FOLDER) -> None:
    """Raises MachineError if no outbox can be made in ``folder``."""
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
    """The outbox of a run, owned by this process.

    Raises TrackingError if another process of this machine owns it, MachineError if its folder
    cannot be written.
    """

    def __init__(self, client: MlflowClient, run_id: str, folder: Path = FOLDER):
        self.client = MlflowClient(client.tracking_uri)  # one that does not wait for the server
        self.run_id = run_id
        self.folder = (folder / run_id).absolute()
        self.lock = FileLock(self.folder / "lock", thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=0)
            files.write(self.folder / "tracking_uri", without_credentials(client.tracking_uri))
        except Timeout:
            raise TrackingError(f"another process here is at work on run {run_id}") from None
        except OSError as error:
            raise _not_writable(self.folder, error) from None
        self.owner = entries.owner(self.folder)
        self.taken_over: TakenOver | None = None  # raised in the training
        self.waiting = entries.on_disk(self.folder)
        self.next_number = 1 + max((int(entry.path.stem) for entry in self.waiting), default=0)
        self.epoch = max((entry.epoch for entry in self.waiting), default=0)
        self.sending: Queued | None = None
        self.problem: Exception | None = None  # of the last try
        self.refused = False  # whether the problem is for good
        self.gone: str | None = None  # that the run was deleted, and how to restore it
        self.closed = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._deliver_all, daemon=True)
        if not self.waiting:
            self.begin()

    def claim(self, client: MlflowClient) -> None:
        """Make this process the owner of the run. Nothing waits: it would be another owner's."""
        assert not self.waiting
        self.owner = ownership.claim(client, self.run_id)
        try:
            files.write(self.folder / entries.OWNER, self.owner)
        except OSError as error:
            raise _not_writable(self.folder, error) from None

    def begin(self) -> None:
        """Start to deliver. Entries found on disk wait for this: they may be superfluous."""
        self.thread.start()

    def say(self, message: Message) -> None:
        """Deliver a message some time. If the disk is full it is kept in memory alone."""
        with self.changed:  # a thread beside the training says system metrics
            self.epoch = max(self.epoch, message.epoch)
        self._put(Queued(self._next_path(), message, self.epoch))

    def keep(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file with ``write`` and deliver it as the artifact ``name``.

        An undelivered file of the same name is superfluous and removed. Raises NoRoom, and
        leaves nothing, if the file cannot be written.
        """
        entry = Queued(self._next_path(), Artifact(name), self.epoch)
        file = entry.attachments / Path(name).name
        try:
            file.parent.mkdir()
            write(file)
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        except OSError as error:
            shutil.rmtree(file.parent, ignore_errors=True)
            raise NoRoom(
                f"{name} of run {self.run_id} cannot be kept: {file}: {error.strerror or error}; "
                "make room, and resume the trial, or start its sweep again"
            ) from None
        self._put(entry)

    def check(self) -> None:
        """Raise what ended the delivery for good, if anything did.

        Raises TakenOver if another process owns the run. After any other error all messages stay on
        disk: TrackingError if the server refuses a message; others are defects of this program and
        keep their trace.
        """
        if self.taken_over:
            raise self.taken_over
        if not self.refused or self.problem is None:
            return
        if self.gone:
            raise TrackingError(self.left())
        if isinstance(self.problem, MlflowException):
            raise TrackingError(f"the tracking server refuses a message: {self.left()}") from None
        raise self.problem

    def flush(self, wait: float) -> bool:
        """Wait until all messages are delivered; whether they are.

        ``wait`` is in seconds. It is at most SHORT_WAIT while the last error is not an outage, and
        one second after a second signal; a refusal for good ends it at once.
        """
        started = time.monotonic()
        announced = False
        with self.changed:
            self.changed.notify_all()
            while self.waiting and not self.refused:
                waited = time.monotonic() - started
                outage = self.problem is None or is_outage(self.problem)
                limit = wait if outage else min(wait, SHORT_WAIT)
                if waited > limit or (interruption.hurried() and waited > 1):
                    return False
                if self.problem and waited > 1 and not announced:
                    announced = True
                    _print(
                        f"waiting up to {limit:.0f} s for {self._server()}; Ctrl-C ends the wait"
                    )
                self.changed.wait(0.2)
        return not self.waiting

    def close(self, wait: float) -> bool:
        """``flush``, then give up the run. Messages that are not delivered stay on disk."""
        if self.closed:
            return not self.waiting
        try:
            return self.flush(wait)
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
                self.folder.parent.rmdir()  # if this was the last outbox

    def left(self) -> str:
        """What is not delivered, why, and what to do about it."""
        if self.gone:
            return (
                f"{self.gone}; its {len(self.waiting)} undelivered messages (metrics and tags as "
                f"JSON, and files) are kept in {self.folder}; to deliver them to the restored run: "
                f"python -m benchmark.sync; to train on: --resume {self.run_id}"
            )
        remedy = "to deliver them later: python -m benchmark.sync"
        if self.refused and self.waiting:
            first = self.waiting[0]
            remedy += f"; if it is refused again, remove {first.path} to deliver the rest"
        return (
            f"{len(self.waiting)} messages of run {self.run_id} could not be delivered to "
            f"{masked(self.client.tracking_uri)} ({reason(self.problem)}); they are kept in "
            f"{self.folder}: {remedy}"
        )

    def drop(self, superfluous: Callable[[Queued], bool]) -> int:
        """Remove superfluous entries that were found on disk; their number."""
        with self.changed:
            dropped = [entry for entry in self.waiting if superfluous(entry)]
            self.waiting = [entry for entry in self.waiting if entry not in dropped]
        for entry in dropped:
            entry.remove()
        return len(dropped)

    def _next_path(self) -> Path:
        with self.changed:
            self.next_number += 1
            return self.folder / f"{self.next_number - 1:06d}.json"

    def _put(self, entry: Queued) -> None:
        entry.write()
        with self.changed:
            if self.taken_over:
                raise self.taken_over
            superfluous = [
                other
                for other in self.waiting
                if entry.replaces(other) and other is not self.sending
            ]
            self.waiting = [other for other in self.waiting if other not in superfluous] + [entry]
            self.changed.notify_all()
        for other in superfluous:
            other.remove()

    def _deliver_all(self) -> None:
        failures = 0
        while entry := self._first():
            try:
                if self.owner:
                    ownership.check(self.client, self.run_id, self.owner)
                entry.message.deliver(self.client, self.run_id, entry.attachments)
            except TakenOver as error:
                self._leave(error)
                return
            except Exception as error:  # whatever it is: ``check`` raises it in the training
                failures += 1
                self.problem = error
                if self._is_final(error, failures):
                    with self.changed:
                        self.refused = True
                        self.sending = None
                        self.changed.notify_all()
                    return
                self._pause(failures)
                continue
            if failures >= NOTICED:
                _print(f"the tracking server {masked(self.client.tracking_uri)} responds again")
            failures = 0
            self.problem = None
            entry.remove()
            with self.changed:
                self.sending = None
                self.waiting.remove(entry)
                self.changed.notify_all()

    def _leave(self, error: TakenOver) -> None:
        """Leave the run to its new owner: what this process has left to say is superfluous."""
        with self.changed:
            self.taken_over = error
            left = self.waiting
            self.waiting = []
            self.sending = None
            self.changed.notify_all()
        for entry in left:
            entry.remove()

    def _first(self) -> Queued | None:
        """The entry to deliver next, as soon as there is one; None once the outbox is closed."""
        with self.changed:
            while not self.waiting and not self.closed:
                self.changed.wait()
            if self.closed:
                return None
            self.sending = self.waiting[0]
            return self.sending

    def _pause(self, failures: int) -> None:
        if failures == NOTICED:
            outage = self.problem is not None and is_outage(self.problem)
            what = "does not respond" if outage else "does not take a message"
            _print(
                f"{self._server()} {what}: training continues, results are kept on disk and "
                "delivered later"
            )
        with self.changed:
            self.sending = None
            if not self.closed:
                self.changed.wait(PAUSES[min(failures, len(PAUSES)) - 1])

    def _is_final(self, error: Exception, failures: int) -> bool:
        """Whether no later try can succeed: this program is wrong, the run was deleted, or the
        server refuses the message.

        Any other error may pass, as an outage does: the disk of a store on this machine is full, or
        a store of artifacts, which has errors of its own, does not answer.
        """
        if isinstance(error, DEFECTS):
            return True
        if not isinstance(error, MlflowException) or is_outage(error):
            return False
        with suppress(MlflowException, requests.RequestException):  # away again: the next try asks
            self.gone = why_gone(self.client, self.run_id)
        return self.gone is not None or failures >= TRIES

    def _server(self) -> str:
        return f"the tracking server {masked(self.client.tracking_uri)} ({reason(self.problem)})"


def _print(text: str) -> None:
    tqdm.write(text, file=sys.stderr)  # a progress bar makes room for the line
