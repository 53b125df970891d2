"""Markdown: the verdict, the published layout, then tables, and plots as image files."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from benchmark.reporting.formats import page

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.charts import Chart
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


def draw(chart: Chart) -> bytes:
    """A PNG on white, for light and dark pages."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullLocator

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line in chart.lines:
        name = line.name.replace("$", r"\$")  # matplotlib reads $ as mathematics
        if chart.logarithmic:
            axes.errorbar(line.x, line.mean, line.deviation, marker="o", capsize=3, label=name)
        else:
            (drawn,) = axes.plot(line.x, line.mean, label=name)
            low, high = (
                [m + sign * d for m, d in zip(line.mean, line.deviation, strict=True)]
                for sign in (-1, 1)
            )
            axes.fill_between(line.x, low, high, alpha=0.15, color=drawn.get_color(), linewidth=0)
    if chart.logarithmic:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chart.ticks:
        axes.set_xticks(chart.ticks, [f"{x:g}" for x in chart.ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(title=chart.title, xlabel=chart.x, ylabel=chart.y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()
