"""The sweeps that a comparison of models consists of: one of all counted models, then one of each
learned model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import models
from benchmark.installation import ROOT
from benchmark.settings.declaration import Value
from benchmark.settings.settings import BASELINES, Settings, has, shared
from benchmark.sweeps import space
from benchmark.sweeps.definition import Definition
from benchmark.sweeps.space import Choice, Space
from benchmark.sweeps.suggest import n_points

SPACES = ROOT / "spaces"
"""Search spaces by model: MODEL.yaml, or for a model without a file default.yaml."""
SEARCH = "tpe"

Resolve = Callable[..., Settings]
"""Makes settings of settings by name, as ``Settings.of``."""


@dataclass(frozen=True)
class Own:
    """What one learned model has of its own."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    """They go before those that are given for all models."""
    space: Space | None = None
    """What is searched; None: the model's file in the folder of spaces."""


@dataclass(frozen=True)
class Contender:
    """A sweep of the comparison."""

    name: str
    """The learned model, or ``BASELINES``."""
    definition: Definition

    @property
    def learned(self) -> bool:
        return self.name != BASELINES

    @property
    def models(self) -> list[str]:
        """The names of the models that the sweep trains, as reports show them."""
        if self.learned:
            return [self.name]
        return [models.short_name(str(m)) for m in self.definition.space["model"].values]

    def n_points(self, points: int) -> int:
        """The number of points if the search may try so many: its space may have fewer."""
        size = space.size(self.definition.space)
        points = n_points(self.definition.space, self.definition.method, points)
        return points if size is None else min(points, size)


def contenders(
    learned: Iterable[str],
    counted: Iterable[str],
    given: Mapping[str, Value],
    resolve: Resolve,
    folder: Path,
    owned: Mapping[str, Own] | None = None,
) -> tuple[Contender | None, list[Contender]]:
    """The sweep of the ``counted`` models, if there are any, and those of the ``learned`` ones.

    ``folder`` has their search spaces. ``given`` are settings for the models that have them, and
    ``owned`` is what single learned models have of their own.

    Raises ValueError for settings that no model has, or that do not go together, and SpaceError for
    a search space that cannot be read or tried.
    """
    names = tuple(counted)
    learned = list(learned)
    of_model = shared(given, [*names, *learned])
    several: Space = {"model": Choice(names)}
    common = {n: v for n, v in given.items() if any(has(model, n) for model in names)}
    baselines = Contender(BASELINES, Definition(several, "grid", "none", common, resolve))
    found = []
    for model in learned:
        own = (owned or {}).get(model, Own())
        fixed = of_model[model] | dict(own.settings)
        searched = search_space(model, fixed, folder) if own.space is None else own.space
        definition = Definition(searched, SEARCH, "none", fixed, resolve, from_defaults=True)
        found.append(Contender(models.short_name(model), definition))
    for contender in [baselines, *found] if names else found:
        contender.definition.check()
    return baselines if names else None, found


def search_space(model: str, given: Mapping[str, Value], folder: Path) -> Space:
    """What is searched for the model: the settings of its file that it has and that are not given.

    Raises SpaceError for a file that cannot be read.
    """
    path = folder / f"{models.short_name(model)}.yaml"
    everything = space.read(path if path.exists() else folder / "default.yaml", model)
    return {n: d for n, d in everything.items() if has(model, n) and n not in given}


def that_fit(
    counted: Iterable[str], n_items: int, given: Mapping[str, Value]
) -> tuple[list[str], dict[str, str]]:
    """The counted models for a catalogue of so many items, and why the others refuse it."""
    fitting: list[str] = []
    refused: dict[str, str] = {}
    for model in counted:
        settings = Settings.of(model=model).as_dict() | dict(given)
        try:
            models.build(model, n_items, settings)
            fitting.append(model)
        except ValueError as error:
            refused[model] = str(error)
    return fitting, refused
