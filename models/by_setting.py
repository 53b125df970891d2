"""Which models of seqrec have a setting, read from the text of their files.

The help texts of commands need it, and torch, which these files import, loads slowly.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from models import BLENDING, FILES

FOLDER = Path(__file__).parent
PREFIX = f"{__package__}."


def having(setting: str) -> list[str]:
    """The names of the models that are built with the setting; none if it belongs to all."""
    return [name for name in FILES if setting in _settings(name)]


def learned() -> list[str]:
    """The names of the models that learn by gradients."""
    return [name for name in FILES if _learns(name)]


def _learns(name: str) -> bool:
    return any(found.name == "LearnedModel" for found in _lineage(FILES[name], name))


@cache
def _settings(name: str) -> frozenset[str]:
    functions = (
        part
        for found in _lineage(FILES[name], name)
        for part in found.body
        if isinstance(part, ast.FunctionDef) and part.name == "__init__"
    )
    constructor = next(functions, None)
    named = constructor.args.args + constructor.args.kwonlyargs if constructor else []
    own = {argument.arg for argument in named} - {"self", "n_items"}
    return frozenset(own | BLENDING if _learns(name) else own)


def _lineage(module: str, name: str) -> Iterator[ast.ClassDef]:
    """The class of that name, then the classes of this package that it derives from."""
    tree = _parsed(module)
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    yield found
    modules = {
        alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for base in found.bases:
        if isinstance(base, ast.Name):
            of_base = modules.get(base.id, f"{PREFIX}{module}")
            if of_base.startswith(PREFIX):
                yield from _lineage(of_base.removeprefix(PREFIX), base.id)


@cache
def _parsed(module: str) -> ast.Module:
    path = FOLDER.joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))
