"""Interactions in, integer sequences out.

    spec (YAML) -> source (file) -> readers -> filters -> sequences -> cache

``load`` runs that line from end to end. This package knows no model and no MLflow.
"""

from datasets.errors import DataError
from datasets.prepare import load
from datasets.sequences import Sequences, Split, Targets
from datasets.spec import Spec

__all__ = ["DataError", "Sequences", "Spec", "Split", "Targets", "load"]
