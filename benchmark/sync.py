"""Deliver what trials could not say while their tracking server was away.

python -m benchmark.sync                   # from the folder in which they were started
"""

from pathlib import Path

import click

from benchmark import cli
from benchmark.errors import UserError
from benchmark.tracking import server
from benchmark.tracking.outbox import recovery


@click.command(context_settings=cli.CONTEXT)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("undelivered"))
def sync(folder: Path) -> None:
    """Deliver the metrics, artifacts and ends of runs that wait in FOLDER, in order.

    Nothing is delivered twice; runs that are still at work here deliver for themselves.
    """
    left = recovery.left_behind(folder)
    if not left:
        click.echo(f"{folder}: nothing waits to be delivered")
    problems = []
    for run_id, tracking_uri in left:
        try:
            recovery.reopen(server.connect(tracking_uri), run_id, folder).close(0)
        except UserError as error:
            problems.append(str(error))
            click.echo(f"Error: {error}", err=True)
    if problems:
        raise UserError(f"{len(problems)} of {len(left)} runs still wait in {folder}")


if __name__ == "__main__":
    cli.run(sync)
