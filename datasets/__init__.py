"""Interactions in, integer sequences out.

    spec (YAML) -> source (file) -> readers -> filters -> sequences -> cache

``datasets.prepare.load`` runs the whole line. This package knows no model and no MLflow. Importing
it loads nothing else, and ``datasets.sequences`` loads numpy and pandas alone: sequences work on
machines without YAML or a network.
"""

from datasets.errors import DataError

__all__ = ["DataError"]
