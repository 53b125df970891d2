"""The formats of a report by name: each is one file here and its line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.reporting.formats import html, latex, markdown, numbers

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content

Files = dict[str, str | bytes]
"""Content by file name: first the report itself, then the files beside it."""


@dataclass(frozen=True)
class Format:
    suffix: str
    render: Callable[[Content, str], Files]
    """From the content and the report's name, without its suffix."""
    draws: bool = False
    """Whether the format shows charts."""


FORMATS = {
    "markdown": Format(".md", markdown.render, draws=True),
    "html": Format(".html", html.render, draws=True),
    "csv": Format(".csv", numbers.render_csv),
    "json": Format(".json", numbers.render_json),
    "latex": Format(".tex", latex.render),
}
