"""Every setting of a trial, declared once: its default, its help text and its limits.

A setting has one name: on the command line, in files, in MLflow and in the code. Values are checked
by ``checked``, wherever they come from.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Self, TypeVar

import models
from benchmark.errors import UserError
from benchmark.installation import training_command
from datasets.errors import quoted
from models import MODELS
from models.arguments import arguments

if TYPE_CHECKING:  # it imports torch
    from models.model import Model

Value = str | int | float
MASKED = "history masked"
"""What a protocol says of histories that are no candidates; where targets repeat, what becomes of
them follows: ``REPEATED``. Earlier versions always wrote ``MASKED`` alone."""
REPEATED = ", repeated targets "
BASELINES = "baselines"
"""The word for all counted models, where a command takes the name of a model."""
LOGGED_BESIDE = ("model_version", "model_source")
"""Parameters of runs that are no settings."""
LARGEST_COUNT = 1_000_000  # far above what trains: more is a slip of the finger

V = TypeVar("V", bound=Value)


class SettingError(UserError, ValueError):
    """A setting cannot have a value. ``why`` says what the value should be."""

    def __init__(self, name: str, value: object, why: str):
        super().__init__(name, value, why)
        self.name = name
        self.value = value
        self.why = why

    def __str__(self) -> str:
        return f"{self.name} cannot be {quoted(self.value)}: {self.why}"


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting. Its type is that of its default."""

    default: Value
    help: str
    by_data: bool = False
    """Whether the training data decide, in place of the default: benchmark/defaults.py."""
    choices: tuple[str, ...] = ()
    """All possible values; empty if there are others."""
    or_else: str = ""
    """What values beside the choices look like. They have a colon."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @property
    def kind(self) -> type[Value]:
        return type(self.default)

    @property
    def expected(self) -> str:
        """What a value should be, as a noun phrase."""
        if self.choices:
            others = f", or {self.or_else}" if self.or_else else ""
            return f"one of {', '.join(self.choices)}{others}"
        if self.kind is str:
            return "text"
        ends = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        limits = " and ".join(f"{end} {n:,}" for end, n in ends.items() if n is not None)
        number = "an integer" if self.kind is int else "a finite number"
        return f"{number}, {limits}" if limits else number

    def accepts(self, value: object) -> bool:
        """Whether the setting can have this value. An integer is accepted for a float."""
        if isinstance(value, bool):
            return False
        if isinstance(value, str):
            other = not self.choices or (bool(self.or_else) and ":" in value)
            return self.kind is str and (other or self.spelled(value) in self.choices)
        if isinstance(value, int):
            return self.kind is not str and self._within(value)
        return isinstance(value, float) and self.kind is float and self._within(value)

    def spelled(self, text: str) -> str:
        """The choice that the text means, whatever its case; the text itself if it is none."""
        return next((c for c in self.choices if c.casefold() == text.casefold()), text)

    def _within(self, number: int | float) -> bool:
        try:
            finite = self.kind is int or math.isfinite(number)
        except OverflowError:  # an integer past the largest float
            return False
        return (
            finite
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )


def _setting(
    default: V,
    help: str,
    *,
    by_data: bool = False,
    choices: tuple[str, ...] = (),
    or_else: str = "",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> V:
    """An integer without an upper limit has ``LARGEST_COUNT``."""
    if isinstance(default, int) and at_most is None:
        at_most = LARGEST_COUNT
    declaration = Setting(default, help, by_data, choices, or_else, at_least, above, at_most, below)
    return field(default=default, metadata={"setting": declaration})


# Settings of gradient descent. A model that is counted has none of them.
LEARNING = {
    "learning_rate",
    "muon_ratio",
    "schedule",
    "warmup_steps",
    "epochs",
    "batch_size",
    "windows",
    "ema_decay",
    "patience",
    "precision",
}
RECIPES = ("fast", "paper")
"""The names of all models' recipes."""


@dataclass(frozen=True)
class Settings:
    """What decides a trial's result.

    Settings that no model's constructor names belong to every model; the others belong to the
    models whose constructors name them. Defaults are BERT4Rec's; ``recipes`` override some of them,
    and the training data others (``benchmark.defaults``).

    The default sizes (hidden 64, 2 layers, 2 heads, inner 256), mask ratio and length are those of
    RecBole's published BERT4Rec.
    """

    undecided: frozenset[str] = field(default=frozenset(), kw_only=True, compare=False)
    """Settings that nobody gave, and that the training data decide."""

    own: Mapping[str, Value] = field(default_factory=dict, kw_only=True, hash=False)
    """The settings of a model outside this repository that no other model has."""

    dataset: str = _setting("amazon-books", "Data set: a name in datasets/, or a YAML file.")
    recbole_config: str = _setting(
        "",
        "RecBole configuration file: filters, split, and defaults of settings; options override "
        "it.",
    )
    model: str = _setting(
        "BERT4Rec",
        "Model to train: a name in models/, or FILE.py:CLASS or MODULE:CLASS, whose settings are "
        "options, too (docs/models.md).",
        choices=tuple(MODELS),
        or_else="FILE.py:CLASS or MODULE:CLASS",
    )
    recipe: str = _setting(
        "fast",
        "Named set of defaults; options override it. paper is for BERT4Rec alone.",
        choices=RECIPES,
    )
    learning_rate: float = _setting(0.002, "Learning rate of Adam.", above=0, at_most=1000)
    muon_ratio: float = _setting(
        7.0,
        "Learning rate of Muon, which trains the encoder's matrices, as a multiple of Adam's; 0: "
        "Adam trains them, too.",
        at_least=0,
        at_most=1000,
    )
    schedule: str = _setting(
        "plateau",
        "Learning-rate schedule after the warm-up: constant, plateau (falls to a quarter when "
        "validation stops getting better), or cosine (falls to 0 at the last step).",
        choices=("constant", "plateau", "cosine"),
    )
    warmup_steps: int = _setting(
        600, "Warm-up: steps until the full learning rate is reached.", at_least=0
    )
    seed: int = _setting(1, "Seed of all random numbers.", at_least=0, at_most=2**63 - 1)
    epochs: int = _setting(
        200, "Largest number of epochs (passes over the training data).", at_least=1
    )
    batch_size: int = _setting(32, "Training sequences per step.", by_data=True, at_least=1)
    max_length: int = _setting(
        50, "Longest sequence that the model reads, in items.", at_least=2, at_most=100_000
    )
    windows: str = _setting(
        "sampled",
        "Windows into which longer training sequences are cut: tiled (the same in every epoch, "
        "without overlap) or sampled (drawn anew in each epoch).",
        by_data=True,
        choices=("tiled", "sampled"),
    )
    hidden_size: int = _setting(
        64, "Width of the item embeddings and of the transformer layers.", at_least=1
    )
    layers: int = _setting(
        2, "Number of transformer layers, or of GRU layers.", at_least=1, at_most=1000
    )
    heads: int = _setting(2, "Number of attention heads per layer.", at_least=1, at_most=1000)
    inner_size: int = _setting(
        256, "Width of the feed-forward layers, or of the GRU layers.", at_least=1
    )
    positions: str = _setting(
        "rotary",
        "Position encoding: learned (embeddings added to the items) or rotary (queries and keys "
        "rotated in attention).",
        choices=("learned", "rotary"),
    )
    neighbours: int = _setting(
        3,
        "Number of preceding items added to each token, with learned weights; 0: none.",
        at_least=0,
        at_most=1000,
    )
    norm: str = _setting(
        "pre",
        "Place of layer norm: post (after each residual sum) or pre (before each branch).",
        choices=("post", "pre"),
    )
    head: str = _setting(
        "linear",
        "Output head between encoder and item scores: linear (one linear layer) or norm (linear "
        "layer, GELU, layer norm).",
        choices=("linear", "norm"),
    )
    repeats: str = _setting(
        "learned",
        "Scores of items already in the history: alike (as those of other items), learned (one "
        "learned weight raises or lowers them) or frequency (learned weights, by how often and how "
        "long ago an item occurred).",
        by_data=True,
        choices=("alike", "learned", "frequency"),
    )
    embeddings: str = _setting(
        "slim",
        "Initial item embeddings: random, or slim (a factorization of the weights of the model "
        "SLIM, plus small random numbers).",
        by_data=True,
        choices=("random", "slim"),
    )
    blend: str = _setting(
        "slim",
        "Second part of the scores, with a weight that is chosen on validation after training: "
        "none, or slim (the logarithm of the scores of the model SLIM).",
        by_data=True,
        choices=("none", "slim"),
    )
    initialisation: str = _setting(
        "glorot",
        "Initial weights of linear layers: glorot (Glorot uniform) or normal (normal "
        "distribution, standard deviation 0.02).",
        choices=("glorot", "normal"),
    )
    dropout: float = _setting(
        0.1, "Dropout probability of hidden values.", by_data=True, at_least=0, below=1
    )
    attention_dropout: float = _setting(
        0.0, "Dropout probability of attention weights.", at_least=0, below=1
    )
    mask_ratio: float = _setting(
        0.2, "Share of a sequence's items that are masked in training.", above=0, below=1
    )
    last_share: float = _setting(
        1.0,
        "Share of training sequences whose last item is always among the masked ones.",
        at_least=0,
        at_most=1,
    )
    causal_share: float = _setting(
        0.9,
        "Share of causal batches in training, where a mask attends only to the items before it.",
        at_least=0,
        at_most=1,
    )
    history_dropout: float = _setting(
        0.0,
        "Share of the items before a mask that are masked, too, in causal batches.",
        at_least=0,
        below=1,
    )
    negatives: int = _setting(
        4096,
        "Number of random items that the loss compares the target with, in catalogues larger than "
        "that; 0: all items.",
        at_least=0,
    )
    temperature: float = _setting(
        0.0,
        "Temperature of cosine scores, such as 0.05: an item scores by the cosine of its embedding "
        "and the query, divided by it; 0: by their product.",
        at_least=0,
        at_most=1000,
    )
    ema_decay: float = _setting(
        0.999,
        "Decay per step of the running mean of the weights, which is evaluated and kept; 0: the "
        "weights themselves.",
        at_least=0,
        below=1,
    )
    history: str = _setting(
        "ranked",
        "Items of the user's history in evaluation: ranked (candidates like all others), masked "
        "(no candidates: a target among them is a miss) or novel (no candidates: a target among "
        "them is left out).",
        choices=("ranked", "masked", "novel"),
    )
    patience: int = _setting(
        3,
        "Early stopping: epochs without a better validation ndcg@10 until the learning rate falls "
        "(schedule plateau) or training stops.",
        by_data=True,
        at_least=1,
    )
    precision: str = _setting(
        "fp32",
        "Number format in training: fp32, or bf16 (mixed precision); evaluation is in fp32.",
        choices=("fp32", "bf16"),
    )
    device: str = _setting(
        "auto", "Device: cpu, cuda, cuda:1, ...; auto: CUDA if there is any, else the CPU."
    )
    calibration: float = _setting(
        0.75,
        "Calibration of gSASRec's loss (the paper's t): from 0 (plain binary cross-entropy) to 1 "
        "(confidence as of a softmax over all items).",
        at_least=0,
        at_most=1,
    )

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
        """All settings by name, those that the model does not have included."""
        return {name: self.value(name) for name in declared(self.model)}

    def as_dict(self) -> dict[str, Value]:
        """The settings that the model has, by name; ``recbole_config`` only if there is one."""
        values = {name: value for name, value in self.values().items() if self.has(name)}
        if not self.recbole_config:
            del values["recbole_config"]
        return values

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


SETTINGS: dict[str, Setting] = {
    f.name: f.metadata["setting"] for f in fields(Settings) if "setting" in f.metadata
}
"""The declarations, by name."""


@cache
def _of_models() -> frozenset[str]:
    """Settings that only some models have."""
    return frozenset[str]().union(*(models.own_settings(name) for name in MODELS))


def declared(model: str) -> Mapping[str, Setting]:
    """The declarations by name: ``SETTINGS`` and, of a model outside this repository, its own.

    Raises ValueError for arguments of its constructor that cannot be settings.
    """
    return _declared(MODELS[model]) if models.is_outside(model) else SETTINGS


@cache
def _declared(model: "type[Model]") -> Mapping[str, Setting]:
    try:
        own = [argument for argument in arguments(model) if argument.name not in SETTINGS]
    except (ValueError, NameError, TypeError) as error:
        raise ValueError(f"{model.__name__}: its constructor: {error}") from None
    found = dict(SETTINGS)
    for name, default, help, choices in own:
        if default is None:
            raise ValueError(
                f"{model.__name__}: argument {name} of its constructor needs a default: no setting "
                "of this suite is called so"
            )
        if name in LOGGED_BESIDE:
            raise ValueError(
                f"{model.__name__}: argument {name}: runs log something else as {name}"
            )
        most = LARGEST_COUNT if isinstance(default, int) else None
        help = help or f"Setting of {model.__name__}."
        found[name] = Setting(default, help, choices=choices, at_most=most)
        _checked(name, default, found[name])
    return found


def has(model: str, name: str) -> bool:
    """Whether the model has the setting of that name."""
    if name in _of_models() or name not in SETTINGS:
        return name in models.own_settings(model)
    return models.learns(model) or name not in LEARNING


def shared(given: Mapping[str, Value], among: Iterable[str]) -> dict[str, dict[str, Value]]:
    """The given settings of each model, by its name: each model gets those that it has.

    Raises ValueError for a setting that none of the models has.
    """
    found = {
        model: {name: value for name, value in given.items() if has(model, name)} for model in among
    }
    for name in given:
        if not any(name in own for own in found.values()):
            raise ValueError(f"none of these models has a setting {name}: {', '.join(found)}")
    return {model: own | {"model": model} for model, own in found.items()}


def checked(name: str, value: object, model: str = Settings.model) -> Value:
    """The value, if the setting allows it. A choice is returned in its declared spelling.

    ``model`` is one that has the setting, or any other for a setting of this suite. Raises
    SettingError, a ValueError, if the value has another type or is outside the limits.
    """
    return _checked(name, value, declared(model)[name])


def _checked(name: str, value: object, setting: Setting) -> Value:
    if isinstance(value, str | int | float) and setting.accepts(value):
        return setting.spelled(value) if isinstance(value, str) else value
    raise SettingError(name, value, f"it should be {setting.expected}")


def converted(name: str, value: object, model: str = Settings.model) -> Value:
    """A value from a file, in the setting's type: 3.0 becomes 3 for an integer, 1 becomes 1.0.

    ``model`` is as in ``checked``. Raises SettingError as it does.
    """
    kind = declared(model)[name].kind
    if isinstance(value, float) and value.is_integer() and kind is int:
        value = int(value)
    value = checked(name, value, model)
    return float(value) if kind is float else value
