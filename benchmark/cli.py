"""What all commands share: how option names are read, and how errors become exit codes."""

import atexit
import gc
import math
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click

from benchmark import durations
from benchmark.errors import NoRoom, TakenOver, UserError
from benchmark.installation import INSTALLED, PACKAGE
from benchmark.interruption import Terminated
from datasets import DataError, options
from datasets.errors import masked, visible

# --learning_rate is --learning-rate: `mlflow run -P learning_rate=...` passes names as they are.
CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-"), "max_content_width": 100}

data_dir_option = options.data_dir
tracking_uri_option = click.option(
    "--tracking-uri", help="Tracking server.  [default: $MLFLOW_TRACKING_URI, mlflow.db]"
)

SYSTEM_METRICS = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"


def _ask_for_system_metrics(context: click.Context, param: click.Parameter, value: bool) -> None:
    """Set MLflow's variable, which the processes of a sweep's trials inherit."""
    os.environ[SYSTEM_METRICS] = str(value).lower()


system_metrics_option = click.option(
    "--system-metrics",
    type=bool,
    is_flag=False,
    flag_value="true",  # without a value; `mlflow run` gives every parameter a value
    default=False,
    envvar=SYSTEM_METRICS,
    expose_value=False,
    callback=_ask_for_system_metrics,
    show_envvar=True,
    help="Logging of the use of CPU, memory, disk, network and GPU, every 10 seconds.",
)

# The user can correct these. Any other error is a defect of this code and keeps its traceback.
USER_ERRORS = (DataError, UserError, TakenOver)


class Finite(click.types.FloatParamType):
    """Finite numbers. click lets nan and inf through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class FiniteRange(Finite, click.FloatRange):
    """Finite numbers in a range."""


class Duration(click.ParamType):
    """2h, 90m or 1h30m, in seconds."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return value if isinstance(value, float) else durations.seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@contextmanager
def resumed_by(*words: str) -> Iterator[None]:
    """Name the command that resumes the work of this block if a signal or a full disk ends it."""
    try:
        yield
    except (KeyboardInterrupt, Terminated, NoRoom):
        click.echo(f"to resume: {masked(shlex.join(words))}", err=True)
        raise


def run(command: click.Command, *, collect_garbage: bool = True) -> None:
    """Run a command as a process, and exit.

    ``collect_garbage`` is False for a command whose objects stay until it ends: to look for garbage
    among the runs of a thousand trials takes a quarter of the time. The exit code is 0 after
    success, 1 after a user's error (one line on stderr), 2 for wrong usage, 130 after Ctrl-C and
    143 after SIGTERM.
    """
    if not collect_garbage:
        gc.disable()
        atexit.register(gc.freeze)
    sys.excepthook = _print_masked
    program = f"{PACKAGE} {command.name}" if INSTALLED else None  # None: python -m MODULE
    try:
        sys.exit(command.main(prog_name=program, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except USER_ERRORS as error:
        click.echo(f"Error: {visible(str(error))}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):  # click makes the second of the first
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except Terminated:
        click.echo("Terminated.", err=True)
        sys.exit(143)


def _print_masked(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a defect, without the credentials of the URLs in it."""
    click.echo(masked("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)
