"""Models by name: item sequences in, item scores out. No file and no MLflow is known here.

A model is one file in this folder, and its line in ``FILES`` below. ``model`` is the contract that
it fulfils.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.model import Model, Setting

FILES = {
    "BERT4Rec": "bert4rec",
    "SASRec": "sasrec",
    "gSASRec": "gsasrec",
    "eSASRec": "esasrec",
    "HSTU": "hstu",
    "GRU4Rec": "gru4rec",
    "PersonalFrequency": "personal_frequency",
    "Markov": "markov",
    "ItemKNN": "item_knn",
    "STAN": "stan",
    "EASE": "ease",
    "SLIST": "slist",
    "SLIM": "slim",
    "Popularity": "popularity",
    "RepeatLast": "repeat_last",
}
"""The file of each model; the class in it has the model's name."""


BLENDING = frozenset({"embeddings", "blend"})
"""Settings of all learned models, whose constructors do not name them: see ``models.blend``."""


class _Models(Mapping[str, "type[Model]"]):
    """A class is imported when it is asked for: torch loads slowly, and names need none."""

    def __getitem__(self, name: str) -> "type[Model]":
        found: type[Model] = getattr(import_module(f"models.{FILES[name]}"), name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in FILES

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)


MODELS = _Models()


@cache
def own_settings(name: str) -> frozenset[str]:
    """The settings that this model is built with. Other settings belong to every model."""
    return _arguments(name) | (BLENDING if learns(name) else frozenset())


@cache
def _arguments(name: str) -> frozenset[str]:
    """The settings that the model's constructor names."""
    return frozenset(inspect.signature(MODELS[name]).parameters) - {"n_items"}


def learns(name: str) -> bool:
    """Whether the model learns by gradients; otherwise it is counted."""
    from models.model import LearnedModel  # imports torch

    return issubclass(MODELS[name], LearnedModel)


def learned_models() -> list[str]:
    """The names of the models that learn by gradients."""
    return [name for name in FILES if learns(name)]


def counted_models() -> list[str]:
    """The names of the other models, in the order of ``FILES``."""
    return [name for name in FILES if not learns(name)]


def build(name: str, n_items: int, given: "Mapping[str, Setting]") -> "Model":
    """The model of that name, with random weights.

    ``given`` are settings by name; those that the model does not have are ignored. Raises
    ValueError if the settings do not go together.
    """
    MODELS[name].check(given)
    model = MODELS[name](n_items, **{key: given[key] for key in _arguments(name)})
    from models.blend import with_slim  # late: torch loads slowly
    from models.model import LearnedModel

    return with_slim(model, given) if isinstance(model, LearnedModel) else model
