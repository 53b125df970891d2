"""The one exception that users of this package handle, and how its messages quote input."""

import re
import unicodedata
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)

LONGEST_QUOTE = 200  # characters

# user:password@ of a URL. A password may hold @; the secret key of s3://KEY:SECRET@bucket may hold
# a slash, too, which is why host:5000/path is told apart by its port.
_USER = re.compile(r"(?<=://)(?:[^\s/@:'\"\[]+:(?!\d*[/?#])[^\s'\"]*|[^\s/'\"]*)@")
# ?password=..., ?X-Amz-Signature=..., ?sig=...
_SECRET = re.compile(
    r"([?&][\w.%-]*(?:pass|pwd|secret|token|sig|credential|key)[\w.%-]*=)[^&\s'\"#]+", re.IGNORECASE
)


class DataError(Exception):
    """The data cannot be used as they are; the message says what, where, and what to do.

    The credentials of URLs in it are masked.
    """

    def __str__(self) -> str:
        return masked(super().__str__())


class DataMissing(DataError):
    """The data are not on this machine, and could not be brought here."""


def quoted(value: object) -> str:
    """``repr`` of the value: one line, cut after 200 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."


def one_line(error: object, longest: int = LONGEST_QUOTE) -> str:
    """The text of an error in one line, cut after ``longest`` characters."""
    return " ".join(str(error).split())[:longest]


def twice(values: Iterable[Value]) -> Value | None:
    """The first value that is there for the second time; None if each is there once."""
    seen: set[Value] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def visible(text: str) -> str:
    """The text with escapes such as \\x1b and \\n in place of the characters that are not shown.

    They would move a terminal's cursor, end a line of a table, or turn the direction of writing.
    Spaces of other widths stay.
    """
    if text.isprintable():
        return text
    shown = (c if c.isprintable() or unicodedata.category(c) == "Zs" else _escape(c) for c in text)
    return "".join(shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def masked(text: str) -> str:
    """The text with *** in place of the credentials in its URLs."""
    return _SECRET.sub(r"\1***", _USER.sub("***@", text))


def in_project(*paths: Path) -> str:
    """Where relative paths begin, for messages; "" if all paths are absolute."""
    if all(path.is_absolute() for path in paths):
        return ""
    return f" (relative paths begin at {Path.cwd()}; mlflow run: at the project's folder)"
