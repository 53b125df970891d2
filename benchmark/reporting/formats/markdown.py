"""Markdown: the verdict, the published layout, then tables, and plots as image files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from benchmark.reporting.formats import page
from benchmark.reporting.formats.drawing import draw

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.section import Section, Table


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.md and its images."""
    images = {f"{name}-{chart.slug}.png": chart for chart in content.charts}
    text = f"{escape(' '.join(content.verdict))}\n\n" if content.verdict else ""
    text += page.render(content.ranking.own, content.dataset.title, content.dataset.card)
    for number, section in enumerate(content.sections):
        text += f"\n{_section(section)}"
        if number == 0 and images:
            text += "\n## Plots\n\n"
            text += "\n".join(f"![{escape(c.title)}]({file})\n" for file, c in images.items())
    return {f"{name}.md": text, **{file: draw(chart) for file, chart in images.items()}}


def _section(section: Section) -> str:
    parts = [
        f"## {escape(section.heading)}",
        escape(section.text),
        "\n".join(f"- {escape(point)}" for point in section.points),
        table(section.table),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(rows: Table) -> str:
    """A table of pipes; empty for no rows."""
    if not rows:
        return ""
    cells = [{escape(name): _cell(name, cell) for name, cell in row.items()} for row in rows]
    return tabulate(cells, headers="keys", tablefmt="github", disable_numparse=True)


def _cell(name: str, cell: object) -> str:
    return _code(cell) if name == "command" else escape(cell)


def escape(cell: object) -> str:
    """Text without markup that stays within its line and its cell."""
    text = " ".join(str(cell).split()).replace("&", "&amp;").replace("<", "&lt;")
    for mark in ("\\", "|", "`", "*", "[", "]"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _code(cell: object) -> str:
    """A command as a code span, which has no escapes but the table's."""
    text = str(cell).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{space}{text}{space}{marks}"
