"""Options that the commands of ``datasets`` and of ``benchmark`` share."""

import click

data_dir = click.option(
    "--data-dir", help="Folder of the raw files, searched before $SEQREC_DATA_DIR and ./data."
)
recbole_config = click.option(
    "--recbole-config",
    default="",
    help="RecBole configuration file; its filters and split replace the data set's own.",
)
