"""Read published result pages into runs that stand beside one's own, and are told from them.

python -m benchmark.published BERT4Rec-ml-1m_seq.md
python -m benchmark.report --experiment ml-1m --with-published
"""

import re
import shlex
from pathlib import Path

import click

import datasets.spec
from benchmark import cli
from benchmark.recbole import page as result_page
from benchmark.recbole.contradictions import contradictions
from benchmark.tracking import server
from benchmark.tracking.writing import published as published_page


@click.command(context_settings=cli.CONTEXT)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--experiment", help="MLflow's.  [default: the data set that the page names]")
@click.option("--name", help="Of the page.  [default: the name of FILE, without its ending]")
@click.option("--tracking-uri", help="Of the server.  [default: $MLFLOW_TRACKING_URI, mlflow.db]")
def published(
    files: tuple[Path, ...], experiment: str | None, name: str | None, tracking_uri: str | None
) -> None:
    """Read result pages in RecBole's published layout, each as a sweep that was run elsewhere.

    What a page says twice and not the same is said, and the page is kept as it is. If one file is
    no such page, none is written.
    """
    if name and len(files) > 1:
        raise click.UsageError("--name is for one FILE")
    pages = {}
    for page in map(result_page.read, files):
        key = experiment or _experiment(page.dataset), name or page.path.stem
        if pages.setdefault(key, page).digest != page.digest:
            raise click.UsageError(
                f"{pages[key].path} and {page.path} are both called {key[1]!r}: read one of them "
                "alone, with another --name"
            )
    client = server.connect(tracking_uri)
    found = {key: published_page.find_page(client, *key, page) for key, page in pages.items()}
    for (where, called), page in pages.items():
        if found[where, called]:
            called, run_id = found[where, called]
            click.echo(f"{page.path}: it is there already, as {called!r}: run {run_id} in {where}")
            continue
        wrong = contradictions(page)
        for line in wrong:
            click.echo(line, err=True)
        run_id = published_page.log_page(client, where, called, page, wrong)
        click.echo(
            f"{page.path}: {len(page.trials)} trials of {page.model} on {page.dataset}: "
            f"run {run_id} in experiment {where}"
        )
        options = shlex.join(["--experiment", where, "--sweep", called])
        click.echo(f"to report: python -m benchmark.report {options}")


def _experiment(title: str) -> str:
    """The data set of that title, as here; of others the title as a name."""
    for name in datasets.spec.names():
        if datasets.spec.read(name).title.lower() == title.lower():
            return name
    return re.sub(r"\W+", "-", title.lower()).strip("-") or title


if __name__ == "__main__":
    cli.run(published)
