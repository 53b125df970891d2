"""What a process that is gone has left undelivered."""

from pathlib import Path

import click
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.outbox.messages import reason
from benchmark.tracking.outbox.outbox import FOLDER, SHORT_PATIENCE, Message, Outbox
from benchmark.tracking.reading.trials import last_step
from benchmark.tracking.server import TrackingError


def left_behind(folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Run and tracking URI of each outbox in the folder."""
    return [
        (path.parent.name, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/tracking_uri"))
    ]


def reopen(client: MlflowClient, run_id: str, folder: Path = FOLDER) -> Outbox:
    """The outbox of a run that was started before, with nothing left in it.

    What was left is delivered, unless the run has meanwhile gone on elsewhere, or ended. Raises
    TrackingError if there is no such run, or if the server does not take what is left.
    """
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise TrackingError(f"run {run_id}: {reason(error)}") from None
    outbox = Outbox(client, run_id, folder)
    try:
        logged = last_step(client, run_id)
        if outbox.waiting:
            _deliver_rest(outbox, logged, run.info.status == "FINISHED")
        outbox.epoch = max(outbox.epoch, logged)
    except BaseException:
        outbox.close(0)
        raise
    return outbox


def _deliver_rest(outbox: Outbox, logged: int, finished: bool) -> None:
    count = len(outbox.waiting)
    elsewhere = finished or outbox.epoch < logged
    # An epoch of which it was not confirmed that the server has it, but it has.
    dropped = outbox.drop(lambda message: elsewhere or 0 < _epoch_logged(message) <= logged)
    outbox.begin()
    if not outbox.flush(SHORT_PATIENCE):
        raise TrackingError(outbox.left())
    if elsewhere:
        click.echo(f"run {outbox.run_id} has gone on elsewhere: {count} messages are not needed")
    else:
        click.echo(f"run {outbox.run_id}: {count - dropped} messages delivered")


def _epoch_logged(message: Message) -> int:
    """Its number, if the message holds the metrics of an epoch; else 0."""
    values = message.content.get("values", {})
    return message.content["step"] if schema.EPOCH_LOGGED in values else 0
