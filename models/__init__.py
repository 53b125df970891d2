"""Models by name. A model is one file here and one line in ``MODELS``."""

import inspect

from torch import nn

from models.bert4rec import BERT4Rec

MODELS = {"BERT4Rec": BERT4Rec}


def build(name: str, n_items: int, settings: dict) -> nn.Module:
    """The model of that name; of ``settings`` it is given those that its constructor names."""
    kind = MODELS[name]
    wanted = set(inspect.signature(kind).parameters) & set(settings)
    return kind(n_items, **{key: settings[key] for key in wanted})
