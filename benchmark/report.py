"""Rank the trials of an experiment and write the report.

python -m benchmark.report --experiment amazon-books
python -m benchmark.report --experiment amazon-books --layout page --output page.md
"""

import re
from dataclasses import replace
from pathlib import Path

import click

import datasets.spec
from benchmark import appendix, cli, page, tracking
from benchmark.metrics import NAMES
from benchmark.ranking import Ranking, rank
from benchmark.tracking import Record, schema
from datasets import DataError

STDOUT = Path("-")


@click.command(context_settings=cli.CONTEXT)
@click.option("--experiment", required=True, help="The MLflow experiment: a data set's name.")
@click.option("--sweep", help="Only the trials of the sweep of that name.")
@click.option(
    "--metric",
    type=click.Choice(NAMES),
    default="ndcg@10",
    show_default=True,
    help="Validation metric to rank by.",
)
@click.option(
    "--layout",
    type=click.Choice(["full", "page"]),
    default="full",
    show_default=True,
    help="page: only the published layout; full: with tables, protocol, data and commands.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where to write it; - is the terminal.  [default: reports/EXPERIMENT.md]",
)
@click.option("--tracking-uri", help="Of the server.  [default: $MLFLOW_TRACKING_URI, mlflow.db]")
def report(
    experiment: str,
    sweep: str | None,
    metric: str,
    layout: str,
    output: Path | None,
    tracking_uri: str | None,
) -> None:
    """Rank the trials of an experiment by validation and write a markdown report."""
    client = tracking.connect(tracking_uri)
    records = tracking.records(client, experiment)
    if sweep:
        records = _of_sweep(records, sweep)
    ranking = rank(records, metric)
    ranking = replace(ranking, sweep=tracking.sweep_record(client, ranking.records))
    title, card = _dataset(ranking, experiment)
    text = page.render(ranking, title, card)
    if layout == "full":
        text += appendix.render(ranking)
    if output == STDOUT:
        click.echo(text, nl=False)
        return
    click.echo(appendix.trials(ranking))
    for record, reason in ranking.not_ranked:
        click.echo(f"not ranked: {record.name}: {reason}")
    output = output or Path("reports", re.sub(r"[^\w.-]+", "-", experiment) + ".md")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(f"report written to {output}")


def _of_sweep(records: list[Record], name: str) -> list[Record]:
    found = [record for record in records if record.tags.get(schema.SWEEP) == name]
    if not found:
        known = dict.fromkeys(r.tags[schema.SWEEP] for r in records if schema.SWEEP in r.tags)
        raise click.ClickException(
            f"no trial belongs to a sweep {name!r}; there are: {', '.join(known) or 'none'}"
        )
    return found


def _dataset(ranking: Ranking, experiment: str) -> tuple[str, str | None]:
    """Title and card as logged; of runs that others logged, as the data set of that name has."""
    tags = ranking.records[0].tags
    if schema.DATASET_TITLE in tags:
        return tags[schema.DATASET_TITLE], tags.get(schema.DATASET_CARD)
    try:
        spec = datasets.spec.read(ranking.best.params.get("dataset", experiment))
    except DataError:
        return experiment, None
    return spec.title, spec.card


if __name__ == "__main__":
    cli.run(report)
