"""Suites: files that say which models are compared on which data sets, and how.

title: My suite
seeds: 3                       # of each learned model's best point
budget: 8                      # points of each learned model, or 2h for each data set
settings: {epochs: 50}         # of the models that have them
datasets:
  - ml-100k
  - {dataset: beauty, history: masked}
models:
  SASRec:
  BERT4Rec: {settings: {layers: 1}, space: {learning_rate: [0.001, 0.003]}}
baselines: [Popularity, EASE]  # false: none; left out: all counted models

Settings of a model go before those of a data set, and these before those of the suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from benchmark import durations
from benchmark.errors import UserError
from benchmark.installation import ROOT
from benchmark.settings.declaration import Value
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import converted, declared, has
from benchmark.sweeps import space
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.contenders import Own
from benchmark.sweeps.options import DEFAULT_BUDGET
from benchmark.sweeps.request import OF_ALL, Request
from datasets import DataError
from datasets.checking import plain_yaml
from datasets.checking.checked import UNPRINTABLE, list_at, mapping
from datasets.errors import quoted
from datasets.specs import recbole, spec
from datasets.specs.spec import Spec

SUITES = ROOT / "suites"
"""The suites that are named without a path."""
KEYS = ("title", "seeds", "budget", "settings", "datasets", "models", "baselines")
MOST_SEEDS = 1000
DEFAULT_SEEDS = 3


class SuiteError(UserError):
    """A suite cannot be read. The message says where and why."""


@dataclass(frozen=True)
class SuiteData:
    """A data set of a suite, under one protocol."""

    spec: Spec
    settings: Mapping[str, Value]
    """``dataset``, and settings for the models that have them."""

    @property
    def name(self) -> str:
        """The name of the data set, and what tells two protocols of the same data apart."""
        given = self.settings
        parts = [self.spec.name, str(given.get("history", ""))]
        if users := given.get("evaluate_users"):
            parts.append(f"{users}-users")
        parts.append(Path(str(given.get("recbole_config", ""))).stem)
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Suite:
    """The content of a suite's file. All of it has been checked."""

    name: str
    """Of the file, without its suffix."""
    title: str
    text: str
    """The file as it is."""
    seeds: int
    """Of each learned model's best point."""
    budget: Budget
    """Of each data set."""
    settings: Mapping[str, Value]
    """For the models that have them."""
    datasets: tuple[SuiteData, ...]
    learned: Mapping[str, Own]
    """By model."""
    counted: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """The names of all models, as reports show them: the learned ones first."""
        return [models.short_name(model) for model in (*self.learned, *self.counted)]

    def request(self, entry: SuiteData) -> Request:
        """What is compared on one data set."""
        return Request(
            f"{self.name}-{entry.name}",
            tuple(self.learned),
            self.counted,
            {**self.settings, **entry.settings},
            self.budget,
            self.seeds,
            owned=self.learned,
        )


def read(name_or_path: str) -> Suite:
    """The suite with that name in ``SUITES``, or the one in the YAML file at that path.

    Raises SuiteError for an unknown name and for a file that is no suite, and DataError for a file
    that cannot be read.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        names = sorted(file.stem for file in SUITES.glob("*.yaml"))
        if name_or_path not in names:
            raise SuiteError(
                f"no suite is called {quoted(name_or_path)}: choose one of {', '.join(names)}, or "
                "give the path of a YAML file"
            )
        path = SUITES / f"{name_or_path}.yaml"
    content = plain_yaml.read(path)
    try:
        suite = _suite(path.stem, content, path.read_text("utf-8-sig"))
        _check(suite)
        return suite
    except (ValueError, UserError, DataError) as error:
        raise SuiteError(f"{path}: {error}") from None


def _suite(name: str, content: object, text: str) -> Suite:
    """Raises ValueError, UserError or DataError for whatever would be ignored or fail later."""
    parts = mapping(content, "the file")
    for key in parts:
        if key not in KEYS:
            raise ValueError(f"unknown key {quoted(key)} (known: {', '.join(KEYS)})")
    title = parts.get("title", name)
    if not isinstance(title, str) or UNPRINTABLE.search(title) or not title.strip():
        raise ValueError(f"title should be one line of text, not {quoted(title)}")
    seeds = parts.get("seeds", DEFAULT_SEEDS)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(
            f"seeds should be a whole number from 1 to {MOST_SEEDS:,}, not {quoted(seeds)}"
        )
    learned = dict(_learned(parts.get("models")))
    counted = _counted(parts.get("baselines", True))
    if not learned and not counted:
        raise ValueError("no model is named under models, and baselines has none")
    entries = tuple(_entries(parts, (*learned, *counted)))
    return Suite(
        name,
        title,
        text,
        seeds,
        _budget(parts.get("budget", DEFAULT_BUDGET)),
        _settings(parts.get("settings"), "settings", (*learned, *counted), ("dataset", "model")),
        entries,
        learned,
        counted,
    )


def _budget(given: object) -> Budget:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError(
            f"budget should be a number of points, such as 8, or {durations.EXPECTED}, not "
            f"{quoted(given)}"
        )
    try:
        return Budget.read(str(given))
    except ValueError as error:
        raise ValueError(f"budget: {error}") from None


def _check(suite: Suite) -> None:
    """Raises ValueError, UserError or DataError for settings and spaces that do not go together."""
    seen: set[str] = set()
    for number, entry in enumerate(suite.datasets, start=1):
        if entry.name in seen:
            raise ValueError(
                f"datasets, entry {number}: {quoted(entry.name)} is there twice: entries differ in "
                "the name of the data set, history, evaluate_users or recbole_config"
            )
        seen.add(entry.name)
        try:
            suite.request(entry).check()
        except (ValueError, UserError, DataError) as error:
            raise ValueError(f"with {quoted(entry.name)} of datasets: {error}") from None


def _entries(parts: dict[str, Any], of_models: tuple[str, ...]) -> Iterator[SuiteData]:
    found = list_at(parts, "datasets")
    if not found:
        raise ValueError("datasets should be a list with at least one data set")
    for number, content in enumerate(found, start=1):
        where = f"datasets, entry {number}"
        given = content if isinstance(content, dict) else {"dataset": content}
        name = given.get("dataset")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{where} should name a data set, not {quoted(content)}")
        others = {key: value for key, value in given.items() if key != "dataset"}
        settings = _settings(others, where, of_models, ("model",))
        try:
            config = settings.get("recbole_config")
            known = recbole.read_spec(name, str(config)) if config else spec.read(name)
        except DataError as error:
            raise ValueError(f"{where}: {error}") from None
        yield SuiteData(known, {"dataset": name, **settings})


def _learned(content: object) -> Iterator[tuple[str, Own]]:
    seen: set[str] = set()
    for key, value in mapping(content or {}, "models").items():
        name = SETTINGS["model"].spelled(str(key))
        _check_model(name, "models")
        if not models.learns(name):
            raise ValueError(f"models: {name} is a counted model: name it under baselines")
        if models.short_name(name) in seen:
            raise ValueError(f"models: {models.short_name(name)} is there twice")
        seen.add(models.short_name(name))
        where = f"models: {name}"
        parts = mapping(value or {}, where)
        for part in parts:
            if part not in ("settings", "space"):
                raise ValueError(f"{where}: unknown key {quoted(part)} (known: settings, space)")
        settings = _settings(parts.get("settings"), where, (name,), (*OF_ALL, "model"))
        searched = None
        if "space" in parts:
            try:
                searched = space.of(mapping(parts["space"], "space"), name)
            except (ValueError, UserError) as error:
                raise ValueError(f"{where}: {error}") from None
        yield name, Own(settings, searched)


def _counted(content: object) -> tuple[str, ...]:
    if content is True:
        return tuple(models.counted_models())
    if content is False:
        return ()
    if not isinstance(content, list):
        raise ValueError(f"baselines should be true, false or a list, not {quoted(content)}")
    names = [SETTINGS["model"].spelled(str(name)) for name in content]
    for name in names:
        _check_model(name, "baselines")
        if models.learns(name):
            raise ValueError(f"baselines: {name} is a learned model: name it under models")
    return tuple(dict.fromkeys(names))


def _check_model(name: str, where: str) -> None:
    """Raises ValueError for a model that there is not, or that cannot be loaded."""
    if name not in models.MODELS and not models.is_outside(name):
        known = ", ".join(models.MODELS)
        raise ValueError(f"{where}: no model is called {quoted(name)} (known: {known})")
    try:
        declared(name)
    except (ValueError, UserError) as error:
        raise ValueError(f"{where}: {error}") from None


def _settings(
    content: object, where: str, of_models: tuple[str, ...], without: tuple[str, ...]
) -> dict[str, Value]:
    """The settings by name. Raises ValueError for one that none of the models has."""
    found = {}
    for name, value in mapping(content or {}, where).items():
        known = [m for m in of_models if isinstance(name, str) and name in declared(m)]
        having = [model for model in known if has(model, name)]
        if not having or name in without:
            why = "cannot be given here" if having else "no model of this part has such a setting"
            raise ValueError(f"{where}: {quoted(name)}: {why}")
        kind = declared(having[0])[name].kind
        if isinstance(value, str) and kind is not str:
            with suppress(ValueError):
                value = float(value)  # YAML reads 1e-3 as text
        if isinstance(value, str) and not value.isprintable():
            raise ValueError(f"{where}: {name} should be printable text, not {quoted(value)}")
        try:
            found[name] = converted(name, value, having[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return found
