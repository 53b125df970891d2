"""The settings of a trial. ``fields`` declares them, and ``checked`` checks their values, wherever
they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Self

import models
from benchmark.installation import training_command
from benchmark.settings.declaration import Setting, Value, of_constructor
from benchmark.settings.fields import LEARNING, SETTINGS, Fields
from models import MODELS

if TYPE_CHECKING:  # it imports torch
    from models.model import Model

RARE = ("recbole_config", "evaluate_users")
"""Settings that are recorded only where they are used."""
BASELINES = "baselines"
"""The word for all counted models, where a command takes the name of a model."""


@dataclass(frozen=True)
class Settings(Fields):
    """What decides a trial's result.

    Settings that no model's constructor names belong to every model; the others belong to the
    models whose constructors name them. ``recipes`` override some defaults, and the training data
    others (``benchmark.training.defaults``).
    """

    undecided: frozenset[str] = field(default=frozenset(), kw_only=True, compare=False)
    """Settings that nobody gave, and that the training data decide."""

    own: Mapping[str, Value] = field(default_factory=dict, kw_only=True, hash=False)
    """The settings that the model's constructor alone declares."""

    def __post_init__(self) -> None:
        for name in SETTINGS:
            value = getattr(self, name)
            object.__setattr__(self, name, checked(name, value))  # the class is frozen
        object.__setattr__(self, "own", self._checked_own())
        if self.recipe not in MODELS[self.model].recipes:
            known = ", ".join(MODELS[self.model].recipes)
            raise ValueError(f"{self.model} has no recipe {self.recipe!r}; it has: {known}")
        MODELS[self.model].check(self.values())
        if not self.has("heads"):
            return
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be divided among {self.heads} heads"
            )
        rotary = self.has("positions") and self.positions == "rotary"
        if rotary and self.hidden_size // self.heads % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} gives each of {self.heads} heads an odd number of "
                "values, but rotary positions need pairs: choose another hidden_size, or positions "
                "learned"
            )

    def _checked_own(self) -> dict[str, Value]:
        declarations = {k: v for k, v in declared(self.model).items() if k not in SETTINGS}
        for name in self.own:
            if name not in declarations:
                raise ValueError(f"{self.model} has no setting {name}")
        return {
            name: checked(name, self.own.get(name, setting.default), self.model)
            for name, setting in declarations.items()
        }

    @property
    def model_name(self) -> str:
        """The name of the model's class, as reports show it."""
        return models.short_name(self.model)

    @property
    def masks_history(self) -> bool:
        """Whether the items of a history are no candidates."""
        return self.history != "ranked"

    @classmethod
    def of(cls, **given: Value) -> Self:
        """The settings of a trial: those given, then the recipe's, then the defaults.

        Raises ValueError for a value outside the setting's limits, for a setting that the model
        does not have, and for settings that do not go together.
        """
        model = checked("model", given.get("model", cls.model))
        recipe = checked("recipe", given.get("recipe", cls.recipe))
        recipes = MODELS[str(model)].recipes
        values = {**models.defaults(str(model)), **recipes.get(str(recipe), {}), **given}
        undecided = frozenset(
            name
            for name, setting in SETTINGS.items()
            if setting.by_data and name not in values and has(str(model), name)
        )
        settings = cls.stored(values, undecided)
        for name in given:
            if not settings.has(name):
                raise ValueError(f"{settings.model} has no setting {name}")
        return settings

    @classmethod
    def stored(cls, values: Mapping[str, Value], undecided: frozenset[str] = frozenset()) -> Self:
        """The settings with these values; others have their defaults, whatever the recipe says.

        Raises ValueError as ``of`` does.
        """
        own = {name: value for name, value in values.items() if name not in SETTINGS}
        shared = {name: value for name, value in values.items() if name in SETTINGS}
        return cls(**shared, own=own, undecided=undecided)  # type: ignore[arg-type]  # checked

    def has(self, name: str) -> bool:
        """Whether the model has the setting of that name."""
        return has(self.model, name)

    def value(self, name: str) -> Value:
        """The value of the setting of that name."""
        value: Value = self.own[name] if name in self.own else getattr(self, name)
        return value

    def values(self) -> dict[str, Value]:
        """All settings by name, including settings that the model does not have."""
        return {name: self.value(name) for name in declared(self.model)}

    def as_dict(self) -> dict[str, Value]:
        """The settings that the model has, by name; those of RARE only if they are used."""
        values = {name: value for name, value in self.values().items() if self.has(name)}
        return {name: value for name, value in values.items() if value or name not in RARE}

    def described(self, names: Iterable[str]) -> str:
        """The settings of these names, in a line."""
        wanted = set(names)
        return ", ".join(
            f"{name} {value}" for name, value in self.values().items() if name in wanted
        )

    def command(self, data_dir: str | None = None) -> str:
        """The command that repeats this trial, on raw files in the folder ``data_dir``.

        It lists the data set, the learning rate, and every setting that differs from the recipe's
        or that the data decide. With a ``recbole_config`` it lists all settings, because the file
        overrides the recipe.
        """
        usual: dict[str, Value] = {}
        if not self.recbole_config:
            recipe = Settings.of(model=self.model, recipe=self.recipe)
            usual = {k: v for k, v in recipe.as_dict().items() if k not in recipe.undecided}
            usual |= {"model": Settings.model, "recipe": Settings.recipe}
            del usual["dataset"]
            usual.pop("learning_rate", None)  # a model that is counted has none
        given = {k: v for k, v in self.as_dict().items() if v != usual.get(k)}
        if data_dir:
            given["data_dir"] = data_dir
        return training_command(given)


@cache
def _of_models() -> frozenset[str]:
    """Settings that only some models have."""
    return frozenset[str]().union(*(models.own_settings(name) for name in MODELS))


def declared(model: str) -> Mapping[str, Setting]:
    """The declarations by name: ``SETTINGS``, and those of the model's constructor.

    Raises ValueError for arguments of its constructor that cannot be settings.
    """
    return _declared(MODELS[model])


@cache
def _declared(model: "type[Model]") -> Mapping[str, Setting]:
    return SETTINGS | of_constructor(model, SETTINGS)


def has(model: str, name: str) -> bool:
    """Whether the model has the setting of that name."""
    if name in _of_models() or name not in SETTINGS:
        return name in models.own_settings(model)
    return models.learns(model) or name not in LEARNING


def shared(given: Mapping[str, Value], among: Iterable[str]) -> dict[str, dict[str, Value]]:
    """For each model, by name: those of the given settings that the model has.

    Raises ValueError for a setting that none of the models has.
    """
    found = {
        model: {name: value for name, value in given.items() if has(model, name)} for model in among
    }
    for name in given:
        if not any(name in own for own in found.values()):
            raise ValueError(f"none of these models has a setting {name}: {', '.join(found)}")
    return {model: own | {"model": model} for model, own in found.items()}


def checked(name: str, value: object, model: str | None = None) -> Value:
    """The value, if the setting allows it. A choice is returned in its declared spelling.

    ``model`` has the setting; it need not be given for one of ``SETTINGS``. Raises SettingError, a
    ValueError, if the value has another type or is outside the limits.
    """
    return _declaration(name, model).checked(name, value)


def converted(name: str, value: object, model: str | None = None) -> Value:
    """A value from a file, in the setting's type: 3.0 becomes 3 for an integer, 1 becomes 1.0.

    ``model`` is as in ``checked``. Raises SettingError as it does.
    """
    setting = _declaration(name, model)
    if isinstance(value, float) and value.is_integer() and setting.kind is int:
        value = int(value)
    value = setting.checked(name, value)
    return float(value) if setting.kind is float else value


def _declaration(name: str, model: str | None) -> Setting:
    return declared(model)[name] if model else SETTINGS[name]
