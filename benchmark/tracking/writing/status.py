"""How a run ends, said by the process that owns it."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click
from mlflow import MlflowClient

from benchmark import interruption
from benchmark.errors import MachineError
from benchmark.tracking import schema
from benchmark.tracking.outbox.outbox import SHORT_PATIENCE, Outbox
from benchmark.tracking.server import PATIENCE, TrackingError

ENDED = ("FINISHED", "FAILED")  # for good; a KILLED run can be gone on with


class TakenOver(BaseException):
    """Another process owns the run by now, and nothing is to be said about it from here."""


@contextmanager
def ends(outbox: Outbox) -> Iterator[None]:
    """Own the run's status: FINISHED, FAILED with the reason, or KILLED by a signal or for want of
    what the machine does not have. Left to itself MLflow keeps a terminated run RUNNING for ever.

    Raises TrackingError if it has finished and the server could not be told.
    """
    with interruption.listening():
        outbox.say("status", status="RUNNING")  # again, if it is resumed
        outbox.say("untag", name=schema.FAILURE)
        patience = SHORT_PATIENCE
        try:
            yield
        except TakenOver:
            patience = 0
            raise
        except BaseException as error:
            _say_how(error, outbox)
            raise
        else:
            _end(outbox, "FINISHED")
            patience = PATIENCE
        finally:
            delivered = False
            try:
                delivered = outbox.close(patience)
            finally:
                if not delivered:
                    click.echo(outbox.left(), err=True)
    if not delivered:
        raise TrackingError(f"run {outbox.run_id} has ended, but is not on record yet: see above")


def _say_how(error: BaseException, outbox: Outbox) -> None:
    if isinstance(error, MachineError):
        _end(outbox, "KILLED", str(error))
    elif interruption.heard() or not isinstance(error, Exception):
        # An exception may be what a signal led to: of two processes one was stopped first.
        _end(outbox, "KILLED", "stopped by a signal")
    else:
        _end(outbox, "FAILED", f"{type(error).__name__}: {error}")
        trace = traceback.format_exc()
        with suppress(MachineError):  # without room for that it has at least said why
            outbox.keep(schema.TRACEBACK, lambda path: path.write_text(trace, "utf-8"))


def has_ended(client: MlflowClient, run_id: str) -> bool:
    """Whether there is nothing to go on with."""
    return client.get_run(run_id).info.status in ENDED


def end(client: MlflowClient, run_id: str, status: str, failure: str | None = None) -> None:
    """Of a run that this process does not own, because nobody does."""
    if failure:
        client.set_tag(run_id, schema.FAILURE, failure[:500])
    client.set_terminated(run_id, status)


def _end(outbox: Outbox, status: str, failure: str | None = None) -> None:
    if failure:
        outbox.say("settings", params={}, tags={schema.FAILURE: failure[:500]})
    outbox.say("status", status=status, time=int(time.time() * 1000))
