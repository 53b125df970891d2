"""Models by name: item sequences in, item scores out. No file and no MLflow is known here.

A model is one file in this folder, and its import and its line in ``MODELS`` below. ``model`` is
the contract that it fulfils.
"""

import inspect
from collections.abc import Mapping
from functools import cache

from models.bert4rec import BERT4Rec
from models.gru4rec import GRU4Rec
from models.gsasrec import gSASRec
from models.item_knn import ItemKNN
from models.markov import Markov
from models.model import LearnedModel, Model, Setting
from models.popularity import Popularity
from models.repeat_last import RepeatLast
from models.sasrec import SASRec

MODELS: dict[str, type[Model]] = {
    "BERT4Rec": BERT4Rec,
    "SASRec": SASRec,
    "gSASRec": gSASRec,
    "GRU4Rec": GRU4Rec,
    "Markov": Markov,
    "ItemKNN": ItemKNN,
    "Popularity": Popularity,
    "RepeatLast": RepeatLast,
}


@cache
def own_settings(name: str) -> frozenset[str]:
    """The settings that only some models have: those that this model's constructor names."""
    return frozenset(inspect.signature(MODELS[name]).parameters) - {"n_items"}


def learns(name: str) -> bool:
    """Whether the model learns by gradients; otherwise it is counted."""
    return issubclass(MODELS[name], LearnedModel)


def build(name: str, n_items: int, given: Mapping[str, Setting]) -> Model:
    """The model of that name, with random weights.

    ``given`` are settings by name; those that the model does not have are ignored. Raises
    ValueError if the settings do not go together.
    """
    MODELS[name].check(given)
    return MODELS[name](n_items, **{key: given[key] for key in own_settings(name)})
