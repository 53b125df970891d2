"""How a run ends, said by the process that owns it."""

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient

from benchmark.tracking import schema

ENDED = ("FINISHED", "FAILED")  # for good; a KILLED run can be gone on with


class Terminated(BaseException):
    """SIGTERM; not an Exception, so that nothing swallows it on its way out."""


class TakenOver(BaseException):
    """Another process owns the run by now, and nothing is to be said about it from here."""


@contextmanager
def ends(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Own the run's status: FINISHED, FAILED with the reason, or KILLED by a signal.

    Left to itself MLflow keeps a terminated run RUNNING for ever.
    """

    def terminate(signum, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    client.update_run(run_id, status="RUNNING")  # again, if it is resumed
    if schema.FAILURE in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, schema.FAILURE)
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        end(client, run_id, "KILLED", "stopped by a signal")
        raise
    except Exception as error:
        end(client, run_id, "FAILED", f"{type(error).__name__}: {error}")
        client.log_text(run_id, traceback.format_exc(), schema.TRACEBACK)
        raise
    else:
        end(client, run_id, "FINISHED")
    finally:
        signal.signal(signal.SIGTERM, before)


def has_ended(client: MlflowClient, run_id: str) -> bool:
    """Whether there is nothing to go on with."""
    return client.get_run(run_id).info.status in ENDED


def end(client: MlflowClient, run_id: str, status: str, failure: str | None = None) -> None:
    if failure:
        client.set_tag(run_id, schema.FAILURE, failure[:500])
    client.set_terminated(run_id, status)
