"""The two formats of search spaces, hyper.test and YAML. They are parsed, never evaluated.

hyper.test, as RecBole reads it          the same in YAML

learning_rate choice [0.001, 0.003]      learning_rate: [0.001, 0.003]
dropout uniform 0.1, 0.5                 dropout: {uniform: [0.1, 0.5]}
hidden_size quniform 32, 128, 32         hidden_size: {quniform: [32, 128, 32]}
learning_rate loguniform -8, -4          learning_rate: {loguniform: [0.0003, 0.02]}

`in` is another word for `choice`. The values of a quniform are the multiples of its third number.
The bounds of a loguniform are exponents of e in hyper.test, as in RecBole; in YAML they are the
values themselves.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import UserError, printable
from benchmark.settings.declaration import Value
from datasets import DataError, files
from datasets.checking import plain_yaml

LIST_KINDS = ("choice", "in")
KINDS = (*LIST_KINDS, "uniform", "quniform", "loguniform")


class SpaceError(UserError):
    """A search space cannot be read or tried. The message says where and why."""


class WrittenDimension(NamedTuple):
    """One dimension of a search space, in the words of its file."""

    where: str
    """FILE or FILE:LINE."""
    name: str
    kind: str
    """One of ``KINDS``."""
    values: list[Value]
    """The choices, or low, high and perhaps a step."""
    exponents: bool
    """Whether the bounds of a loguniform are exponents of e."""
    written: str
    """The dimension as the file has it, in one line."""


def read_entries(path: Path) -> Iterator[WrittenDimension]:
    """The dimensions of a hyper.test or YAML file, in order. Raises SpaceError."""
    return _yaml(path) if path.suffix in (".yaml", ".yml") else _hyper_test(path)


_LINE = re.compile(r"(?P<name>[^\s#:]+)\s+(?P<kind>[A-Za-z]+)\s*(?P<rest>.*)")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<mark>[\[\],])
      | (?P<comment>\#.*)
      | (?P<word>[^\s\[\],'"\#]+)
    )""",
    re.VERBOSE,
)


def _hyper_test(path: Path) -> Iterator[WrittenDimension]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _entry(f"{path}:{number}", line.strip())


def _text(path: Path) -> str:
    try:
        return files.read(path, plain_yaml.MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:  # UnicodeDecodeError is one, and so is a path with a zero byte
        reason = str(error)
    raise SpaceError(f"{path}: the search space cannot be read: {reason}")


def _entry(where: str, line: str) -> WrittenDimension:
    found = _LINE.fullmatch(line)
    if not found or found["kind"] not in KINDS:
        raise SpaceError(
            f"{where}: expected 'NAME choice [VALUE, ...]' or uniform, quniform, loguniform "
            f"with bounds, found {line[:80]!r}"
        )
    name, kind, rest = found["name"], found["kind"], found["rest"]
    try:
        marks, values = _tokens(rest)
    except ValueError as error:
        raise SpaceError(f"{where}: {printable(name)}: {error}") from None
    between = [","] * (len(values) - 1)  # a comma between two values, and only there
    if marks != (["[", *between, "]"] if kind in LIST_KINDS else between):
        form = "[VALUE, ...]" if kind in LIST_KINDS else "LOW, HIGH"
        raise SpaceError(f"{where}: {printable(name)}: expected {form}, found {rest[:80]!r}")
    return WrittenDimension(where, name, kind, values, True, line)


def _tokens(text: str) -> tuple[list[str], list[Value]]:
    """The marks of `[1, 2]` (brackets and commas) and its values.

    Raises ValueError for a quote that does not end and for a comma without a value before it.
    """
    marks: list[str] = []
    values: list[Value] = []
    at = 0
    commas = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ValueError(f"a quote that does not end: {text[at:][:40]!r}")
        at = found.end()
        if found["quoted"]:
            values.append(found["quoted"][1:-1])
        elif found["word"]:
            values.append(_number(found["word"]))
        elif found["mark"]:
            marks.append(found["mark"])
        if found["mark"] == ",":
            commas += 1
            if commas != len(values):
                raise ValueError("a comma without a value before it")
    return marks, values


def _number(word: str) -> Value:
    """The number that a word stands for, such as 1e-3; the word itself if it stands for none."""
    if "_" in word:  # Python's 1_000 is no number elsewhere
        return word
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _yaml(path: Path) -> Iterator[WrittenDimension]:
    try:
        document = plain_yaml.read(path)
    except DataError as error:
        raise SpaceError(str(error)) from None
    if document is None:
        return
    if not isinstance(document, Mapping):
        raise SpaceError(f"{path}: expected 'NAME: [VALUE, ...]' lines, found {document!r:.80}")
    yield from entries_of(document, str(path))


def entries_of(document: Mapping[Any, Any], where: str) -> Iterator[WrittenDimension]:
    """The dimensions of a mapping as YAML has it, in order. Raises SpaceError with ``where``."""
    for name, content in document.items():
        kind, values = "choice", content
        if isinstance(content, Mapping) and len(content) == 1:
            ((kind, values),) = content.items()
        if kind not in KINDS or not _is_list_of_values(values):
            raise SpaceError(
                f"{where}: {printable(str(name))}: expected [VALUE, ...] or "
                f"{{uniform: [LOW, HIGH]}}, quniform, loguniform, found {content!r:.80}"
            )
        # YAML reads 1e-3 as text; as a number it would be 1.0e-3.
        numbers = [_number(value) if isinstance(value, str) else value for value in values]
        listed = f"[{', '.join(map(str, values))}]"
        of_kind = listed if values is content else f"{{{kind}: {listed}}}"
        yield WrittenDimension(where, str(name), kind, numbers, False, f"{name}: {of_kind}")


def _is_list_of_values(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, str | int | float) and not isinstance(value, bool) for value in values
    )
