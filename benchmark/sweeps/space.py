"""Search spaces: the settings that a sweep varies, and their values. ``space_files`` reads them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, product
from pathlib import Path

from benchmark.errors import printable
from benchmark.recbole import names
from benchmark.settings.declaration import SettingError, Value
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings, converted, declared, has
from benchmark.sweeps.space_files import (
    LIST_KINDS,
    SpaceError,
    WrittenDimension,
    entries_of,
    read_entries,
)
from datasets.errors import quoted
from models import MODELS, is_outside

NOT_SEARCHED = {
    "dataset": "a sweep compares trials on one data set",
    "recbole_config": "a sweep compares trials on one data set",
    "history": "results under two protocols cannot be compared",
    "evaluate_users": "results under two protocols cannot be compared",
    "device": "the device does not change a result",
    "seed": "--seeds gives the number of seeds of each point",
}


@dataclass(frozen=True)
class Choice:
    """A few values, in the order in which a grid tries them."""

    values: tuple[Value, ...]
    written: str = field(default="", compare=False)
    """The dimension as the file has it."""

    @property
    def size(self) -> int:
        return len(self.values)

    def __str__(self) -> str:
        return f"choice [{', '.join(map(str, self.values))}]"


@dataclass(frozen=True)
class Interval:
    """The values from ``low`` to ``high``, both included; integers for a setting that is one."""

    low: int | float
    high: int | float
    step: int | float | None = None
    """Values are multiples of it, as in hyperopt and RecBole; None for all values."""
    log: bool = False
    """Whether values are drawn evenly by their logarithm."""
    written: str = field(default="", compare=False)
    """The dimension as the file has it."""

    @property
    def multiples(self) -> range | None:
        """The values as multiples of the step, which is 1 for integers; None if they are
        infinitely many."""
        if self.step is None and isinstance(self.low, float):
            return None
        step = self._exact_step
        first = math.ceil(Decimal(str(self.low)) / step)
        return range(first, math.floor(Decimal(str(self.high)) / step) + 1)

    def at(self, multiple: int) -> int | float:
        """The value at a multiple of the step: 3 * 0.05 is 0.15, and not 0.15000000000000002."""
        value = self._exact_step * multiple
        return float(value) if isinstance(self.low, float) else int(value)

    @property
    def _exact_step(self) -> Decimal:
        return Decimal(str(self.step or 1))

    @property
    def size(self) -> int | None:
        """The number of values; None if they are infinitely many."""
        multiples = self.multiples
        return None if multiples is None else len(multiples)

    @property
    def values(self) -> tuple[Value, ...]:
        """All values, in order, of a finite interval."""
        return tuple(self.at(multiple) for multiple in self.multiples or ())

    def __str__(self) -> str:
        if self.log:
            return f"loguniform {math.log(self.low):.6g}, {math.log(self.high):.6g}"
        if self.step:
            return f"quniform {self.low}, {self.high}, {self.step}"
        return f"uniform {self.low}, {self.high}"


Space = dict[str, Choice | Interval]
"""The dimensions by the name of their setting, in the order of the file."""


def read(path: Path, model: str = Settings.model) -> Space:
    """The space of a hyper.test or YAML file, for the ``model`` or those that the file lists.

    Raises SpaceError with file and line.
    """
    return _space(list(read_entries(path)), str(path), model)


def of(content: Mapping[str, object], model: str = Settings.model) -> Space:
    """The space of a mapping as a YAML file has it, such as {"learning_rate": [0.001, 0.003]}.

    ``model`` is as for ``read``. Raises SpaceError.
    """
    return _space(list(entries_of(content, "space")), "space", model)


def _space(entries: list[WrittenDimension], where: str, model: str) -> Space:
    space: Space = {}
    listed = [str(v) for entry in entries if entry.name == "model" for v in entry.values]
    found = [SETTINGS["model"].spelled(name) for name in listed or [model]]
    searched = [name for name in found if is_outside(name) or name in MODELS]
    for entry in entries:
        name = names.in_space(entry.name)
        try:
            if name in space:
                raise ValueError("it is given twice")
            space[name] = replace(_dimension(name, entry, searched), written=entry.written)
        except SettingError as error:
            raise SpaceError(f"{entry.where}: {error}") from None
        except OverflowError:  # an integer past the largest float
            raise SpaceError(f"{entry.where}: {name}: a bound is too large") from None
        except ValueError as error:
            raise SpaceError(f"{entry.where}: {printable(name)}: {error}") from None
    if not space:
        raise SpaceError(
            f"{where}: the search space is empty: expected lines such as "
            "'learning_rate choice [0.001, 0.003]'"
        )
    return space


def echo(space: Space) -> list[str]:
    """The space as its file has it, a line for each dimension."""
    return [printable(dimension.written) for dimension in space.values()]


def lines(space: Space) -> list[str]:
    """The space as lines of a hyper.test file."""
    return [f"{name} {dimension}" for name, dimension in space.items()]


def of_model(space: Space, model: str) -> Space:
    """The dimensions that a point with the model has. ``model`` itself has one value."""
    own: Space = {name: dimension for name, dimension in space.items() if has(model, name)}
    return own | {"model": Choice((model,))}


def by_model(space: Space) -> list[Space]:
    """The space, divided by the models that it searches: each has the settings of one model."""
    models = space.get("model")
    return [of_model(space, str(m)) for m in models.values] if models else [space]


def size(space: Space) -> int | None:
    """The number of points; None if they are infinitely many."""
    sizes = [[dimension.size for dimension in part.values()] for part in by_model(space)]
    finite = [[n for n in part if n is not None] for part in sizes]
    return None if sizes != finite else sum(map(math.prod, finite))


def points(space: Space) -> list[dict[str, Value]]:
    """All points of a finite space, in the order of the file: the last dimension changes first.

    Of a dimension that its model does not have, a point has no value.
    """
    places = {
        name: {value: place for place, value in enumerate(dimension.values)}
        for name, dimension in space.items()
    }
    found = [
        dict(zip(part, values, strict=True))
        for part in by_model(space)
        for values in product(*(dimension.values for dimension in part.values()))
    ]
    # A missing value stands first.
    return sorted(found, key=lambda p: [places[n][p[n]] if n in p else 0 for n in space])


def only_choices(space: Space) -> bool:
    """Whether every dimension is a choice, so that the number of points is finite."""
    return all(isinstance(dimension, Choice) for dimension in space.values())


def _dimension(name: str, entry: WrittenDimension, models: list[str]) -> Choice | Interval:
    """``models`` are the searched ones. They declare the settings that seqrec does not have."""
    having = [model for model in models if name in declared(model)] if name not in SETTINGS else []
    if name not in SETTINGS and not having:
        known = dict.fromkeys(chain(SETTINGS, *(declared(model) for model in models)))
        raise ValueError(f"no such setting; there are: {', '.join(known)}")
    model = having[0] if having else None
    if name in NOT_SEARCHED:
        raise ValueError(f"cannot be searched: {NOT_SEARCHED[name]}")
    if entry.kind in LIST_KINDS:
        if not entry.values:
            raise ValueError("no value to choose from")
        values = tuple(dict.fromkeys(converted(name, v, model) for v in entry.values))
        for value in values if name == "model" else ():
            declared(str(value))  # raises ValueError for a model that cannot be loaded
        return Choice(values)
    return _interval(name, entry, model)


def _interval(name: str, entry: WrittenDimension, model: str | None) -> Interval:
    setting = declared(model)[name] if model else SETTINGS[name]
    if setting.kind is str:
        raise ValueError(f"{entry.kind} is for numbers: list the values to choose from")
    bounds = _bounds(entry)
    integer = setting.kind is int
    step = bounds[2] if entry.kind == "quniform" else None
    if entry.kind == "loguniform":
        bounds = _logarithmic(bounds, entry.exponents)
        if integer:  # such as e^4 to e^6
            bounds = [round(bound) for bound in bounds]
            if bounds[0] < 1:
                raise ValueError("a logarithmic scale of whole numbers begins at 1 or more")
    low, high = (converted(name, bound, model) for bound in bounds[:2])
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    if integer and step is not None:
        if step != int(step):
            raise ValueError(f"a step of {step} between integers")
        step = int(step)
    interval = Interval(low, high, step, entry.kind == "loguniform")
    if not interval.size and step is not None:
        raise ValueError(f"no multiple of {step} lies between {low} and {high}")
    return interval


def _bounds(entry: WrittenDimension) -> list[int | float]:
    """Low, high and, for a quniform, the step: finite numbers in order."""
    wanted = ["low", "high", "step"] if entry.kind == "quniform" else ["low", "high"]
    bounds = [value for value in entry.values if not isinstance(value, str)]
    if not len(wanted) == len(bounds) == len(entry.values) or not all(map(math.isfinite, bounds)):
        listed = quoted(", ".join(map(str, entry.values)))[1:-1]
        raise ValueError(f"{entry.kind} needs {', '.join(wanted)}: found {listed or 'nothing'}")
    if not bounds[0] < bounds[1]:
        raise ValueError(f"{bounds[0]} is not below {bounds[1]}")
    if len(bounds) == 3 and bounds[2] <= 0:
        raise ValueError(f"a step of {bounds[2]}")
    return bounds


def _logarithmic(bounds: list[int | float], exponents: bool) -> list[int | float]:
    try:
        bounds = [math.exp(bound) for bound in bounds] if exponents else bounds
    except OverflowError:
        raise ValueError(f"e to the {bounds[1]} is too large: bounds are exponents") from None
    if bounds[0] <= 0:
        raise ValueError(f"a logarithmic scale cannot begin at {bounds[0]}")
    return bounds
