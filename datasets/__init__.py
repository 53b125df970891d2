"""Interactions in, integer sequences out.

    spec (YAML) -> source (file) -> readers -> filters -> sequences -> cache

``datasets.prepare.load`` runs the whole line. This package knows no model and no MLflow. Importing
it loads numpy and pandas and nothing else: sequences work on machines without YAML or a network.
"""

from datasets.errors import DataError
from datasets.sequences import Sequences, Split, Targets

__all__ = ["DataError", "Sequences", "Split", "Targets"]
