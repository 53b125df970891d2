"""Options of the commands that compare results by a metric."""

import click

from benchmark.measures.metrics import NAMES
from benchmark.reporting import statistics

metric_option = click.option(
    "--metric",
    type=click.Choice(NAMES),
    default="ndcg@10",
    show_default=True,
    help="Validation metric to rank by, and test metric to compare by.",
)
test_option = click.option(
    "--test",
    type=click.Choice(list(statistics.TESTS)),
    default="t",
    show_default=True,
    help="Paired significance test over users.",
)
