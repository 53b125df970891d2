"""Log published result pages as runs, marked as published, to compare one's own trials with.

python -m benchmark.published BERT4Rec-ml-1m_seq.md
python -m benchmark.report --experiment ml-1m --with-published
"""

import re
import shlex
from pathlib import Path

import click

from benchmark import cli
from benchmark.recbole.contradictions import contradictions
from benchmark.recbole.page import read
from benchmark.recbole.published_page import PublishedPage
from datasets.errors import visible


@click.command(context_settings=cli.CONTEXT)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--experiment", help="MLflow experiment.  [default: the page's data set]")
@click.option("--name", help="Name of the page.  [default: the name of FILE, without its suffix]")
@cli.tracking_uri_option
def published(
    files: tuple[Path, ...], experiment: str | None, name: str | None, tracking_uri: str | None
) -> None:
    """Log result pages in RecBole's published layout, each as a sweep that ran elsewhere.

    A page that contradicts itself is logged unchanged, and its contradictions are printed. If one
    FILE is not a result page, no FILE is logged.
    """
    # MLflow loads for seconds, which --help need not wait for.
    from benchmark.tracking import server
    from benchmark.tracking.writing.published import find_page, log_page

    if name and len(files) > 1:
        raise click.UsageError("--name is for one FILE")
    pages: dict[tuple[str, str], PublishedPage] = {}
    for page in map(read, files):
        key = experiment or _experiment(page.dataset), name or page.path.stem
        if pages.setdefault(key, page).digest != page.digest:
            raise click.UsageError(
                f"{pages[key].path} and {page.path} are both called {key[1]!r}: log one of them "
                "alone, with another --name"
            )
    client = server.connect(tracking_uri)
    found = {key: find_page(client, *key, page) for key, page in pages.items()}
    for (where, called), page in pages.items():
        kept = found[where, called]
        if kept is None:
            wrong = contradictions(page)
            for line in wrong:
                click.echo(visible(line), err=True)
            kept = log_page(client, where, called, page, wrong)
        if not kept.new:
            click.echo(
                f"{page.path}: logged before, as {kept.name!r}: run {kept.run_id} in {where}"
            )
            continue
        click.echo(
            f"{page.path}: {len(page.trials)} trials of {visible(page.model)} on "
            f"{visible(page.dataset)}: run {kept.run_id} in experiment {where}"
        )
        options = shlex.join(["--experiment", where, "--sweep", called])
        click.echo(f"to report: python -m benchmark.report {options}")


def _experiment(title: str) -> str:
    """The name of seqrec's data set with that title; otherwise the title as a name."""
    from datasets.specs import spec  # loads pandas

    for name in spec.names():
        if spec.read(name).title.lower() == title.lower():
            return name
    return re.sub(r"\W+", "-", title.lower()).strip("-") or title


if __name__ == "__main__":
    cli.run(published)
