"""Search spaces: which values of which settings a sweep tries. They are parsed, never evaluated.

hyper.test, as RecBole reads it          the same in YAML

learning_rate choice [0.001, 0.003]      learning_rate: [0.001, 0.003]
dropout uniform 0.1, 0.5                 dropout: {uniform: [0.1, 0.5]}
hidden_size quniform 32, 128, 32         hidden_size: {quniform: [32, 128, 32]}
learning_rate loguniform -8, -4          learning_rate: {loguniform: [0.0003, 0.02]}

`in` is another word for `choice`. The bounds of a loguniform are exponents of e in hyper.test, as
RecBole has it, and the values themselves in YAML.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import click

from benchmark import options
from benchmark.settings import Settings
from datasets import DataError, plain_yaml
from datasets.errors import LONGEST_QUOTE, quoted

Value = str | int | float


class SpaceError(click.ClickException):
    """A search space cannot be read or tried. The message says where and why."""


@dataclass(frozen=True)
class Choice:
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"choice [{', '.join(map(str, self.values))}]"


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``, both included; of a setting that is an integer, the integers."""

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    def __str__(self) -> str:
        if self.log:
            return f"loguniform {math.log(self.low):.6g}, {math.log(self.high):.6g}"
        if self.step:
            return f"quniform {self.low}, {self.high}, {self.step}"
        return f"uniform {self.low}, {self.high}"


Space = dict[str, Choice | Interval]
"""By the name of the setting, in the order of the file."""

RECBOLE_NAMES = {
    "attn_dropout_prob": "attention_dropout",
    "hidden_dropout_prob": "dropout",
    "n_layers": "layers",
    "n_heads": "heads",
    "train_batch_size": "batch_size",
    "MAX_ITEM_LIST_LENGTH": "max_length",
    "stopping_step": "patience",
}
SETTINGS = {field.name: field for field in fields(Settings)}
NOT_SEARCHED = {
    "dataset": "a sweep compares trials on one data set",
    "recbole_config": "a sweep compares trials on one data set",
    "history": "results under two protocols cannot be compared",
    "device": "it decides no result",
    "seed": "--seeds says how many seeds each point is tried with",
}
KINDS = ("choice", "in", "uniform", "quniform", "loguniform")


def read(path: Path) -> Space:
    """The space of a hyper.test or YAML file. Raises SpaceError with file and line."""
    parse = _yaml if path.suffix in (".yaml", ".yml") else _hyper_test
    space: Space = {}
    for where, name, kind, values in parse(path):
        try:
            name = RECBOLE_NAMES.get(name, name)
            if name in space:
                raise ValueError("it is there twice")
            space[name] = _dimension(name, kind, values, exponents=parse is _hyper_test)
        except (ValueError, OverflowError) as error:  # OverflowError: past the largest float
            raise SpaceError(f"{where}: {shown(name)}: {error}") from None
    if not space:
        raise SpaceError(
            f"{path}: the search space is empty: expected lines such as "
            "'learning_rate choice [0.001, 0.003]'"
        )
    return space


def lines(space: Space) -> list[str]:
    """The space as hyper.test has it."""
    return [f"{name} {dimension}" for name, dimension in space.items()]


def shown(name: str) -> str:
    """A name that somebody else wrote, fit for a line."""
    return name if name.isprintable() and len(name) <= 80 else quoted(name)


def _dimension(name: str, kind: str, values: list[Value], exponents: bool) -> Choice | Interval:
    if name not in SETTINGS:
        raise ValueError(f"no such setting; there are: {', '.join(SETTINGS)}")
    if name in NOT_SEARCHED:
        raise ValueError(f"cannot be searched: {NOT_SEARCHED[name]}")
    if kind in ("choice", "in"):
        if not values:
            raise ValueError("no value to choose from")
        return Choice(tuple(dict.fromkeys(checked(name, value) for value in values)))
    bounds = _bounds(kind, values)
    if kind == "loguniform":
        bounds = _logarithmic(bounds, exponents)
    integer = SETTINGS[name].type is int
    if integer and kind == "loguniform":  # such as e^4 to e^6
        bounds = [round(bound) for bound in bounds]
    low, high = (checked(name, bound) for bound in bounds[:2])
    step = bounds[2] if kind == "quniform" else None
    if integer and step is not None:
        if step != int(step):
            raise ValueError(f"steps of {step} between integers")
        step = int(step)
    return Interval(low, high, step, kind == "loguniform")


def _bounds(kind: str, values: list[Value]) -> list[int | float]:
    wanted = 3 if kind == "quniform" else 2
    form = f"{kind} needs {'low, high, step' if wanted == 3 else 'low, high'}"
    if len(values) != wanted or any(isinstance(value, str) for value in values):
        raise ValueError(f"{form}: found {_listed(values) or 'nothing'}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{form}: found {_listed(values)}")
    if not values[0] < values[1]:
        raise ValueError(f"{values[0]} is not below {values[1]}")
    if wanted == 3 and values[2] <= 0:
        raise ValueError(f"a step of {values[2]}")
    return values


def _listed(values: list[Value]) -> str:
    return quoted(", ".join(map(str, values)))[1:-1]


def _logarithmic(bounds: list[int | float], exponents: bool) -> list[float]:
    try:
        bounds = [math.exp(bound) for bound in bounds] if exponents else bounds
    except OverflowError:
        raise ValueError(f"e to the {bounds[1]} is too large: bounds are exponents") from None
    if bounds[0] <= 0:
        raise ValueError(f"a logarithmic scale cannot begin at {bounds[0]}")
    return bounds


def checked(name: str, value: Value) -> Value:
    """As the command line would take it. Raises ValueError, and OverflowError for huge integers."""
    setting = SETTINGS[name]
    if isinstance(value, str) and setting.type is not str:
        raise ValueError(f"{quoted(value)} is no number")
    if setting.type is str and not isinstance(value, str):
        raise ValueError(f"{value!r} is no word")
    if setting.type in (int, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    if setting.type is int:
        if value != int(value):
            raise ValueError(f"{value} is no integer")
        value = int(value)
    try:
        return options.option_type(setting).convert(value, None, None)
    except click.BadParameter as error:
        raise ValueError(error.message[:LONGEST_QUOTE]) from None


LINE = re.compile(r"(?P<name>[^\s#:]+)\s+(?P<kind>[A-Za-z]+)\s*(?P<rest>.*)")
TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<mark>[\[\],])
      | (?P<comment>\#.*)
      | (?P<word>[^\s\[\],'"\#]+)
    )""",
    re.VERBOSE,
)


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            content = stream.read(plain_yaml.LARGEST + 1)
        if len(content) > plain_yaml.LARGEST:
            raise ValueError(f"it has more than {plain_yaml.LARGEST:,} bytes")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is one
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"{path}: the search space cannot be read: {reason}") from None


def _hyper_test(path: Path):
    """(where, name, kind, values) of each line that is neither empty nor a comment."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}:{number}"
        found = LINE.fullmatch(line.strip())
        if not found or found["kind"] not in KINDS:
            raise SpaceError(
                f"{where}: expected 'NAME choice [VALUE, ...]' or uniform, quniform, loguniform "
                f"with bounds, found {line.strip()[:80]!r}"
            )
        try:
            marks, values = _tokens(found["rest"])
        except ValueError as error:
            raise SpaceError(f"{where}: {shown(found['name'])}: {error}") from None
        # The marks between values: none is missing, and none is there twice.
        listed = ["["] + [","] * (len(values) - 1) + ["]"]
        if marks != (listed if found["kind"] in ("choice", "in") else listed[1:-1]):
            raise SpaceError(
                f"{where}: {shown(found['name'])}: expected "
                f"{'[VALUE, ...]' if found['kind'] in ('choice', 'in') else 'LOW, HIGH'}, "
                f"found {found['rest'][:80]!r}"
            )
        yield where, found["name"], found["kind"], values


def _tokens(text: str) -> tuple[list[str], list[Value]]:
    """The marks and the values of `[1, 2]`, apart; commas only count where values are."""
    marks, values, at, commas = [], [], 0, 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"a quote that does not end: {text[at:][:40]!r}")
        at = found.end()
        if found["quoted"]:
            values.append(found["quoted"][1:-1])
        elif found["word"]:
            values.append(_number(found["word"]))
        elif found["mark"]:
            marks.append(found["mark"])
        commas += found["mark"] == ","
        if found["mark"] == "," and commas != len(values):
            raise ValueError("a comma without a value before it")
    return marks, values


def _number(word: str) -> Value:
    """1e-3 and 0.001 are numbers; what reads as none is itself."""
    for kind in (int, float):
        try:
            value = kind(word)
        except ValueError:
            continue
        return value if "_" not in word else word
    return word


def _yaml(path: Path):
    try:
        document = plain_yaml.read(path)
    except DataError as error:
        raise SpaceError(str(error)) from None
    if document is None:
        return
    if not isinstance(document, Mapping):
        raise SpaceError(f"{path}: expected 'NAME: [VALUE, ...]' lines, found {document!r:.80}")
    for name, content in document.items():
        kind, values = "choice", content
        if isinstance(content, Mapping) and len(content) == 1:
            ((kind, values),) = content.items()
        simple = isinstance(values, list) and all(
            isinstance(v, str | int | float) and not isinstance(v, bool) for v in values
        )
        if kind not in KINDS or not simple:
            raise SpaceError(
                f"{path}: {shown(str(name))}: expected [VALUE, ...] or {{uniform: [LOW, HIGH]}}, "
                f"quniform, loguniform, found {content!r:.80}"
            )
        # YAML takes 1e-3 for text: it wants 1.0e-3.
        yield path, str(name), kind, [_number(v) if isinstance(v, str) else v for v in values]
