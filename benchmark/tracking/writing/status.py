"""The status of a run, set by the process that owns it."""

import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from mlflow import MlflowClient

from benchmark import interruption
from benchmark.errors import MachineError, TakenOver
from benchmark.tracking import schema
from benchmark.tracking.outbox.messages import Labels, Message, Status, Untag
from benchmark.tracking.outbox.outbox import SHORT_WAIT, Outbox
from benchmark.tracking.outbox.recovery import reopen
from benchmark.tracking.server import LONG_WAIT, TrackingError
from datasets.errors import masked

LONGEST_FAILURE = 500  # characters of the tag


@contextmanager
def ends(outbox: Outbox, when_finished: Sequence[Message] = ()) -> Iterator[None]:
    """Own the run's status while the block runs, and set it when the block ends.

    FINISHED; FAILED after an exception, with its trace as an artifact; KILLED after a signal, or if
    the machine lacks disk space or memory. Without this MLflow keeps a terminated run RUNNING for
    ever. Raises TrackingError if the run has finished and the server could not be told, TakenOver
    if another process owns the run by then.
    """
    with interruption.listening():
        outbox.say(Status("RUNNING"))  # again, for a run that is resumed
        outbox.say(Untag(schema.FAILURE))
        wait = SHORT_WAIT
        try:
            yield
        except TakenOver:
            wait = 0
            raise
        except BaseException as error:
            _say_how(error, outbox)
            raise
        else:
            _end(outbox, "FINISHED")
            for message in when_finished:
                outbox.say(message)
            wait = LONG_WAIT
        finally:
            delivered = False
            try:
                delivered = outbox.close(wait)
            finally:
                if not delivered and outbox.waiting:  # a second signal may come before it is closed
                    print(outbox.left(), file=sys.stderr)
    outbox.check()
    if not delivered:
        raise TrackingError(
            f"run {outbox.run_id} has ended, but the tracking server does not know: see above"
        )


def _say_how(error: BaseException, outbox: Outbox) -> None:
    if isinstance(error, MachineError):
        _end(outbox, "KILLED", str(error))
    elif interruption.heard() or not isinstance(error, Exception):
        # If a signal stops one of two processes that share a trial, the other fails with some
        # exception: that counts as the signal, too.
        _end(outbox, "KILLED", "stopped by a signal")
    else:
        _end(outbox, "FAILED", f"{type(error).__name__}: {error}")
        trace = masked(traceback.format_exc())
        with suppress(MachineError):  # a full disk has room for the reason at least
            outbox.keep(schema.TRACEBACK, lambda path: path.write_text(trace, "utf-8"))


def has_ended(client: MlflowClient, run_id: str) -> bool:
    """Whether the run has finished or failed, so that there is nothing to resume.

    A process can be lost before it has delivered the run's end: messages that it left on this
    machine are delivered first. Raises TrackingError if the server does not take them.
    """

    def ended() -> bool:
        return client.get_run(run_id).info.status in schema.ENDED

    if not ended():
        reopen(client, run_id).close(0)
    return ended()


def end(client: MlflowClient, run_id: str, status: str, failure: str | None = None) -> None:
    """Set the final status of a run that no process owns; ``failure`` is the reason."""
    if failure:
        client.set_tag(run_id, schema.FAILURE, masked(failure)[:LONGEST_FAILURE])
    client.set_terminated(run_id, status)


def _end(outbox: Outbox, status: str, failure: str | None = None) -> None:
    if failure:
        outbox.say(Labels(tags={schema.FAILURE: masked(failure)[:LONGEST_FAILURE]}))
    outbox.say(Status(status, int(time.time() * 1000)))
