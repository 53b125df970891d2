"""Charts as figures of plotly.js. The page adds the colours, which depend on light and dark."""

from __future__ import annotations

from typing import Any

from benchmark.reporting.charts import palette
from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series

SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "cross",
    "star",
    "x",
    "triangle-left",
    "triangle-right",
)
STYLES = ("solid", "dash", "dot", "dashdot")
PER_ROW = 2.0  # rem for a category on the y axis


def figure(panel: Panel) -> dict[str, Any]:
    """The figure: ``data`` and ``layout``; for each trace its model, and its shade."""
    return {
        "data": [_trace(series) for series in panel.series],
        "models": [series.model for series in panel.series],
        "shades": [series.shade for series in panel.series],
        "layout": {
            "xaxis": _axis(panel.x),
            "yaxis": _axis(panel.y),
            "showlegend": any(series.in_legend for series in panel.series),
            "annotations": [
                {"x": x, "y": y, "text": _text(text), "showarrow": False, "xanchor": "left"}
                for x, y, text in panel.notes
            ],
        },
    }


def height(chart: Chart) -> float:
    """The height of the chart's panels in rem."""
    categories = max((len(p.y.labels) for p in chart.panels), default=0)
    return 6.0 + PER_ROW * max(categories, 3) if categories else 22.0


def _trace(series: Series) -> dict[str, Any]:
    hover = [_text(text) for text in series.hover]
    trace: dict[str, Any] = {
        "x": list(series.x),
        "y": list(series.y),
        "name": _text(series.name),
        "hovertext": hover,
        "hoverinfo": "text" if any(hover) else "skip",
        "showlegend": series.in_legend,
        "cliponaxis": False,
    }
    if series.mark == "bars":
        return trace | {"type": "bar", "orientation": "h", "marker": {}}
    mode = {"dots": "markers", "line": "lines", "line and dots": "lines+markers"}[series.mark]
    symbol = SYMBOLS[palette.symbol(series.model or 0, len(SYMBOLS))]
    trace |= {
        "type": "scatter",
        "mode": mode,
        "opacity": 0.45 if series.faint else 1.0,
        "line": {"dash": STYLES[series.style % len(STYLES)], "width": 2},
        "marker": {
            "symbol": f"{symbol}-open" if series.hollow else symbol,
            "size": 6 if series.faint or series.in_legend else 10,
        },
    }
    if series.low:
        values = series.x if series.error == "x" else series.y
        trace[f"error_{series.error}"] = {
            "type": "data",
            "symmetric": False,
            "array": [high - v for v, high in zip(values, series.high, strict=True)],
            "arrayminus": [v - low for v, low in zip(values, series.low, strict=True)],
            "thickness": 1.5,
            "width": 4,
        }
    return trace


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": _text(axis.title), "standoff": 10}}
    if axis.logarithmic:
        found["type"] = "log"
    if axis.hidden:
        found["visible"] = False
    if axis.integer:
        found |= {"tickformat": ",d", "minallowed": 0}
    if axis.ticks:
        found |= {"tickvals": list(axis.ticks), "ticktext": [_text(text) for text in axis.labels]}
    return found


def _text(text: str) -> str:
    """Text that plotly does not take for its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
