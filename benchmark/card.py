"""Print the card of a data set, and measure how sequential the data are.

python -m benchmark.card ml-1m
python -m benchmark.card ml-1m --sequential
python -m benchmark.card mine.yaml --sequential --model SASRec --epochs 5
"""

import click

from benchmark import cli, options
from benchmark.settings.declaration import Value
from benchmark.settings.fields import SETTINGS

MODEL = "Markov"
"""The default: its ranks depend on the last item, and it is counted in seconds."""


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@click.argument("dataset")
@click.option(
    "--sequential",
    is_flag=True,
    help="Train a model, rank also with shuffled histories, and print how far test ndcg@10 falls.",
)
@click.option(
    "--model",
    type=options.option_type(SETTINGS["model"]),
    default=MODEL,
    show_default=True,
    help="With --sequential: the model, to which all further options belong.",
)
@cli.data_dir_option
@options.setting_options(without=["dataset", "model"])
@click.pass_context
def card(
    context: click.Context, dataset: str, sequential: bool, data_dir: str | None, **values: Value
) -> None:
    """Print the card of DATASET, a name in datasets/ or the path of a YAML file.

    Nothing is logged. Ties, repeats and cold targets stand on the card, too.
    """
    # Torch and pandas load for seconds, which --help need not wait for.
    from benchmark.data import Data
    from benchmark.recbole import config as recbole

    chosen = options.given(context, values)
    others = chosen.keys() - {"recbole_config"}
    if others and not sequential:
        raise click.UsageError(f"--{min(others).replace('_', '-')} belongs to --sequential")
    config = recbole.read(chosen)
    default: dict[str, Value] = {} if "model" in config.content else {"model": MODEL}
    given = {**default, "dataset": dataset, **chosen}
    settings = options.resolve(config, given)
    data = Data.of(settings, data_dir)
    click.echo(data.card.render(), nl=False)
    if sequential:
        from benchmark.sequential import measure

        loss = measure(data.trainer(settings))
        click.echo(f"\n**Sequential:** {settings.model_name}: {loss}")


if __name__ == "__main__":
    cli.run(card)
