"""HTML: one page without requests, with interactive plots and sortable tables, light and dark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader

from benchmark.reporting.formats import page

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.charts import Chart
    from benchmark.reporting.content import Content

TEMPLATE = "report.html.j2"


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.html. Jinja escapes all text; the page contains plotly.js, which makes no request."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    card = content.dataset.card
    text = templates.get_template(TEMPLATE).render(
        content=content,
        link=card if card and card.lower().startswith(("http://", "https://")) else None,
        page=page.render(content.ranking.own, content.dataset.title, card),
        figures=_script([_figure(chart) for chart in content.charts]),
        plotly=get_plotlyjs() if content.charts else "",
    )
    return {f"{name}.html": text}


def _figure(chart: Chart) -> dict[str, Any]:
    """The figure for plotly.js. The page adds the colours, which depend on light and dark."""
    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": line.name.replace("<", "&lt;"),  # plotly interprets some tags
            "x": line.x,
            "y": line.mean,
            "error_y": {
                "type": "data",
                "array": line.deviation,
                "visible": any(line.deviation),
                "thickness": 1,
            },
            "marker": {"size": 5},
        }
        for line in chart.lines
    ]
    scale = "log" if chart.logarithmic else "linear"
    x: dict[str, Any] = {"title": {"text": chart.x}, "type": scale}
    if chart.ticks:
        x |= {"tickvals": chart.ticks, "ticktext": [f"{tick:g}" for tick in chart.ticks]}
    return {
        "title": chart.title,
        "data": lines,
        "layout": {"xaxis": x, "yaxis": {"title": {"text": chart.y}}},
    }


def _script(value: object) -> str:
    """JSON that is safe inside a script element, whatever its strings are."""
    return json.dumps(value).replace("<", "\\u003c").replace("&", "\\u0026")
