"""What HTML pages share: base.html.j2 with its style and scripts, parts.html.j2, and plots.

A page is a template that extends the base. It makes no request: plotly.js is in the page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from benchmark.reporting.charts.chart import Chart
from benchmark.reporting.charts.palette import PALETTE
from benchmark.reporting.formats import figures
from benchmark.reporting.formats.numbers import FORMULA


def render(template: str, charts: Sequence[Chart], **values: object) -> str:
    """The page. Jinja escapes all text."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = [figures.figure(panel) for chart in charts for panel in chart.panels]
    return templates.get_template(template).render(
        charts=charts,
        height=figures.height,
        figures=script(drawn),
        palette=script(PALETTE),
        formula=script(FORMULA.pattern),
        plotly=get_plotlyjs() if charts else "",
        **values,
    )


def script(value: object) -> str:
    """JSON that is safe inside a script element, whatever its strings are."""
    return json.dumps(value).replace("<", "\\u003c").replace("&", "\\u0026")
