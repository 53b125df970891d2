"""Check that a model fulfils the contract of docs/models.md, on tiny data.

python -m benchmark.check mean.py:MeanOfLast
python -m benchmark.check my_package.models:MeanOfLast --decay 0.5
python -m benchmark.check SASRec
"""

import click

from benchmark import cli, options
from benchmark.declaration import Value
from benchmark.errors import UserError
from benchmark.fields import SETTINGS


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@click.argument("model", type=options.option_type(SETTINGS["model"]))
@options.setting_options(without=["model", "dataset", "recbole_config"])
@click.pass_context
def check(context: click.Context, model: str, **values: Value) -> None:
    """Check that MODEL fulfils the contract of docs/models.md: one line for each part of it.

    MODEL is a name in models/, FILE.py:CLASS or MODULE:CLASS. The data are SYNTHETIC and tiny. The
    exit code is 1 if a check fails.
    """
    from benchmark.contract import outcomes  # late: it loads torch

    given = options.given(context, values)
    found = []
    try:
        for outcome in outcomes(model, given):
            line = f"failed: {outcome.wrong}" if outcome.wrong else f"ok: {outcome.what}"
            click.echo(f"{outcome.check:<12} {line}")
            found.append(outcome)
    except ValueError as error:
        raise UserError(str(error)) from None
    failed = [outcome.check for outcome in found if outcome.wrong]
    if failed:
        raise UserError(f"{model} does not fulfil the contract: {', '.join(failed)}")


if __name__ == "__main__":
    cli.run(check)
