"""Every setting of a trial: its name on the command line, in MLflow and in the code is one."""

from dataclasses import asdict, dataclass, field, fields
from typing import Self

import models
from models import MODELS


def _setting(default, help: str, **limits):
    return field(default=default, metadata={"help": help, **limits})


# Of gradient descent: models that are counted have none of them.
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
OF_MODELS = set().union(*(models.own_settings(name) for name in MODELS))
RECIPES = tuple(dict.fromkeys(name for model in MODELS.values() for name in model.recipes))


@dataclass(frozen=True)
class Settings:
    """What decides a trial's result.

    A model has those settings that its constructor names, and those that no model's does. Defaults
    are BERT4Rec's, and of the others those that the model's ``recipes`` do not give.

    Size (hidden 64, 2 layers, 2 heads, inner 256), mask ratio and length are by default those of
    RecBole's published BERT4Rec. A trial runs for all its epochs unless ``patience`` is smaller:
    its step size falls to 0 at the end, which is when it learns most.
    """

    dataset: str = _setting("amazon-books", "A name in datasets/, or the path of a YAML file.")
    recbole_config: str = _setting(
        "", "RecBole's configuration file: gives filters, split, and settings that are not given."
    )
    model: str = _setting("BERT4Rec", "A name in models/.", choices=tuple(MODELS))
    recipe: str = _setting("fast", "Gives the settings that are not given.", choices=RECIPES)
    learning_rate: float = _setting(0.002, "Step size of Adam.", above=0)
    muon_ratio: float = _setting(
        7.0,
        "Muon's step size, on the encoder's matrices, over Adam's; 0: Adam for all.",
        at_least=0,
    )
    schedule: str = _setting(
        "cosine",
        "Of the step size; cosine: down to 0 in the last epoch.",
        choices=("constant", "cosine"),
    )
    warmup_steps: int = _setting(600, "Steps in which it rises to that.", at_least=0)
    seed: int = _setting(1, "Seed of every random number.", at_least=0)
    epochs: int = _setting(20, "At most so many passes over the data.", at_least=1)
    batch_size: int = _setting(32, "Training sequences per step.", at_least=1)
    max_length: int = _setting(50, "Longest sequence the model sees.", at_least=2)
    windows: str = _setting(
        "sampled",
        "Of a longer sequence: tiled, or sampled anew in each epoch.",
        choices=("tiled", "sampled"),
    )
    hidden_size: int = _setting(64, "Width of the model.", at_least=1)
    layers: int = _setting(2, "Transformer layers.", at_least=1)
    heads: int = _setting(2, "Attention heads.", at_least=1)
    inner_size: int = _setting(256, "Width of the feed-forward layers.", at_least=1)
    positions: str = _setting(
        "rotary", "Added to items, or known to attention.", choices=("learned", "rotary")
    )
    neighbours: int = _setting(
        3, "So many items before it are added to each, with learned weights.", at_least=0
    )
    norm: str = _setting(
        "pre", "Layer norm after each residual sum, or before each branch.", choices=("post", "pre")
    )
    head: str = _setting(
        "linear", "Between encoder and items; norm: with GELU and norm.", choices=("linear", "norm")
    )
    repeats: str = _setting(
        "learned",
        "Scores of items in the history: all alike, or raised or lowered by a learned weight.",
        choices=("alike", "learned"),
    )
    initialisation: str = _setting(
        "glorot", "Of linear layers; normal: N(0, .02).", choices=("glorot", "normal")
    )
    dropout: float = _setting(0.1, "Probability of dropping a value.", at_least=0, below=1)
    attention_dropout: float = _setting(
        0.0, "Of dropping an attention weight.", at_least=0, below=1
    )
    mask_ratio: float = _setting(0.2, "Share of items masked in training.", above=0, below=1)
    last_share: float = _setting(
        1.0, "Share of sequences whose last item is masked in any case.", at_least=0, at_most=1
    )
    causal_share: float = _setting(
        0.9, "Share of batches in which a mask sees only what is before it.", at_least=0, at_most=1
    )
    history_dropout: float = _setting(
        0.0, "Share of the items before such a mask that are masks, too.", at_least=0, below=1
    )
    negatives: int = _setting(
        4096,
        "Random items that the loss compares with, if there are more; 0: all items, always.",
        at_least=0,
    )
    ema_decay: float = _setting(
        0.999,
        "Of the running mean of the weights, which is what is evaluated.",
        at_least=0,
        below=1,
    )
    history: str = _setting(
        "ranked",
        "In evaluation; masked: what a user had is no candidate.",
        choices=("ranked", "masked"),
    )
    patience: int = _setting(20, "Stop after so many epochs without better ndcg@10.", at_least=1)
    precision: str = _setting("fp32", "Of training; ranking is fp32.", choices=("fp32", "bf16"))
    device: str = _setting("auto", "cpu, cuda, cuda:1, ...; auto: CUDA where there is one.")

    calibration: float = _setting(
        0.75, "gSASRec's t: from 0, as after sampling, to 1, as after none.", at_least=0, at_most=1
    )

    def __post_init__(self):
        for setting in fields(self):
            value = getattr(self, setting.name)
            kinds = (int, float) if setting.type is float else setting.type
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"{setting.name} cannot be {str(value)[:50]!r}")
        if self.recipe not in MODELS[self.model].recipes:
            known = ", ".join(MODELS[self.model].recipes)
            raise ValueError(f"{self.model} has no recipe {self.recipe!r}; it has: {known}")
        if not self.has("heads"):
            return
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be divided among {self.heads} heads"
            )
        if self.positions == "rotary" and self.hidden_size // self.heads % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} gives each of {self.heads} heads an odd number of "
                "values, and rotary positions turn pairs: choose another, or positions learned"
            )

    @classmethod
    def of(cls, **given) -> Self:
        """Those given; of the others, the recipe's. Raises ValueError if they do not fit."""
        recipes = MODELS[given.get("model", cls.model)].recipes
        settings = cls(**recipes.get(given.get("recipe", cls.recipe), {}) | given)
        for name in given:
            if not settings.has(name):
                raise ValueError(f"{settings.model} has no setting {name}")
        return settings

    def has(self, name: str) -> bool:
        """Whether a setting says anything to this model."""
        if name in OF_MODELS:
            return name in models.own_settings(self.model)
        return models.learns(self.model) or name not in LEARNING

    def as_dict(self) -> dict[str, str | int | float]:
        """What this model has, and ``recbole_config`` only if there is one."""
        values = {name: value for name, value in asdict(self).items() if self.has(name)}
        if not self.recbole_config:
            del values["recbole_config"]
        return values

    def command(self) -> str:
        """The command that repeats this trial: every setting that its recipe does not give, or all
        if there is a ``recbole_config``, which comes before the recipe."""
        theirs = Settings.of(model=self.model, recipe=self.recipe).as_dict()
        theirs |= {"model": Settings.model, "recipe": Settings.recipe}
        theirs |= {"dataset": None, "learning_rate": None}  # are always said
        theirs = {} if self.recbole_config else theirs
        given = [f"-P {k}={v}" for k, v in self.as_dict().items() if v != theirs.get(k)]
        return " ".join(["mlflow run .", *given])
