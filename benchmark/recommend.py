"""Recommend items to many users with a registered model: parquet in, parquet or CSV out.

python -m benchmark.recommend --model models:/ml-1m@champion --dataset ml-1m --output best.parquet
python -m benchmark.recommend --model models:/ml-1m@champion --histories h.parquet --output o.csv
"""

from contextlib import suppress
from pathlib import Path

import click

from benchmark import cli
from benchmark.errors import UserError

SUFFIXES = (".parquet", ".pq", "", ".csv")


@click.command(context_settings=cli.CONTEXT)
@click.option(
    "--model", "uri", required=True, help="Registered model, such as models:/ml-1m@champion."
)
@click.option(
    "--histories",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parquet file with a column history: lists of raw item ids, oldest first; optional column "
    "times: lists of their times.",
)
@click.option(
    "--dataset", help="Data set, in place of --histories: all its users and interactions."
)
@click.option(
    "--recbole-config",
    default="",
    help="RecBole configuration file; its filters replace the data set's own, as in training.",
)
@cli.data_dir_option
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, .parquet or .csv: the same rows, with items and scores in place of "
    "history, and the items' titles where the data set has them.",
)
@click.option(
    "--long",
    is_flag=True,
    help="One row for each recommended item, with its rank, in place of one for each user; CSV is "
    "always so.",
)
@click.option(
    "--k",
    type=click.IntRange(1, 1_000_000),
    default=10,
    show_default=True,
    help="Items for each user.",
)
@click.option(
    "--exclude-seen/--include-seen",
    default=None,
    help="Whether the items of the user's history are left out.  [default: as in the evaluation of "
    "the model]",
)
def recommend(
    uri: str,
    file: Path | None,
    dataset: str | None,
    recbole_config: str,
    data_dir: str | None,
    output: Path,
    long: bool,
    k: int,
    exclude_seen: bool | None,
) -> None:
    """Write the best items for each user of a file or a data set, batch after batch.

    Ids that the model does not know are left out, and counted. If it knows none of them, nothing is
    written.
    """
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.serving import histories, recommendation
    from benchmark.tracking import server
    from benchmark.tracking.registry.loading import load_recommender

    if (file is None) == (dataset is None):
        raise click.UsageError("give either --histories or --dataset")
    if recbole_config and file:
        raise click.UsageError("--recbole-config belongs to --dataset")
    if output.suffix.lower() not in SUFFIXES:
        raise UserError(f"{output}: give a name that ends in .parquet or .csv")
    with suppress(OSError):  # one of the two is not there
        if file and output.samefile(file):
            raise UserError(f"{output}: is the file of histories: give the output another name")
    model = load_recommender(server.connect(), uri)
    if exclude_seen is None:
        exclude_seen = model.exclude_seen
    if file:
        source = histories.from_file(file)
    else:
        source = histories.from_dataset(str(dataset), data_dir, recbole_config)
    csv = output.suffix.lower() == ".csv"
    layout = recommendation.Layout(csv, long or csv)
    known = recommendation.write(
        output, uri, model, source, k, exclude_seen=exclude_seen, layout=layout
    )
    if warning := recommendation.warning(known, model, source):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{source.users:,} users: {output}")


if __name__ == "__main__":
    cli.run(recommend)
