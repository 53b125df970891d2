"""One page over many data sets: which model, at what cost, and is the difference real?

python -m benchmark.leaderboard                                   # everything that was tracked
python -m benchmark.leaderboard --experiment ml-1m --experiment beauty --output public
python -m benchmark.leaderboard --with team-b.json                # another team's file beside it
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark import cli, options
from benchmark.errors import UserError
from benchmark.measures.metrics import CUT_OFFS
from benchmark.reporting.options import metric_option, test_option
from datasets.files import file_name, write

if TYPE_CHECKING:  # they load pandas and MLflow, which --help need not wait for
    from mlflow import MlflowClient

    from benchmark.leaderboards.board import Board
    from benchmark.leaderboards.gather import Group, Report
    from benchmark.leaderboards.overall import Overall
    from benchmark.reporting.content import Compared


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    help="MLflow experiment whose trials are shown. Repeat it for several.  [default: all]",
)
@click.option(
    "--suite",
    help="Name of a suite that has run: its trials alone are shown, and which results it lacks.",
)
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Exported leaderboard.json to show in place of the tracking server.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="leaderboard.json of somebody else, whose rows are shown beside one's own and marked by "
    "their origin. Repeat it for several.",
)
@click.option(
    "--with-published", is_flag=True, help="Published figures of the experiments, marked as such."
)
@metric_option
@test_option
@click.option(
    "--baseline", default="", help="Model to divide by in the ratios.  [default: best counted]"
)
@click.option("--title", default="Leaderboard", show_default=True, help="Title of the page.")
@click.option("--origin", default="", help="Name of those who publish it, for other readers.")
@click.option(
    "--reports/--no-reports",
    default=True,
    show_default=True,
    help="Report of each data set beside the page.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports", "leaderboard"),
    show_default=True,
    help="Folder to write: index.html, leaderboard.json, .csv, .md and .tex.",
)
@cli.tracking_uri_option
@click.pass_context
def leaderboard(
    context: click.Context,
    experiments: tuple[str, ...],
    suite: str | None,
    file: Path | None,
    others: tuple[Path, ...],
    with_published: bool,
    metric: str,
    test: str,
    baseline: str,
    title: str,
    origin: str,
    reports: bool,
    output: Path,
    tracking_uri: str | None,
) -> None:
    """Compare models over many data sets, and write a page, with JSON, CSV, Markdown and LaTeX.

    A data set under one protocol is a column; a model has the settings that are best on validation,
    with all of their seeds.
    """
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.leaderboards import exchange, gather, planned
    from benchmark.leaderboards.merge import merged
    from benchmark.leaderboards.overall import overall
    from benchmark.tracking import server

    if sum(map(bool, (experiments, suite, file))) > 1:
        raise click.UsageError("give one of --experiment, --suite and --from")
    if file:
        _check_from(context)
        own = exchange.load(file)
        own = replace(own, title=title) if options.is_given(context, "title") else own
        own = replace(own, origin=origin or own.origin)
    else:
        client = server.connect(tracking_uri)
        ran = planned.read(client, suite) if suite else None
        found = gather.groups(
            client,
            planned.experiments(client, ran) if ran else experiments,
            lambda record: ran is None or record.published or planned.belongs(record, ran),
            with_published=with_published,
        )
        # Leave the trials out, which stay; collect again, since each report leaves megabytes.
        gc.freeze()
        gc.enable()
        report = {"report": _writer(client, output)} if reports else {}
        own = gather.board(client, found, metric, test, **report, title=title, origin=origin)
        own = planned.with_planned(own, ran) if ran else own
    board = merged(own, [exchange.load(path) for path in others])
    compared = overall(board, baseline)
    _write(board, compared, output)


def _check_from(context: click.Context) -> None:
    """Raises UsageError for an option of trials: the board of a file is made already."""
    for name in ("metric", "test", "reports", "with_published", "tracking_uri"):
        if options.is_given(context, name):
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is for trials of a tracking server, not for --from")


def _writer(client: MlflowClient, output: Path) -> Report:
    """Writes reports below the folder; a data set under several protocols has several."""
    from benchmark.reporting.content import assemble, dataset_of
    from benchmark.reporting.formats import html

    written: set[str] = set()

    def report(group: Group, compared: Compared, dataset: str) -> str:
        first = f"report-{file_name(dataset)}"
        names = chain([first], (f"{first}-{number}" for number in count(2)))
        name = next(name for name in names if name.lower() not in written)
        written.add(name.lower())  # some disks take large and small letters for the same
        about = dataset_of(compared.ranking, group.experiments[0])
        content = assemble(client, group.experiments, compared, about, k=CUT_OFFS, drawn=True)
        _write_files(output, html.render(content, name))
        return f"{name}.html"

    return report


def _write(board: Board, found: Overall | None, output: Path) -> None:
    """Write the page and its files, and print the verdict and the table."""
    from benchmark.leaderboards import exchange, html, texts
    from benchmark.leaderboards.verdict import verdict
    from benchmark.reporting.formats import terminal

    sentences = verdict(board, found)
    _write_files(
        output,
        {
            "index.html": html.render(board, found, sentences),
            "leaderboard.json": exchange.dump(board),
            "leaderboard.csv": texts.render_csv(board, found),
            "leaderboard.md": texts.render_markdown(board, found, sentences),
            "leaderboard.tex": texts.render_latex(board, found, sentences),
        },
    )
    bold, width = sys.stdout.isatty(), terminal.width_here()
    click.echo(texts.render_terminal(board, found, sentences, width=width, bold=bold))
    click.echo(f"page written to {output / 'index.html'}")


def _write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    try:
        for name, content in files.items():
            write(folder / name, content)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    cli.run(leaderboard, collect_garbage=False)
