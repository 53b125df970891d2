"""Register the best trial of an experiment as a model in MLflow's registry, with alias champion.

python -m benchmark.promote --experiment amazon-books
python -m benchmark.promote --experiment ml-1m --sweep hyper --force
mlflow models serve -m models:/amazon-books@champion --env-manager local
"""

import shlex

import click
from mlflow import MlflowClient

from benchmark import cli, promotion
from benchmark.metrics import SELECTION_METRIC
from benchmark.tracking import schema, server


@click.command(context_settings=cli.CONTEXT)
@click.option("--experiment", required=True, help="MLflow experiment: the name of the data set.")
@click.option("--sweep", help="Name of a sweep: only its trials are considered.")
@click.option("--force", is_flag=True, help="Promote without a comparison with the champion.")
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
def promote(experiment: str, sweep: str | None, force: bool, data_dir: str | None) -> None:
    """Register the model of the trial that is best on validation, as champion.

    A trial that is not significantly better on validation than the present champion, user by user,
    is refused.
    """
    promote_best(server.connect(), experiment, sweep, force, data_dir)


def promote_best(
    client: MlflowClient,
    experiment: str,
    sweep: str | None,
    force: bool = False,
    data_dir: str | None = None,
) -> None:
    """Promote, and print what was promoted. See ``promotion.promote_best``."""
    trial, version = promotion.promote_best(
        client, experiment, sweep=sweep, force=force, data_dir=data_dir
    )
    synthetic = ", SYNTHETIC data" if trial.tags.get(schema.SYNTHETIC) == "true" else ""
    click.echo(
        f"{experiment}: champion is version {version}, {trial.name} (run {trial.run_id}): "
        f"valid {SELECTION_METRIC} {promotion.score(trial):.4f}{synthetic}"
    )
    uri = shlex.quote(f"models:/{experiment}@champion")
    click.echo(f"to serve: mlflow models serve -m {uri} --env-manager local")


if __name__ == "__main__":
    cli.run(promote)
