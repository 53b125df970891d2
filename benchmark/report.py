"""Rank the trials of one or more experiments, and write the report.

python -m benchmark.report --experiment amazon-books
python -m benchmark.report --experiment ml-1m --output ml-1m.html --k 1,5,20
python -m benchmark.report --experiment amazon-books --layout page --output page.md
python -m benchmark.report --runs 5f3c02aa 8be1d7c4                # compare two runs
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from benchmark import cli
from benchmark.errors import UserError
from benchmark.measures.metrics import CUT_OFFS
from benchmark.reporting.formats import FORMATS, Files, latex, page, terminal
from benchmark.reporting.options import metric_option, test_option
from datasets.files import file_name, write

if TYPE_CHECKING:
    from benchmark.reporting.comparison import Comparison
    from benchmark.reporting.content import Dataset
    from benchmark.reporting.leaderboard import Leaderboard
    from benchmark.reporting.ranking import Ranking

STDOUT = Path("-")
LARGEST_CUT_OFF = 10**9  # the rank of a miss is beyond


class CutOffs(click.ParamType):
    """1,5,10: ascending numbers, each once."""

    name = "K,K,..."

    def convert(
        self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        if isinstance(value, list):
            return value
        try:
            found = sorted({int(part) for part in value.split(",")})
        except ValueError:
            found = [0]
        if found[0] < 1 or found[-1] > LARGEST_CUT_OFF:
            numbers = f"whole numbers from 1 to {LARGEST_CUT_OFF:,}, such as 1,5,10"
            self.fail(f"{value!r} is no list of {numbers}", param)
        return found


NO_TEXT = (".xlsx", ".xls", ".ods", ".docx", ".pdf", ".parquet")
"""Suffixes of files that no report is."""


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    help="MLflow experiment: the name of a data set. Repeat it to rank several together.",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    help="Name of a sweep: only its trials are reported. Repeat it to rank several together.",
)
@click.option(
    "--runs",
    nargs=2,
    metavar="RUN_ID RUN_ID",
    help="Two runs to compare, in place of experiments; the first characters of their ids are "
    "enough.",
)
@click.option(
    "--with-published", is_flag=True, help="Rank published trials beside one's own trials."
)
@metric_option
@click.option(
    "--k",
    type=CutOffs(),
    default=",".join(map(str, CUT_OFFS)),
    show_default=True,
    help="Cut-offs of the metrics.",
)
@test_option
@click.option(
    "--format",
    "given_format",
    type=click.Choice(list(FORMATS)),
    help="Format of the report.  [default: that of the suffix of --output, else markdown]",
)
@click.option(
    "--layout",
    type=click.Choice(["full", "page"]),
    default="full",
    show_default=True,
    help="Layout: full, or page (the published layout alone, in markdown).",
)
@click.option(
    "--full", is_flag=True, help="LaTeX: add a table of the settings and the cost of each row."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File to write; - is the terminal.  [default: reports/EXPERIMENT[-SWEEP].md, .html, ...]",
)
@click.option(
    "--log/--no-log",
    default=True,
    show_default=True,
    help="Keep the report in the experiment.",
)
@cli.tracking_uri_option
def report(
    experiments: tuple[str, ...],
    sweeps: tuple[str, ...],
    runs: tuple[str, str] | None,
    with_published: bool,
    metric: str,
    k: list[int],
    test: str,
    given_format: str | None,
    layout: str,
    full: bool,
    output: Path | None,
    log: bool,
    tracking_uri: str | None,
) -> None:
    """Rank trials by validation, compare the best on test, and write a report."""
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.reporting.content import Dataset, assemble, compare_leading, dataset_of
    from benchmark.reporting.gather import gather
    from benchmark.tracking import server
    from benchmark.tracking.reading.run_ids import experiments_of, whole_run_id
    from benchmark.tracking.reading.trials import card
    from benchmark.tracking.writing.report import log_report

    form = given_format or _format_of(output)
    if layout == "page" and form != "markdown":
        raise click.UsageError("--layout page needs --format markdown")
    if full and form != "latex":
        raise click.UsageError("--full needs --format latex, or an --output that ends in .tex")
    if bool(experiments) == bool(runs) or (runs and (sweeps or with_published)):
        raise click.UsageError("give either --experiment, with --sweep, or --runs alone")
    client = server.connect(tracking_uri)
    ids = tuple(whole_run_id(client, run) for run in runs or ())
    if len(set(ids)) < len(ids):
        raise UserError(f"--runs names run {ids[0]} twice: it takes two runs to compare")
    experiments = tuple(dict.fromkeys(experiments)) or tuple(experiments_of(client, ids))
    chosen = FORMATS[form]
    drawn = chosen.draws and output != STDOUT
    if layout == "full":
        Thread(target=_load_meanwhile, args=[drawn and form == "markdown"], daemon=True).start()
    ranking = gather(
        client,
        experiments,
        metric=metric,
        sweeps=sweeps,
        runs=ids,
        with_published=with_published,
    )
    dataset = dataset_of(ranking, experiments[0])
    given = output if output != STDOUT else None
    path = given or default_path(*experiments, *sweeps, *(run[:8] for run in ids), form=form)
    name = path.stem
    beside: Files = {}
    if form == "markdown" and output != STDOUT and (text := card(client, ranking.own.records[0])):
        dataset = Dataset(dataset.title, f"{name}-dataset.md")
        beside = {f"{name}-dataset.md": text}
    if layout == "page":
        made = _page(ranking, dataset, name)
    else:
        compared = compare_leading(client, ranking, test)
        content = assemble(client, experiments, compared, dataset, k=k, drawn=drawn)
        render = partial(latex.render, full=True) if full else chosen.render
        made = Made(
            content.ranking,
            content.comparison,
            content.leaderboard,
            content.verdict,
            render(content, name),
        )
    files = made.files | beside
    for problem in made.ranking.problems:
        click.echo(f"warning: {problem}", err=True)
    if output == STDOUT:
        click.echo(next(iter(files.values())), nl=False)
        return
    made.show()
    _write(path, files)
    click.echo(f"report written to {path}")
    if log:
        for experiment in experiments:
            run_id = log_report(client, experiment, files)
            click.echo(f"and kept in run {run_id} of experiment {experiment}")


def default_path(*names: str, form: str = "markdown") -> Path:
    """The file of the report of experiments, sweeps or runs."""
    return Path("reports", file_name("-".join(names)) + FORMATS[form].suffix)


@dataclass(frozen=True)
class Made:
    """A report in files, and what the terminal shows of it."""

    ranking: Ranking
    comparison: Comparison | None
    leaderboard: Leaderboard
    verdict: list[str]
    files: Files

    def show(self) -> None:
        click.echo(
            terminal.render(
                self.ranking,
                self.comparison,
                self.leaderboard,
                self.verdict,
                width=terminal.width_here(),
                bold=sys.stdout.isatty(),
            )
        )
        click.echo()


def _page(ranking: Ranking, dataset: Dataset, name: str) -> Made:
    """The published layout alone."""
    from benchmark.reporting.leaderboard import leaderboard  # late, as in ``report``

    if not ranking.own.best.valid:
        raise UserError(
            "no trial has a validation metric, by which a page names the best: --layout full"
        )
    text = page.render(ranking.own, dataset.title, dataset.card, pooled=True)
    return Made(ranking, None, leaderboard(ranking, None), [], {f"{name}.md": text})


def _format_of(output: Path | None) -> str:
    """The format with the suffix of the file; markdown if none has it. Raises UsageError for the
    suffix of a file that is no text."""
    suffix = output.suffix.lower() if output else ""
    by_suffix = {form.suffix: name for name, form in FORMATS.items()}
    if suffix in NO_TEXT:
        raise click.UsageError(f"--output ends in {suffix}: it may end in {', '.join(by_suffix)}")
    return by_suffix.get(suffix, "markdown")


def _load_meanwhile(images: bool) -> None:
    """Import slow packages that are needed later, while the server answers."""
    import_module("scipy.stats")
    if images:
        import_module("matplotlib.figure")
        import_module("matplotlib.backends.backend_agg")


def _write(output: Path, files: Files) -> None:
    """Write the first file to ``output``, and the others beside it."""
    paths = [output, *(output.parent / name for name in list(files)[1:])]
    try:
        for path, content in zip(paths, files.values(), strict=True):
            write(path, content)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    cli.run(report, collect_garbage=False)
