"""Check that a model fulfils the contract of docs/models.md, on tiny data.

python -m benchmark.check mean.py:MeanOfLast
python -m benchmark.check my_package.models:MeanOfLast --decay 0.5
python -m benchmark.check SASRec
"""

import click

from benchmark import cli, options
from benchmark.errors import UserError
from benchmark.settings.declaration import Value
from benchmark.settings.fields import SETTINGS


@click.command(cls=options.TrialCommand, context_settings=cli.CONTEXT)
@click.argument("model", type=options.option_type(SETTINGS["model"]), metavar="MODEL")
@options.setting_options(without=["model", "dataset", "recbole_config"])
@click.pass_context
def check(context: click.Context, model: str, **values: Value) -> None:
    """Check that MODEL fulfils the contract of docs/models.md: one line for each part of it.

    MODEL is a name in models/, FILE.py:CLASS or MODULE:CLASS. The data are SYNTHETIC and tiny. The
    exit code is 1 if a check fails.
    """
    from benchmark.contract import findings  # late: it loads torch

    given = options.given(context, values)
    failed = []
    try:
        for finding in findings(model, given):
            line = f"failed: {finding.wrong}" if finding.wrong else f"ok: {finding.what}"
            click.echo(f"{finding.check:<12} {line}")
            if finding.wrong:
                failed.append(finding.check)
    except ValueError as error:
        raise UserError(str(error)) from None
    if failed:
        raise UserError(f"{model} does not fulfil the contract: {', '.join(failed)}")


if __name__ == "__main__":
    cli.run(check)
