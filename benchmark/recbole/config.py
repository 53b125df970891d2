"""RecBole's configuration files: what they say of a trial's settings. Of data: datasets.recbole."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from benchmark.metrics import METRICS, SELECTION_METRIC, K
from benchmark.settings import Settings
from benchmark.sweeps.space import RECBOLE_NAMES, checked, shown
from datasets import recbole
from datasets.recbole import refused

NEGATIVES = ("train_neg_sample_args", "neg_sampling")
# RecBole's keys, and our settings.
SETTINGS = {
    **RECBOLE_NAMES,
    **dict.fromkeys(NEGATIVES, "negatives"),
    "embedding_size": "hidden_size",
    **{name: name for name in ("hidden_size", "inner_size", "mask_ratio", "learning_rate")},
    **{name: name for name in ("epochs", "seed", "model", "dataset")},
}
# Where they are others, or none, for a model.
OF_MODEL = {
    "GRU4Rec": {
        "hidden_size": "inner_size",
        "inner_size": None,
        "num_layers": "layers",
        "dropout_prob": "dropout",
    },
    "gSASRec": dict.fromkeys(NEGATIVES),  # whose loss needs some
}
MOST = 2**31 - 1
PROTOCOL = ("metrics", "topk", "valid_metric", "loss_type")


@dataclass(frozen=True)
class Config:
    """A configuration file, or none: what gives the settings that no option gives."""

    path: str
    content: dict

    def settings(self, **given) -> Settings:
        """Those given; of the others the file's, if the model has them; of the others the recipe's.

        Raises DataError for values that the file should not have, ValueError for settings that do
        not go together.
        """
        values = self._values(given)
        has = Settings.of(model=(values | given).get("model", Settings.model)).has
        return Settings.of(**{name: v for name, v in values.items() if has(name)} | given)

    def resolve(self, given: dict) -> Settings:
        """The settings, after what there is to say of the file was said on stderr.

        Raises DataError as ``settings``, and UsageError for its ValueError.
        """
        try:
            settings = self.settings(**given)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        for note in self._notes(settings, given):
            print(f"{self.path}: {note}", file=sys.stderr)
        return settings

    def _values(self, given: dict) -> dict[str, str | int | float]:
        """What the file says of settings, and no option does."""
        found = {}
        if "model" in self.content and "model" not in given:
            found["model"] = self._value("model", "model")
        names = _names((found | given).get("model"))
        for key in self.content:
            name = names.get(key)
            if name is None or name in given:
                continue
            value = self._value(key, name)
            if found.setdefault(name, value) != value:
                raise refused(self.path, key, value, f"another key gives {name} {found[name]}")
        return found

    def _value(self, key: str, name: str) -> str | int | float:
        value = self.content[key]
        if key in NEGATIVES:
            _check_negatives(self.path, key, value)
            return 0  # all items
        try:
            word = isinstance(value, str) and value.isprintable()
            if not (word or isinstance(value, int | float)) or isinstance(value, bool):
                raise ValueError("it should be a number or a word")
            if isinstance(value, int) and abs(value) > MOST:
                raise ValueError("it is too large")
            if word and name not in ("model", "dataset"):
                value = float(value)  # YAML takes 1e-3 for text
            return checked(name, value)
        except (ValueError, OverflowError) as error:
            raise refused(self.path, key, self.content[key], str(error)) from None

    def _notes(self, settings: Settings, given: dict) -> Iterator[str]:
        """What of the file is not done, or not in RecBole's way."""
        _, split = recbole.protocol(self.content, self.path)
        names = _names(settings.model)
        understood = {key for key, name in names.items() if name and settings.has(name)}
        understood |= {*PROTOCOL, *recbole.KEYS}
        unused = [shown(str(key)) for key in self.content if key not in understood]
        tables = self.content.get("load_col") or ()
        unused += [f"load_col.{shown(str(table))}" for table in tables if table != "inter"]
        if unused:
            yield f"not supported here, and not used: {', '.join(unused)}"
        batch_size = settings.has("batch_size") and "batch_size" not in given
        if batch_size and "train_batch_size" in self.content:
            usual = Settings.of(model=settings.model, recipe=settings.recipe).batch_size
            yield (
                f"RecBole's train_batch_size {settings.batch_size} counts prefixes with one target "
                "each; here it counts windows of which each item is a target, so that steps are "
                f"few: the recipe has --batch-size {usual}"
            )
        if split == "temporal":
            yield (
                "RecBole asks for every interaction of the last two periods; here each user's "
                "first in each is asked for (split: temporal)"
            )
        others = [str(k) for k in _cutoffs(self.content.get("topk", K)) if k != K]
        if others:
            yield (
                f"metrics are logged at {K}; for topk {', '.join(others)}: "
                f"python -m benchmark.report --k {','.join(others)}"
            )


def read(given: dict) -> Config:
    """The file that the options name, or none.

    Raises DataError if it is no configuration, or asks for results that are not computed here.
    """
    path = given.get("recbole_config", "")
    content = recbole.read(path) if path else {}
    _check_metrics(path, content)
    return Config(path, content)


def _names(model: str | None) -> dict[str, str | None]:
    return SETTINGS | OF_MODEL.get(model, {})


def _check_metrics(path: str, content: dict) -> None:
    metrics = content.get("metrics", [])
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        if str(metric).lower() not in METRICS:
            raise refused(path, "metrics", metrics, f"there are {', '.join(METRICS)}")
    if K not in (cutoffs := _cutoffs(content.get("topk", K))) or not _all_counts(cutoffs):
        raise refused(path, "topk", content["topk"], f"metrics are logged at {K}: add it")
    if str(content.get("valid_metric", SELECTION_METRIC)).lower() != SELECTION_METRIC:
        why = f"the best epoch is that of the best {SELECTION_METRIC}"
        raise refused(path, "valid_metric", content["valid_metric"], why)
    if content.get("loss_type", "CE") != "CE":
        why = "the loss is a softmax over items: it should be CE"
        raise refused(path, "loss_type", content["loss_type"], why)


def _cutoffs(topk: object) -> list:
    return topk if isinstance(topk, list) else [topk]


def _all_counts(values: list) -> bool:
    return all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in values)


def _check_negatives(path: str, key: str, value: object) -> None:
    drawn = value.get("distribution", value) if isinstance(value, dict) else value
    if drawn not in (None, "None", "none"):
        why = "the loss is a softmax over items: it should be None, as for loss_type CE"
        raise refused(path, key, value, why)
