"""The messages that an earlier process left undelivered."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from benchmark.tracking import ownership, schema
from benchmark.tracking.deleted import why_gone
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.outbox import FOLDER, SHORT_WAIT, Outbox
from benchmark.tracking.reading.trials import last_step
from benchmark.tracking.server import TrackingError


def left_behind(folder: Path = FOLDER) -> list[tuple[str, str]]:
    """The run id and the tracking URI of each outbox in the folder."""
    return [
        (path.parent.name, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/tracking_uri"))
    ]


def reopen(client: MlflowClient, run_id: str, folder: Path = FOLDER) -> Outbox:
    """The outbox of an existing run, empty: messages that an earlier process left are delivered.

    Messages are dropped instead if the run has meanwhile finished, or continued elsewhere. The run
    keeps its owner; see ``own``. Raises TrackingError if there is no such run, or if the server
    does not take the messages.
    """
    try:
        gone = why_gone(client, run_id)
        if gone:
            raise TrackingError(gone)
        run = client.get_run(run_id)
    except MlflowException as error:
        raise TrackingError(f"run {run_id}: {reason(error)}") from None
    outbox = Outbox(client, run_id, folder)
    try:
        if outbox.waiting:
            _deliver_rest(client, outbox, run)
    except BaseException:
        outbox.close(0)
        raise
    return outbox


def own(client: MlflowClient, outbox: Outbox) -> None:
    """Make this process the owner of the run of a reopened outbox."""
    run = client.get_run(outbox.run_id)
    before = ownership.place(run.data.tags.get(schema.OWNER, ""))
    outbox.claim(client)
    outbox.epoch = last_step(client, outbox.run_id)  # now: the last owner logs no other epoch
    if run.info.status == "RUNNING" and before not in ("", ownership.here()):
        print(
            f"run {outbox.run_id} is taken over from {before}: a process that still works on it "
            "there stops",
            flush=True,
        )


def _has_continued_elsewhere(outbox: Outbox, run: Run, logged: int) -> bool:
    """Whether a process with another outbox has owned the run since the messages were said."""
    now = run.data.tags.get(schema.OWNER)
    if outbox.owner and now:
        return outbox.owner != now
    # Before 0.3 no owner was logged.
    return run.info.status == "FINISHED" or outbox.epoch < logged


def _deliver_rest(client: MlflowClient, outbox: Outbox, run: Run) -> None:
    logged = last_step(client, outbox.run_id)
    count = len(outbox.waiting)
    elsewhere = _has_continued_elsewhere(outbox, run, logged)
    # The server may have an epoch without having confirmed it.
    dropped = outbox.drop(lambda entry: elsewhere or 0 < entry.message.epoch <= logged)
    outbox.begin()
    if not outbox.flush(SHORT_WAIT):
        raise TrackingError(outbox.left()) from outbox.problem
    outbox.check()
    if elsewhere:
        print(f"run {outbox.run_id} has continued elsewhere: {count} messages dropped", flush=True)
    else:
        print(f"run {outbox.run_id}: {count - dropped} messages delivered", flush=True)
