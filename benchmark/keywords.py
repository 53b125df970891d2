"""Settings that are given as keyword arguments of ``benchmark.api``.

``options`` has the same for the options of a command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import TypeVar

from benchmark.data import Data
from benchmark.errors import UserError
from benchmark.settings.declaration import Value
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings, declared
from models import MODELS, is_outside

Made = TypeVar("Made")


def given(
    data: Data, keywords: Mapping[str, Value], searched: Iterable[str] = ()
) -> dict[str, Value]:
    """The settings that the keywords and the data set give, by name.

    ``searched`` are models of a search space. Raises UserError for a name that no setting has, and
    for one that comes with the data set.
    """
    _forget_changed()
    known = dict(SETTINGS)
    for model in (str(keywords.get("model", Settings.model)), *searched):
        model = SETTINGS["model"].spelled(model)
        own = model in MODELS and not known.keys() >= keywords.keys()
        if is_outside(model) or own:
            known |= as_user_error(partial(declared, model))
    for name in keywords:
        if name in ("dataset", "recbole_config"):
            raise UserError(f"{name} is no setting here: it comes with the data set, by load")
        if name not in known:
            raise UserError(f"there is no setting {name}; there are: {', '.join(known)}")
    found = {name: _plain(value) for name, value in keywords.items()}
    found["dataset"] = data.name
    if data.recbole_config:
        found["recbole_config"] = data.recbole_config
    return found


def _forget_changed() -> None:
    """Read models outside this repository anew, if their files were edited in this process."""
    if outside := sys.modules.get("models.outside"):  # it loads torch: nothing to forget before
        outside.forget_changed()


def _plain(value: Value) -> Value:
    """The value, as a number of Python if it is one of numpy."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def settings(data: Data, keywords: Mapping[str, Value]) -> Settings:
    """The settings of a trial. Raises UserError if they do not go together."""
    from benchmark.recbole import config as recbole  # late: it loads pandas

    values = given(data, keywords)
    config = recbole.read(values)
    wanted = as_user_error(lambda: config.settings(**values))
    note(config.notes(wanted, values))
    return wanted


def as_user_error(make: Callable[[], Made]) -> Made:
    """Call ``make``, and return its result. A ValueError, which is about a value of the user's,
    becomes a UserError."""
    try:
        return make()
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from None


def note(lines: Iterable[str]) -> None:
    """Print lines on stderr."""
    for line in lines:
        print(line, file=sys.stderr)
