"""RecBole's configuration files: the settings of a trial in them.

``datasets.specs.recbole`` reads the filters and the split from the same files. A key whose value
would mean another evaluation than seqrec's is refused; a key that nobody reads is named in a note.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchmark.errors import printable
from benchmark.measures.metrics import METRICS, SELECTION_METRIC, K
from benchmark.recbole import names
from benchmark.settings.declaration import SettingError, Value
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings, converted
from datasets.specs import recbole
from datasets.specs.recbole import refused

PROTOCOL = ("metrics", "topk", "valid_metric", "loss_type")
"""Keys whose values are checked against seqrec's evaluation."""

_TEMPORAL = (
    "RecBole evaluates every interaction of the last two periods; here each user's first "
    "interaction in each period is evaluated (split: temporal)"
)
_TIME_SPLIT = (
    "RecBole's TS takes validation from the end of each user's interactions before the test "
    "period; here it is the period before test, the same for all users (split: temporal)"
)


@dataclass(frozen=True)
class Config:
    """The content of a configuration file: settings that no option overrides.

    Without a file the path and the content are empty.
    """

    path: str
    content: dict[str, Any]

    def settings(self, **given: Value) -> Settings:
        """The settings given, then those of the file that the model has, then the recipe's.

        Raises DataError for a value of the file that is refused, and ValueError for settings that
        are given and refused, or do not go together.
        """
        from_file = self._settings_besides(given)
        has = Settings.of(model=(from_file | given).get("model", Settings.model)).has
        return Settings.of(**{k: v for k, v in from_file.items() if has(k)} | given)

    def notes(self, settings: Settings, given: Mapping[str, Value]) -> Iterator[str]:
        """One line for each part of the file that is not used, or not used as RecBole uses it.

        Raises DataError for filters and splits that seqrec does not have.
        """
        _, split = recbole.filters_and_split(self.content, self.path)
        for note in (
            self._unused(settings),
            self._few_steps(settings, given),
            self._period(split),
            self._other_cutoffs(),
        ):
            if note:
                yield f"{self.path}: {note}"

    def _settings_besides(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """The settings of the file that are not given."""
        found: dict[str, Value] = {}
        if "model" in self.content and "model" not in given:
            found["model"] = self._value("model", "model")
        model = given.get("model", found.get("model", Settings.model))
        settings = names.in_config(SETTINGS["model"].spelled(str(model)))
        for key in self.content:
            name = settings.get(key)
            if name is None or name in given:
                continue
            value = self._value(key, name)
            if found.setdefault(name, value) != value:
                raise refused(self.path, key, value, f"another key gives {name} {found[name]}")
        return found

    def _value(self, key: str, name: str) -> Value:
        """The value of the key, for the setting of that name."""
        if key in names.NEGATIVES:
            _check_negatives(self.path, key, self.content[key])
            return 0  # all items
        value = self.content[key]
        if isinstance(value, str) and SETTINGS[name].kind is not str:
            with suppress(ValueError):
                value = float(value)  # YAML reads 1e-3 as text
        if isinstance(value, str) and not value.isprintable():
            raise refused(self.path, key, value, "it should be printable text")
        try:
            return converted(name, value)
        except SettingError as error:
            raise refused(self.path, key, self.content[key], error.why) from None

    def _period(self, split: str) -> str:
        if split != "temporal":
            return ""
        every = recbole.temporal_of(self.content).target == "successive"
        return _TIME_SPLIT if every else _TEMPORAL

    def _unused(self, settings: Settings) -> str:
        keys = names.in_config(settings.model).items()
        used = {key for key, name in keys if name and settings.has(name)}
        used |= {*PROTOCOL, *recbole.DATA_KEYS}
        unused = [printable(str(key)) for key in self.content if key not in used]
        tables = self.content.get("load_col") or ()
        unused += [f"load_col.{printable(str(table))}" for table in tables if table != "inter"]
        return f"not supported here, and not used: {', '.join(unused)}" if unused else ""

    def _few_steps(self, settings: Settings, given: Mapping[str, Value]) -> str:
        if "train_batch_size" not in self.content or "batch_size" in given:
            return ""
        if not settings.has("batch_size"):
            return ""
        return (
            f"RecBole's train_batch_size {settings.batch_size} counts prefixes with one target "
            "each; here it counts windows in which every item is a target, so an epoch has few "
            "steps: 32 to 256 is usual (--batch-size)"
        )

    def _other_cutoffs(self) -> str:
        others = [str(k) for k in _listed(self.content.get("topk", K)) if k != K]
        if not others:
            return ""
        return (
            f"metrics are logged at {K}; for topk {', '.join(others)}: "
            f"python -m benchmark.report --k {','.join(others)}"
        )


def read(given: Mapping[str, Value]) -> Config:
    """The configuration file that the options name, or an empty one.

    Raises DataError if it is no configuration, or if it needs another evaluation than seqrec's.
    """
    path = str(given.get("recbole_config", ""))
    content = recbole.read(path) if path else {}
    _check_metrics(path, content)
    return Config(path, content)


def _check_metrics(path: str, content: dict[str, Any]) -> None:
    metrics = content.get("metrics", [])
    for metric in _listed(metrics):
        if str(metric).lower() not in METRICS:
            raise refused(path, "metrics", metrics, f"the metrics are {', '.join(METRICS)}")
    cutoffs = _listed(content.get("topk", K))
    if K not in cutoffs or not all(_is_count(k) for k in cutoffs):
        raise refused(path, "topk", content["topk"], f"metrics are logged at {K}: add {K}")
    if str(content.get("valid_metric", SELECTION_METRIC)).lower() != SELECTION_METRIC:
        why = f"the best epoch is chosen by {SELECTION_METRIC}"
        raise refused(path, "valid_metric", content["valid_metric"], why)
    if content.get("loss_type", "CE") != "CE":
        why = "the loss is a softmax over items: it should be CE"
        raise refused(path, "loss_type", content["loss_type"], why)


def _check_negatives(path: str, key: str, value: object) -> None:
    drawn = value.get("distribution", value) if isinstance(value, dict) else value
    if drawn not in (None, "None", "none"):
        why = "the loss is a softmax over items: it should be None, as for loss_type CE"
        raise refused(path, key, value, why)


def _listed(value: Any) -> list[Any]:
    """RecBole takes a list, or one value of it."""
    return value if isinstance(value, list) else [value]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
