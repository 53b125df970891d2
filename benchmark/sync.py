"""Deliver the messages that trials could not deliver during an outage of their tracking server.

python -m benchmark.sync                   # in the folder in which the trials were started
"""

from pathlib import Path

import click

from benchmark import cli
from benchmark.errors import UserError


@click.command(context_settings=cli.CONTEXT)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("undelivered"))
def sync(folder: Path) -> None:
    """Deliver the messages that are kept in FOLDER (default: ./undelivered), in order and once.

    They are the metrics, artifacts and status of runs whose tracking server did not respond. A run
    that is still training on this machine is skipped: it delivers its own messages.
    """
    # MLflow loads for seconds, which --help need not wait for.
    from benchmark.tracking import server
    from benchmark.tracking.outbox import recovery

    left = recovery.left_behind(folder)
    if not left:
        click.echo(f"{folder}: nothing to deliver")
    problems = 0
    for run_id, tracking_uri in left:
        try:
            recovery.reopen(server.connect(tracking_uri), run_id, folder).close(0)
        except UserError as error:
            problems += 1
            click.echo(f"Error: {error}", err=True)
    if problems:
        raise UserError(f"{problems} of {len(left)} runs in {folder} are not delivered")


if __name__ == "__main__":
    cli.run(sync)
