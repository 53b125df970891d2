"""A chart as an image on white, for light and dark pages, by matplotlib."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series
from benchmark.reporting.charts.palette import LIGHT, NEUTRAL, SHADES, mixed, symbol

if TYPE_CHECKING:  # matplotlib loads slowly
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYMBOLS = "osD^vP*X<>"
STYLES = ("-", "--", ":", "-.")
INCHES = (4.2, 3.4)  # of a panel among others
ALONE = (8.0, 4.2)  # of a panel alone
PER_ROW = 0.34  # inches for a category on the y axis
COLUMNS = 3


def draw(chart: Chart) -> bytes:
    """A PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(chart.panels)
    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    width, height = ALONE if count == 1 else INCHES
    categories = max((len(p.y.labels) for p in chart.panels), default=0)
    if categories:
        height = 1.2 + PER_ROW * max(categories, 3)
    legend = 0.35 * math.ceil(len(chart.models) / 6) if chart.models else 0.0
    size = (width * columns, height * rows + legend + 0.3)
    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for at, panel in enumerate(chart.panels, start=1):
        axes = figure.add_subplot(rows, columns, at)
        _panel(axes, panel)
    figure.suptitle(_text(chart.title), fontsize="large")
    if chart.models:
        _legend_of_models(figure, chart.models)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def _panel(axes: Axes, panel: Panel) -> None:
    for series in panel.series:
        _series(axes, series)
    for x, y, text in panel.notes:
        axes.annotate(_text(text), (x, y), (4, 0), textcoords="offset points", fontsize="small")
    if panel.title:
        axes.set_title(_text(panel.title), fontsize="medium")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _scale(axes, panel.x, "x")
    _scale(axes, panel.y, "y")
    if any(series.in_legend for series in panel.series):
        axes.legend(fontsize="small", frameon=False)


def _series(axes: Axes, series: Series) -> None:
    colour = NEUTRAL["light"] if series.model is None else LIGHT[series.model % len(LIGHT)]
    if series.shade is not None:
        colour = mixed(*SHADES["light"], series.shade)
    if series.mark == "bars":
        axes.barh(series.y, series.x, color=colour, height=0.6)
        return
    with_dots = series.mark != "line"
    axes.plot(
        series.x,
        series.y,
        color=colour,
        alpha=0.45 if series.faint else 1.0,
        linestyle=STYLES[series.style % len(STYLES)] if "line" in series.mark else "none",
        marker=SYMBOLS[symbol(series.model or 0, len(SYMBOLS))] if with_dots else None,
        markersize=4 if series.faint or series.in_legend else 7,
        markerfacecolor="white" if series.hollow else colour,
        label=_text(series.name) if series.in_legend else None,
    )
    if series.low:
        values = series.x if series.error == "x" else series.y
        below = [v - low for v, low in zip(values, series.low, strict=True)]
        above = [high - v for v, high in zip(values, series.high, strict=True)]
        if series.mark == "line and dots" and series.in_legend:
            axes.fill_between(series.x, series.low, series.high, alpha=0.12, color=colour)
        else:
            along_x = [below, above] if series.error == "x" else None
            along_y = [below, above] if series.error == "y" else None
            axes.errorbar(
                series.x, series.y, along_y, along_x, fmt="none", ecolor=colour, capsize=3
            )


def _scale(axes: Axes, axis: Axis, which: str) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    drawn = axes.xaxis if which == "x" else axes.yaxis
    drawn.set_label_text(_text(axis.title))
    drawn.set_visible(not axis.hidden)
    if axis.logarithmic:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if axis.integer:
        drawn.set_major_locator(MaxNLocator(integer=True))
    if axis.ticks:
        drawn.set_ticks(list(axis.ticks), [_text(label) for label in axis.labels])
        drawn.set_minor_locator(NullLocator())
        if which == "x" and sum(map(len, axis.labels)) > 40:
            drawn.set_tick_params(labelrotation=30)


def _legend_of_models(figure: Figure, models: dict[str, int]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=SYMBOLS[symbol(number, len(SYMBOLS))],
            color=LIGHT[number % len(LIGHT)],
            label=_text(name),
        )
        for name, number in models.items()
    ]
    columns = min(6, len(handles))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small"
    )


def _text(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib reads $ as mathematics
