"""Models by name: item sequences in, item scores out. No file and no MLflow is known here.

A model is one file in ``networks`` or ``baselines``, and its line in ``FILES`` below. ``model`` and
``counted`` are the contracts that it fulfils. A name with a colon is that of a model outside this
repository: see ``models.outside``.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from models.arguments import Setting, arguments

if TYPE_CHECKING:
    from models.model import Model

FILES = {
    "BERT4Rec": "networks.bert4rec",
    "SASRec": "networks.sasrec",
    "gSASRec": "networks.gsasrec",
    "eSASRec": "networks.esasrec",
    "HSTU": "networks.hstu",
    "GRU4Rec": "networks.gru4rec",
    "PersonalFrequency": "baselines.personal_frequency",
    "Markov": "baselines.markov",
    "ItemKNN": "baselines.item_knn",
    "STAN": "baselines.stan",
    "EASE": "baselines.ease",
    "SLIST": "baselines.slist",
    "SLIM": "baselines.slim",
    "Popularity": "baselines.popularity",
    "RepeatLast": "baselines.repeat_last",
}
"""The module of each model, in this package; the class in it has the model's name."""


BLENDING = frozenset({"embeddings", "blend"})
"""Settings of all learned models, whose constructors do not name them: see ``models.blend``."""


class _Models(Mapping[str, "type[Model]"]):
    """A class is imported when it is asked for: torch loads slowly, and names need none."""

    def __getitem__(self, name: str) -> "type[Model]":
        if is_outside(name):
            from models.outside import load  # late: it imports torch

            return load(name).model
        found: type[Model] = getattr(import_module(f"{__name__}.{FILES[name]}"), name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in FILES

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)


MODELS = _Models()


def is_outside(name: str) -> bool:
    """Whether it is the name of a model outside this repository: MODULE:CLASS or FILE.py:CLASS."""
    return ":" in name


def short_name(name: str) -> str:
    """The name of the model's class."""
    return name.rpartition(":")[2]


def versions(name: str, given: Mapping[str, Setting]) -> dict[str, Setting]:
    """What tells results of the same settings apart: ``model_version``, if it is above 1, and of a
    network with ``linear_version`` such as "SLIST 4", the linear models that ``embeddings`` and
    ``blend`` of the settings ``given`` name."""
    found: dict[str, Setting] = {}
    if MODELS[name].version > 1:
        found["model_version"] = MODELS[name].version
    from models.blend import LINEAR  # late: it imports torch

    named = dict.fromkeys(str(given.get(setting)) for setting in sorted(BLENDING))
    linear = [LINEAR[kind] for kind in named if kind in LINEAR]
    if linear:
        found["linear_version"] = ", ".join(f"{model.__name__} {model.version}" for model in linear)
    return found


def changed_version(logged: Mapping[str, object], now: Mapping[str, object]) -> str:
    """The version in which a trial with the parameters ``logged`` differs from a trial of the same
    settings with those of ``versions`` today; empty if in none."""
    now = {"model_version": 1} | dict(now)
    for name, if_not_logged in (("model_version", 1), ("linear_version", "of before 0.15")):
        today = now.get(name)
        before = logged.get(name, if_not_logged if name in now else None)
        if str(before) != str(today):
            return f"{name} is {before} there, and {today} today"
    return ""


def source_digest(name: str) -> str | None:
    """What tells versions of an outside model's source apart; None for a model of seqrec."""
    if not is_outside(name):
        return None
    from models.outside import load  # late: it imports torch

    return load(name).source.digest


def own_settings(name: str) -> frozenset[str]:
    """The settings that this model is built with. Other settings belong to every model."""
    return _own(MODELS[name])


@cache
def _own(model: "type[Model]") -> frozenset[str]:
    from models.model import LearnedModel  # imports torch

    return _named(model) | (BLENDING if issubclass(model, LearnedModel) else frozenset())


@cache
def _named(model: "type[Model]") -> frozenset[str]:
    """The settings that the model's constructor names."""
    return frozenset(inspect.signature(model).parameters) - {"n_items"}


def defaults(name: str) -> dict[str, Setting]:
    """The defaults that the model's constructor has, by setting."""
    return dict(_defaults(MODELS[name]))


@cache
def _defaults(model: "type[Model]") -> dict[str, Setting]:
    return {a.name: a.default for a in arguments(model) if a.default is not None}


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


def build(name: str, n_items: int, given: Mapping[str, Setting]) -> "Model":
    """The model of that name, with random weights.

    ``given`` are settings by name; those that the model does not have are ignored. Raises
    ValueError if the settings do not go together.
    """
    settings = {key: given[key] for key in _named(MODELS[name])}
    try:
        MODELS[name].check(given)
        model = MODELS[name](n_items, **settings)
    except Exception as error:
        if not is_outside(name):
            raise
        from models.outside import why  # late, likewise

        raise ValueError(f"{name} cannot be built: {why(error)}") from error
    from models.blend import blended  # late: torch loads slowly
    from models.model import LearnedModel

    return blended(model, given) if isinstance(model, LearnedModel) else model
