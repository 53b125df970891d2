"""Markdown: the verdict, the leaderboard, the published layout, tables, and plots as files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from benchmark.recbole.links import quoted
from benchmark.reporting.formats import page
from benchmark.reporting.formats.board import alignments, best_rows, marks
from benchmark.reporting.formats.drawing import draw

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.section import Section, Table


# The columns of the leaderboard: how their names begin.
SHOWN = (
    *("rank", "model", "valid ", "test ", "95% interval", "with seeds"),
    *("seconds", "parameters", "kWh"),
)


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.md and its images."""
    images = {f"{name}-{chart.slug}.png": chart for chart in content.charts}
    text = f"{escape(' '.join(content.verdict))}\n\n" if content.verdict else ""
    text += _leaderboard(content)
    text += page.render(content.ranking.own, content.dataset.title, content.dataset.card)
    for number, section in enumerate(content.sections):
        text += f"\n{_section(section)}"
        if number == 0 and images:
            text += "\n## Plots\n\n"
            text += "\n".join(
                f"![{escape(c.title)}]({quoted(file)})\n" for file, c in images.items()
            )
    return {f"{name}.md": text, **{file: draw(chart) for file, chart in images.items()}}


def _leaderboard(content: Content) -> str:
    from benchmark.reporting.sections import trials  # loads MLflow

    comparison = content.comparison
    rows = [
        {name: escape(cell) for name, cell in row.items() if name.startswith(SHOWN)}
        for row in trials(content.ranking, comparison)
    ]
    best = best_rows(rows, content.leaderboard, lambda cell: f"**{cell}**")
    names = list(best[0])
    aligned = alignments(best, names)
    table = tabulate(best, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=aligned)
    note = (
        f"One row for each model: its best on validation. {marks(content.leaderboard, comparison)}"
    )
    return f"{table}\n\n{note.strip()}\n\n"


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
