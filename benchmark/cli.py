"""What every command line verb shares: how it reads names, and errors as one line."""

import sys

import click

from benchmark.errors import UserError
from benchmark.interruption import Terminated
from benchmark.tracking.writing.status import TakenOver
from datasets import DataError

# The user's to mend, and said in one line; anything else is a defect of ours and keeps its trace.
USER_ERRORS = (DataError, UserError, TakenOver)

# --learning_rate is --learning-rate: `mlflow run -P learning_rate=...` passes names as they are.
CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-"), "max_content_width": 100}


def run(command: click.Command) -> None:
    """Run a verb as a process: exit 0; 1 with one line for a user's error; 2 for wrong usage;
    130 after Ctrl-C and 143 after SIGTERM, as the shell has it."""
    try:
        sys.exit(command.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except USER_ERRORS as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except Terminated:
        click.echo("Terminated.", err=True)
        sys.exit(143)
