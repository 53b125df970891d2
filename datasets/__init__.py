"""Interactions in, integer sequences out.

    spec (YAML) -> source (file) -> readers -> filters -> sequences -> cache

``load`` runs that line from end to end. This package knows no model and no MLflow.
"""

from importlib import import_module

_HOME = {
    "DataError": "errors",
    "Sequences": "sequences",
    "Split": "sequences",
    "Targets": "sequences",
    "Spec": "spec",
    "load": "prepare",
    "summary": "card",
}
__all__ = ["DataError", "Sequences", "Spec", "Split", "Targets", "load", "summary"]


def __getattr__(name: str):
    """Import a name when it is asked for: sequences need neither YAML nor a network."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
