"""The charts of a leaderboard: mean ranks over data sets, and quality against cost."""

from __future__ import annotations

from benchmark.leaderboards.overall import Overall, Place, cost
from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series, legend, logarithmic
from benchmark.reporting.charts.ranks import rank_panel
from benchmark.reporting.charts.results import pareto
from benchmark.reporting.difference import LEVEL

COSTS = (  # title, unit, name of a cell
    ("Seconds of a trial", "seconds", "seconds"),
    ("Parameters", "parameters", "parameters"),
    ("Memory", "MB", "memory_mb"),
    ("Energy of a trial", "kWh", "energy_kwh"),
)

Models = dict[str, int]
"""The number of each model, by the name of its row."""


def charts(found: Overall) -> list[Chart]:
    """Those that have something to show."""
    models = {place.entry.name: number for number, place in enumerate(found.places)}
    drawn = [_mean_ranks(found, models), _cost(found, models)]
    return [chart for chart in drawn if chart]


def _mean_ranks(found: Overall, models: Models) -> Chart | None:
    if found.critical_difference is None:
        return None
    names = [place.entry.name for place in found.places]
    ranks = [place.mean_rank for place in found.places]
    alike = found.friedman is not None and found.friedman >= LEVEL
    return Chart(
        "Mean ranks over data sets",
        "mean-ranks",
        f"Mean rank of the models over {len(found.columns)} data sets; 1 is best, and equals share "
        "a rank. Models whose mean ranks differ by less than the critical difference (Nemenyi, "
        f"p = {LEVEL}) are joined by a bar on the right (Demšar 2006)."
        + " Friedman's test finds no difference among the models at all."
        * alike,
        [rank_panel(names, ranks, found.critical_difference, models)],
    )


def _cost(found: Overall, models: Models) -> Chart | None:
    """Quality against seconds and, where they are known, parameters, memory and energy."""
    baseline = found.baseline
    relative = baseline is not None and sum(p.ratio is not None for p in found.places) > 1
    places = [place for place in found.places if place.ratio is not None or not relative]
    y = Axis(f"ratio to {baseline.name}" if relative and baseline else "mean rank (1 is best)")
    panels = []
    for title, unit, name in COSTS:
        known = {place.entry.name: cost(found, place.entry, name) for place in places}
        costs = {model: value for model, value in known.items() if value is not None}
        shown = [place for place in places if place.entry.name in costs]
        if len(shown) > 1:
            x = Axis(unit, logarithmic=logarithmic(list(costs.values())))
            panels.append(Panel(title, x, y, _points(shown, costs, unit, relative, models)))
    if not panels:
        return None
    return Chart(
        f"{'Ratio to ' + baseline.name if relative and baseline else 'Mean rank'} against cost",
        "cost",
        f"Geometric means over the {len(found.columns)} data sets. A model is left out of a panel "
        "where its cost is 0 or not known on one of them. The grey line joins the models that no "
        "other beats at a lower cost.",
        panels,
        legend(panels, models),
    )


def _points(
    places: list[Place], costs: dict[str, float], unit: str, relative: bool, models: Models
) -> list[Series]:
    series = []
    front = []
    for place in places:
        name = place.entry.name
        x, y = costs[name], place.ratio if relative else place.mean_rank
        assert y is not None
        quality = f"{y:.2f} times the baseline" if relative else f"mean rank {y:.2f}"
        text = f"{name}: {quality}, {x:,.4g} {unit}"
        series.append(Series(name, [x], [y], [text], model=models[name]))
        front.append((x, y if relative else -y))
    best = pareto(front)
    if len(best) > 1:
        line = [y if relative else -y for _, y in best]
        series.insert(0, Series("", [x for x, _ in best], line, [""] * len(best), mark="line"))
    return series
