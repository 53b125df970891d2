"""Register the best trial of an experiment as a model in MLflow's registry, with alias champion.

python -m benchmark.promote --experiment amazon-books
python -m benchmark.promote --experiment ml-1m --sweep hyper --force
python -m benchmark.promote --experiment /Users/me@example.org/ml --name ml --model SASRec
mlflow models serve -m models:/amazon-books@champion --env-manager local --port 5077
"""

import click

from benchmark import cli


@click.command(context_settings=cli.CONTEXT)
@click.option("--experiment", required=True, help="MLflow experiment: the name of the data set.")
@click.option("--sweep", help="Name of a sweep: only its trials are considered.")
@click.option("--model", help="Model, such as SASRec: only its trials are considered.")
@click.option(
    "--run",
    metavar="RUN_ID",
    help="Trial to promote, in place of the best; the first characters of its id are enough.",
)
@click.option("--name", help="Name of the registered model.  [default: the experiment's]")
@click.option("--force", is_flag=True, help="Promote without a comparison with the champion.")
@cli.data_dir_option
def promote(
    experiment: str,
    sweep: str | None,
    model: str | None,
    run: str | None,
    name: str | None,
    force: bool,
    data_dir: str | None,
) -> None:
    """Register the model of the trial that is best on validation, as champion.

    A trial that is not significantly better on validation than the present champion, user by user,
    is refused.
    """
    # MLflow and pandas load for seconds, which --help need not wait for.
    from benchmark.serving import promotion
    from benchmark.tracking import server
    from benchmark.tracking.reading.run_ids import whole_run_id

    client = server.connect()
    promoted = promotion.promote_best(
        client,
        experiment,
        name=name,
        sweep=sweep,
        model=model,
        run=whole_run_id(client, run) if run else None,
        force=force,
        data_dir=data_dir,
    )
    click.echo(promotion.describe(name or experiment, *promoted))


if __name__ == "__main__":
    cli.run(promote)
