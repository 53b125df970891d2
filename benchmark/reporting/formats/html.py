"""One page that needs nothing else: plots to point at, tables to sort, light and dark."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from benchmark.reporting.charts import Chart
from benchmark.reporting.content import Content
from benchmark.reporting.formats import page

TEMPLATE = "report.html.j2"


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.html. Jinja escapes all text; plotly.js, in it, makes no request."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = templates.get_template(TEMPLATE).render(
        content=content,
        link=content.card if content.card and content.card.startswith("https://") else None,
        page=page.render(content.ranking.own, content.title, content.card),
        figures=_script([_figure(chart) for chart in content.charts]),
        plotly=get_plotlyjs() if content.charts else "",
    )
    return {f"{name}.html": text}


def _figure(chart: Chart) -> dict:
    """What plotly.js draws; colours come from the page, which knows if it is dark."""
    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": line.name.replace("<", "&lt;"),  # plotly reads some tags
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
    x = {"title": {"text": chart.x}, "type": "log" if chart.logarithmic else "linear"}
    if chart.ticks:
        x |= {"tickvals": chart.ticks, "ticktext": [f"{tick:g}" for tick in chart.ticks]}
    return {
        "title": chart.title,
        "data": lines,
        "layout": {"xaxis": x, "yaxis": {"title": {"text": chart.y}}},
    }


def _script(value: object) -> str:
    """JSON that can stand in a script element whatever its strings are."""
    return json.dumps(value).replace("<", "\\u003c").replace("&", "\\u0026")
