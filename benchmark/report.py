"""Rank the trials of an experiment, or of several, and write the report.

python -m benchmark.report --experiment amazon-books
python -m benchmark.report --experiment ml-1m --format html --k 1,5,20
python -m benchmark.report --experiment amazon-books --layout page --output page.md
"""

import atexit
import gc
import re
from dataclasses import replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from threading import Thread

import click

import datasets.spec
from benchmark import cli
from benchmark.metrics import NAMES
from benchmark.reporting import statistics
from benchmark.reporting.charts import Chart, charts
from benchmark.reporting.comparison import Comparison, compare, leading
from benchmark.reporting.content import Content
from benchmark.reporting.formats import html, latex, markdown, numbers, page
from benchmark.reporting.ranking import Ranking, rank
from benchmark.reporting.sections import sections, trials
from benchmark.tracking import schema, server
from benchmark.tracking.reading import sweeps as stored_sweeps
from benchmark.tracking.reading import trials as stored_trials
from benchmark.tracking.reading.trials import Record
from benchmark.tracking.writing import report as report_run
from datasets import DataError

STDOUT = Path("-")
CUT_OFFS = [1, 5, 10, 20, 50]
COST = ("parameters", "MB", "sequences/s")
FORMATS = {
    "markdown": (".md", markdown.render),
    "html": (".html", html.render),
    "csv": (".csv", numbers.render_csv),
    "json": (".json", numbers.render_json),
    "latex": (".tex", latex.render),
}


class CutOffs(click.ParamType):
    """1,5,10: ascending numbers, each once."""

    name = "K,K,..."

    def convert(self, value, param, context) -> list[int]:
        if isinstance(value, list):
            return value
        try:
            found = sorted({int(part) for part in value.split(",")})
        except ValueError:
            found = [0]
        if found[0] < 1:
            self.fail(f"{value!r} is no list of whole numbers from 1, such as 1,5,10", param)
        return found


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--experiment",
    "experiments",
    required=True,
    multiple=True,
    help="The MLflow experiment: a data set's name. Several make one ranking.",
)
@click.option("--sweep", help="Only the trials of the sweep of that name.")
@click.option(
    "--with-published", is_flag=True, help="Rank what published pages say beside one's own trials."
)
@click.option(
    "--metric",
    type=click.Choice(NAMES),
    default="ndcg@10",
    show_default=True,
    help="Validation metric to rank by, and test metric to compare by.",
)
@click.option(
    "--k",
    type=CutOffs(),
    default=",".join(map(str, CUT_OFFS)),
    show_default=True,
    help="Cut-offs.",
)
@click.option(
    "--test",
    type=click.Choice(list(statistics.TESTS)),
    default="t",
    show_default=True,
    help="Paired test over users.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="markdown",
    show_default=True,
)
@click.option(
    "--layout",
    type=click.Choice(["full", "page"]),
    default="full",
    show_default=True,
    help="page: only the published layout, in markdown.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where to write it; - is the terminal.  [default: reports/EXPERIMENT.md, .html, ...]",
)
@click.option("--log/--no-log", default=True, help="Keep it in the experiment, too.")
@click.option("--tracking-uri", help="Of the server.  [default: $MLFLOW_TRACKING_URI, mlflow.db]")
def report(
    experiments: tuple[str, ...],
    sweep: str | None,
    with_published: bool,
    metric: str,
    k: list[int],
    test: str,
    form: str,
    layout: str,
    output: Path | None,
    log: bool,
    tracking_uri: str | None,
) -> None:
    """Rank trials by validation, compare the best on test, and write a report."""
    if layout == "page" and form != "markdown":
        raise click.UsageError("--layout page is markdown, and no other --format")
    client = server.connect(tracking_uri)
    drawn = form in ("markdown", "html") and output != STDOUT
    if layout == "full":
        Thread(target=_load_meanwhile, args=[drawn and form == "markdown"], daemon=True).start()
    ranking = ranked(client, experiments, sweep, with_published, metric)
    title, card = dataset(ranking, experiments[0])
    suffix, render = FORMATS[form]
    name = output.stem if output and output != STDOUT else _file_name("-".join(experiments))
    beside = {}
    if (
        form == "markdown"
        and output != STDOUT
        and (text := stored_trials.card(client, ranking.own.records[0]))
    ):
        card = f"{name}-dataset.md"
        beside = {card: text}
    if layout == "page":
        files = {f"{name}.md": page.render(ranking.own, title, card)} | beside
    else:
        files = render(content(client, ranking, title, card, k, test, drawn), name) | beside
    if output == STDOUT:
        click.echo(next(iter(files.values())), nl=False)
        return
    click.echo(markdown.table([_short(row) for row in trials(ranking)]))
    for record, reason in ranking.not_ranked:
        click.echo(f"not ranked: {record.name}: {reason}")
    output = output or Path("reports", name + suffix)
    _write(output, files)
    click.echo(f"report written to {output}")
    if log:
        for experiment in experiments:
            run_id = report_run.log_report(client, experiment, files)
            click.echo(f"and kept in run {run_id} of experiment {experiment}")


def _load_meanwhile(images: bool) -> None:
    """What is needed later loads slowly, and so does a server answer."""
    import_module("scipy.stats")
    if images:
        import_module("matplotlib.figure")
        import_module("matplotlib.backends.backend_agg")


def ranked(
    client, experiments: tuple[str, ...], sweep: str | None, with_published: bool, metric: str
) -> Ranking:
    """Of all trials of the experiments; each has to have one that can be compared."""
    by_experiment = {name: stored_trials.records(client, name) for name in experiments}
    records = sorted(chain(*by_experiment.values()), key=lambda record: record.started)
    ranking = rank(_chosen(records, sweep, with_published), metric)
    reasons = {record.run_id: why for record, why in ranking.not_ranked if record.complete}
    for name, theirs in by_experiment.items():
        complete = [record for record in theirs if record.complete]
        if complete and not sweep and all(record.run_id in reasons for record in complete):
            others = ", ".join(other for other in experiments if other != name)
            why = reasons[complete[0].run_id]
            raise click.ClickException(f"{name} cannot be compared with {others}: {why}")
    return replace(ranking, sweep=stored_sweeps.sweep_record(client, ranking.own.records, records))


def content(
    client,
    ranking: Ranking,
    title: str,
    card: str | None,
    k: list[int],
    test: str,
    drawn: bool,
) -> Content:
    """All that a report says of the ranking; with charts if they are to be ``drawn``."""
    places = leading(ranking)
    leaders = [record for place in places for record in ranking.rows[place - 1].records]
    comparison = _comparison(client, ranking, leaders, test)
    found = _charts(client, ranking, places, leaders) if drawn else []
    return Content(title, card, ranking, comparison, sections(ranking, comparison, k), found)


def _comparison(client, ranking: Ranking, leaders: list[Record], test: str) -> Comparison | None:
    tables = stored_trials.ranks(client, leaders, "test")
    try:
        return compare(ranking, tables, ranking.metric, test)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _charts(client, ranking: Ranking, places: list[int], leaders: list[Record]) -> list[Chart]:
    key = schema.metric_key("valid", ranking.metric)
    curves = stored_trials.curves(client, [record.run_id for record in leaders], key)
    return charts(ranking, places, curves)


def _write(output: Path, files: dict[str, str | bytes]) -> None:
    """The first to ``output``, the others beside it."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for path, content in zip(
            [output, *(output.parent / name for name in list(files)[1:])],
            files.values(),
            strict=True,
        ):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from None


def _short(row: dict) -> dict:
    """What a terminal has room for."""
    return {name: cell for name, cell in row.items() if name not in COST}


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text)


def _chosen(records: list[Record], sweep: str | None, with_published: bool) -> list[Record]:
    """Those of the sweep, or all; what is published only if asked for, or if it is all there is."""
    chosen = [record for record in records if not record.published] or records
    if sweep:
        chosen = _of_sweep(records, sweep)
    names = {record.run_id for record in chosen}
    return [r for r in records if r.run_id in names or (with_published and r.published)]


def _of_sweep(records: list[Record], name: str) -> list[Record]:
    found = [record for record in records if record.tags.get(schema.SWEEP) == name]
    if not found:
        known = dict.fromkeys(r.tags[schema.SWEEP] for r in records if schema.SWEEP in r.tags)
        raise click.ClickException(
            f"no trial belongs to a sweep {name!r}; there are: {', '.join(known) or 'none'}"
        )
    return found


def dataset(ranking: Ranking, experiment: str) -> tuple[str, str | None]:
    """Title and card as logged; of runs that others logged, as the data set of that name has."""
    tags = ranking.own.records[0].tags
    if schema.DATASET_TITLE in tags:
        return tags[schema.DATASET_TITLE], tags.get(schema.DATASET_CARD)
    try:
        spec = datasets.spec.read(ranking.own.best.params.get("dataset", experiment))
    except DataError:
        return experiment, None
    return spec.title, spec.card


if __name__ == "__main__":
    # A thousand runs are objects that stay: to look for garbage among them takes a third of the
    # time.
    gc.disable()
    atexit.register(gc.freeze)
    cli.run(report)
