"""The settings of a model, as its constructor declares them."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

Setting = str | int | float


class Argument(NamedTuple):
    """An argument of a constructor.

    Its type is that of its default. ``Annotated[TYPE, "help text"]`` gives its help text,
    ``Literal["a", "b"]`` its choices.
    """

    name: str
    default: Setting | None
    """None if the argument has no default."""
    help: str
    choices: tuple[str, ...]


def arguments(model: Callable[..., Any]) -> list[Argument]:
    """The arguments but ``n_items``.

    Raises ValueError for a default that no setting can have, and NameError for an annotation that
    cannot be read.
    """
    signature = inspect.signature(model, eval_str=True)
    return [_argument(p) for p in signature.parameters.values() if p.name != "n_items"]


def _argument(parameter: inspect.Parameter) -> Argument:
    kind = parameter.annotation
    help = ""
    if get_origin(kind) is Annotated:
        kind, *notes = get_args(kind)
        help = next((note for note in notes if isinstance(note, str)), "")
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"argument {parameter.name}: the choices of a setting are texts")
    default = parameter.default
    if default is parameter.empty:
        return Argument(parameter.name, None, help, choices)
    if isinstance(default, bool) or not isinstance(default, str | int | float):
        raise ValueError(
            f"argument {parameter.name}: its default is {default!r}, but a setting is a text, an "
            "integer or a float"
        )
    if kind is float:
        default = float(default)
    return Argument(parameter.name, default, help, choices)
