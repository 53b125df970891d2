"""Python sources whose packages get other names.

A wheel has benchmark, datasets and models below the one package ``seqrec`` (setup.py). A registered
model has the code of ``models`` under a name of its own (``tracking.registry.export``). The parser
finds the imports, so nothing else changes. Only the standard library is imported here: setup.py
runs without the dependencies.
"""

import ast
from collections.abc import Iterator, Mapping

Names = Mapping[str, str]
"""New names of top-level packages, by their present names; a new name may have dots."""


def renamed(source: str, names: Names) -> str:
    """The source with absolute imports of the packages in ``names`` under their new names.

    The names that an import binds stay: ``import models`` becomes ``from seqrec import models``.
    Line numbers stay, too. Raises SyntaxError if the source is not Python.
    """
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    content = b"".join(lines)
    edits: list[tuple[int, int, bytes]] = []  # (start, end, new), in bytes
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        if isinstance(node, ast.Import):
            if any(_root(alias.name) in names for alias in node.names):
                statements = (part for alias in node.names for part in _imports(alias, names))
                edits.append((start, end, "; ".join(statements).encode()))
        elif not node.level and node.module and _root(node.module) in names:
            start = content.index(_root(node.module).encode(), start + len("from"))
            end = start + len(_root(node.module).encode())
            edits.append((start, end, names[_root(node.module)].encode()))
    for start, end, new in sorted(edits, reverse=True):
        content = content[:start] + new + content[end:]
    return content.decode()


def _root(module: str) -> str:
    return module.partition(".")[0]


def _imports(alias: ast.alias, names: Names) -> Iterator[str]:
    """The statements that bind what ``import ALIAS`` binds."""
    root, dot, rest = alias.name.partition(".")
    if root not in names:
        yield f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
    elif alias.asname:
        yield f"import {names[root]}{dot}{rest} as {alias.asname}"
    else:
        if rest:  # its import also sets the attribute of the package that the next one binds
            yield f"import {names[root]}.{rest}"
        package, _, name = names[root].rpartition(".")
        own = name if name == root else f"{name} as {root}"
        yield f"from {package} import {own}" if package else f"import {own}"
