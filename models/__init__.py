"""Models by name. A model is one file here and one line in ``MODELS``.

It is an nn.Module with ``queries`` and ``scores``, and learns by ``examples`` and ``forward`` (see
``bert4rec``) or is counted by ``count`` (see ``counted``). Of ``recipes``, by name, each gives the
settings that are not given, where they are not the defaults.
"""

import inspect
from functools import cache

from torch import nn

from models.bert4rec import BERT4Rec
from models.gru4rec import GRU4Rec
from models.gsasrec import gSASRec
from models.item_knn import ItemKNN
from models.markov import Markov
from models.popularity import Popularity
from models.repeat_last import RepeatLast
from models.sasrec import SASRec

MODELS = {
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
    """What the model's constructor names, beside the number of items."""
    return frozenset(inspect.signature(MODELS[name]).parameters) - {"n_items"}


def learns(name: str) -> bool:
    """By gradients, and not by counting."""
    return not hasattr(MODELS[name], "count")


def build(name: str, n_items: int, given: dict) -> nn.Module:
    """The model of that name, with those of the settings ``given`` that it has.

    Raises ValueError if they do not go together.
    """
    return MODELS[name](n_items, **{key: given[key] for key in own_settings(name)})
