"""Score what another library recommends for the same split, as a run that the report compares.

python -m datasets.export ml-1m --to rectools                # the split, for the other library
python -m benchmark.score test.parquet --valid valid.parquet \\
  --dataset ml-1m --name RecTools-SASRec --param epochs=20
python -m benchmark.report --experiment ml-1m
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from benchmark import cli
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import BASELINES, RARE
from datasets import options
from models import FILES

PARAM = re.compile(r"([A-Za-z_][\w.-]*)=(.*)")
LONGEST = 500  # characters of a parameter that every store takes


class Param(click.ParamType):
    """NAME=VALUE: a parameter as MLflow can store it."""

    name = "NAME=VALUE"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        found = PARAM.fullmatch(value)
        if not found or not found[2] or len(value) > LONGEST:
            self.fail(f"{value[:80]!r} is not NAME=VALUE, such as epochs=20.", param, ctx)
        if found[1] in ("model", "dataset", "history", *RARE):
            self.fail(f"{found[1]} has an option of its own.", param, ctx)
        return found[1], found[2]


def _name(context: click.Context, param: click.Parameter, name: str) -> str:
    """The name. Raises BadParameter for the name of one of seqrec's models."""
    if not name.strip() or not name.isprintable() or len(name) > 80:
        raise click.BadParameter("it should be a line of text, such as RecTools-SASRec.")
    if name.casefold() in {m.casefold() for m in (*FILES, BASELINES)}:
        raise click.BadParameter(
            f"{name} is a model of seqrec: add the library, such as RecTools-{name}."
        )
    return name.strip()


def _once(
    context: click.Context, param: click.Parameter, params: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    """The parameters by name. Raises BadParameter for a name that has two values."""
    found = dict(params)
    for name, value in params:
        if found[name] != value:
            raise click.BadParameter(f"{name} has two values, {value} and {found[name]}.")
    return found


@click.command(context_settings=cli.CONTEXT)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--valid",
    type=click.Path(path_type=Path),
    help="File of the same kind with the recommendations for validation.",
)
@click.option("--dataset", required=True, help="Name of a data set, or path of its YAML file.")
@click.option(
    "--name", required=True, callback=_name, help="Name of the model, such as RecTools-SASRec."
)
@click.option(
    "--history",
    type=click.Choice(SETTINGS["history"].choices),
    default=SETTINGS["history"].default,
    show_default=True,
    help=SETTINGS["history"].help,
)
@click.option(
    "--evaluate-users",
    type=click.IntRange(min=0),
    default=SETTINGS["evaluate_users"].default,
    show_default=True,
    help=SETTINGS["evaluate_users"].help,
)
@click.option(
    "--param",
    "params",
    multiple=True,
    type=Param(),
    callback=_once,
    help="Setting of the other library, for the report: epochs=20. Repeat it for more.",
)
@click.option(
    "--exported",
    type=click.Path(path_type=Path),
    help="Folder that datasets.export wrote for the other library: files of another split are "
    "refused.  [default: the folder of FILE, if it has an exported.json]",
)
@options.recbole_config
@options.data_dir
def score(
    file: Path,
    valid: Path | None,
    dataset: str,
    name: str,
    history: str,
    evaluate_users: int,
    params: dict[str, str],
    exported: Path | None,
    recbole_config: str,
    data_dir: str | None,
) -> None:
    """Rank the test targets by FILE, which another library wrote, and log the result as a run.

    FILE has raw ids: lists (parquet or CSV: user, item and rank or score; or user and items), ranks
    of the targets (user, rank), or scores of all items (.npz).
    """
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.data import Data
    from benchmark.scoring.score import score as ranked
    from benchmark.tracking import server
    from benchmark.tracking.writing.scored import log_scored
    from benchmark.training import evaluation
    from datasets import export

    client = server.connect()
    data = Data.load(dataset, data_dir, recbole_config)
    if exported or (file.parent / export.SPLIT_FILE).exists():
        export.check(exported or file.parent, data.sequences, data.split)
    files = {"test": file} | ({"valid": valid} if valid else {})
    results = ranked(files, data.sequences, data.split, history, evaluate_users)
    for part, result in results.items():
        for remark in result.remarks:
            click.echo(f"{part}: {remark}", err=True)
    protocol = evaluation.protocol(history, data.sequences, data.split, evaluate_users)
    known = {"model": name, "dataset": dataset, "history": history}
    known |= {"recbole_config": recbole_config} if recbole_config else {}
    known |= {"evaluate_users": str(evaluate_users)} if evaluate_users else {}
    run_id, experiment = log_scored(client, known | params, results, file, data, protocol)
    click.echo(f"scored {name}: run {run_id} in experiment {experiment}")
    for part, result in sorted(results.items(), reverse=True):
        shown = "  ".join(f"{metric} {value:.4f}" for metric, value in result.metrics.items())
        until = "" if result.until is None else f"  (ranks are known up to {result.until})"
        click.echo(f"{part}  {shown}{until}")
    if not valid:
        click.echo(
            "no --valid: the report shows the run last, because trials are ranked by validation"
        )
    click.echo(f"to compare: python -m benchmark.report --experiment {shlex.quote(experiment)}")


if __name__ == "__main__":
    cli.run(score)
