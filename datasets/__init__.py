"""Interactions in, integer sequences out.

    spec (YAML) -> source (file) -> reading -> filters -> coding -> sequences -> splitting

    prepare.py     the whole line, cached between runs: ``load``; export.py writes it for others
    specs/         what a data set is: its YAML file, or RecBole's configuration file
    checking/      YAML files from unknown authors: plain values, checked
    describing/    a first YAML file for a data file
    reading/       text, JSON lines, Parquet: files in, Arrow record batches out
    coding/        ids in, numbers out, within a budget of memory
    machines/      the same on a Ray cluster
    splitting/     positions of sequences to train on and to evaluate
    source.py, filters.py, sequences.py, errors.py, ...   what the folders share

This package knows no model and no MLflow. Importing it loads nothing else, and
``datasets.sequences`` loads numpy and pandas alone: sequences work on machines without YAML or a
network.
"""

from datasets.errors import DataError

__all__ = ["DataError"]
