"""What changed since: the same cells of two states of the code, or of two exported files.

python -m benchmark.diff --before HEAD~9 --after HEAD
python -m benchmark.diff --before last/leaderboard.json --after reports/leaderboard/leaderboard.json
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark import cli
from benchmark.errors import UserError
from benchmark.installation import ROOT
from benchmark.reporting.options import metric_option, test_option
from benchmark.reporting.section import shown_interval
from benchmark.reporting.words import counted

if TYPE_CHECKING:  # they load pandas and MLflow, which --help need not wait for
    from mlflow import MlflowClient

    from benchmark.leaderboards.board import Board
    from benchmark.leaderboards.changes import Change

HASH = re.compile("[0-9a-f]{7,40}")
WORSE = 3
"""The exit code if a cell is worse: 1 and 2 are those of errors."""


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--before",
    required=True,
    metavar="COMMIT|TAG|FILE",
    help="The earlier state: a commit or tag whose trials were tracked, or a leaderboard.json.",
)
@click.option("--after", required=True, metavar="COMMIT|TAG|FILE", help="The later state.")
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    help="MLflow experiment whose trials are compared. Repeat it for several.  [default: all]",
)
@metric_option
@test_option
@click.option(
    "--fail-on",
    type=click.Choice(["worse", "slower", "never"]),
    default="worse",
    show_default=True,
    help=f"What ends with exit code {WORSE}: a cell that is worse, or whose trials fail now; also "
    "one that is slower; or nothing.",
)
@cli.tracking_uri_option
@click.pass_context
def diff(
    context: click.Context,
    before: str,
    after: str,
    experiments: tuple[str, ...],
    metric: str,
    test: str,
    fail_on: str,
    tracking_uri: str | None,
) -> None:
    """Compare the cells (a model on a data set) of two states: which are better or worse, beyond
    noise, and which are faster or slower.

    A state is a commit or an exported leaderboard.json. A commit has the trials that ran on it.
    Cells whose ranks are at the tracking server are paired over users and seeds, others over seeds.
    """
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.leaderboards.changes import apart, changes
    from benchmark.tracking import server

    files = [Path(state).is_file() for state in (before, after)]
    tracked = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or Path("mlflow.db").exists()
    client = server.connect(tracking_uri) if tracked or not all(files) else None
    boards = [
        _board(client, state, experiments, metric, test, is_file)
        for state, is_file in zip((before, after), files, strict=True)
    ]
    found = changes(boards[0], boards[1], client, test)
    for title in apart(*boards):
        click.echo(f"not compared: {title}", err=True)
    if not found:
        raise UserError("the two states have no result of one model on the same data and protocol")
    _print(found)
    bad = [c for c in found if c.what in ("worse", "lost") or (fail_on == "slower" and c.slower)]
    if bad and fail_on != "never":
        context.exit(WORSE)


def _board(
    client: MlflowClient | None,
    state: str,
    experiments: tuple[str, ...],
    metric: str,
    test: str,
    is_file: bool,
) -> Board:
    """The board of a state. Raises UserError if it has no trial."""
    from benchmark.leaderboards import exchange, gather
    from benchmark.reporting.sections import short_commit
    from benchmark.tracking import schema

    if is_file:
        board = exchange.load(Path(state))
        if board.metric != metric:
            raise UserError(f"{state} ranks by {board.metric}: give --metric {board.metric}")
        return board
    assert client
    commit = _commit(state)
    found = gather.groups(
        client, experiments, lambda r: _begins(r.tags.get(schema.GIT_COMMIT, ""), commit)
    )
    if not found:
        every = gather.groups(client, experiments)
        commits = Counter(r.tags.get(schema.GIT_COMMIT, "") for g in every for r in g.records)
        known = ", ".join(
            f"{short_commit(name)} ({n})" for name, n in commits.most_common(5) if name
        )
        raise UserError(
            f"no trial ran on {state} (commit {commit}); trials ran on: {known or 'no commit'}"
        )
    return gather.board(client, found, metric, test, title=state, origin="")


def _commit(state: str) -> str:
    """The commit that git has under the name; "+" after it: with changes that were not committed.

    If git does not know a hash, the hash itself is returned: trials may have run in another clone.
    Raises UserError for any other name that git does not know.
    """
    name = state.removesuffix("+")
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        if HASH.fullmatch(name):
            return state
        raise UserError(f"{state}: neither a file nor a commit or tag of {ROOT}") from None
    return done.stdout.strip() + "+" * state.endswith("+")


def _begins(commit: str, digits: str) -> bool:
    """Whether the commit begins with these digits. Both end in "+", or neither does."""
    same = commit.endswith("+") == digits.endswith("+")
    return same and commit.startswith(digits.removesuffix("+"))


def _print(found: list[Change]) -> None:
    from tabulate import tabulate

    rows = [
        {
            "data set": change.dataset,
            "model": change.entry.name,
            "before": _value(change.before),
            "after": _value(change.after),
            "difference": _difference(change),
            "p": "" if change.p is None else f"{change.p:.2g}",
            "change": change.what,
            "over": change.by,
            "seconds": _times(change.seconds),
            "memory": _times(change.memory),
            "cost": "slower" * change.slower + "faster" * change.faster,
            "settings": ", ".join(change.settings),
        }
        for change in found
    ]
    if not any(change.settings for change in found):
        for row in rows:
            del row["settings"]
    click.echo(tabulate(rows, headers="keys", disable_numparse=True))
    kinds = Counter(change.what for change in found)
    slower, faster = (sum(getattr(c, name) for c in found) for name in ("slower", "faster"))
    summary = [f"{n} {what}" for what, n in kinds.most_common()]
    click.echo(f"\n{len(found)} cells: {', '.join(summary)}; {slower} slower, {faster} faster")
    if n := sum(bool(change.settings) for change in found):
        cells = counted(n, "cell")
        click.echo(f"{cells} with other settings: the difference is not of the code alone")


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"x {ratio:.2f}"


def _difference(change: Change) -> str:
    if change.difference is None:
        return ""
    interval = change.interval and f" ({shown_interval(*change.interval, '+.4f')})"
    return f"{change.difference:+.4f}{interval or ''}"


if __name__ == "__main__":
    cli.run(diff, collect_garbage=False)
