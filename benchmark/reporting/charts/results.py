"""Charts of results: the leaderboard, the critical difference, and quality against cost."""

import numpy as np

from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series, legend, logarithmic
from benchmark.reporting.charts.ranks import rank_panel
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.difference import LEVEL
from benchmark.reporting.labels import settings_of
from benchmark.reporting.leaderboard import Leaderboard, Standing
from benchmark.reporting.mean_ranks import critical_difference, mean_ranks
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row

Models = dict[str, int]
"""The number of each model, by its entry."""


def leaderboard_chart(ranking: Ranking, board: Leaderboard, models: Models) -> Chart | None:
    metric = board.metrics[0]
    shown = [standing for standing in board.standings if metric in standing.test]
    if not shown:
        return None
    series = []
    for at, standing in enumerate(shown):
        mean = standing.test[metric].mean
        low, high = standing.interval or (mean, mean)
        interval = f" (95% interval {low:.4f} to {high:.4f})" if standing.interval else ""
        series.append(
            Series(
                standing.row.entry,
                [mean],
                [-at],
                [f"{_named(standing.place, standing.row, ranking)}: {mean:.4f}{interval}"],
                model=models[standing.row.entry],
                low=[low] if standing.interval else (),
                high=[high] if standing.interval else (),
                error="x",
                hollow=standing.row.published,
            )
        )
    y = Axis("", [-at for at in range(len(shown))], [s.row.entry for s in shown])
    return Chart(
        f"Test {metric} of each model",
        "leaderboard",
        "The best row of each model on validation, in their order there, with the 95% interval of "
        f"test {metric}." + " Hollow: published figures." * any(s.row.published for s in shown),
        [Panel("", Axis(f"test {metric}"), y, series)],
    )


def _named(place: int, row: Row, ranking: Ranking) -> str:
    """The place, the model and its settings."""
    return f"{place} {row.entry} {settings_of(row, ranking)}".rstrip()


def critical_differences(
    board: Leaderboard, comparison: Comparison | None, models: Models
) -> Chart | None:
    """Mean ranks over users with Nemenyi's critical difference (Demšar, "Statistical Comparisons
    of Classifiers over Multiple Data Sets", JMLR 2006, with users in the place of data sets)."""
    if comparison is None:
        return None
    values = comparison.values(comparison.metric)  # [rows, users]
    known = ~np.isnan(values).any(axis=1)
    by_place = {standing.place: standing for standing in board.standings}
    inside = [i for i, at in enumerate(comparison.places) if at in by_place and known[i]]
    users = values.shape[1]
    if len(inside) < 3 or users < 2:
        return None
    ranks = mean_ranks(values[inside])
    order = np.argsort(ranks, kind="stable")
    standings = [by_place[comparison.places[inside[i]]] for i in order]
    ranks = ranks[order]
    difference = critical_difference(len(ranks), users)
    panel = rank_panel(
        [standing.row.entry for standing in standings], ranks.tolist(), difference, models
    )
    return Chart(
        "Critical difference",
        "critical-difference",
        f"Mean rank of the models over {users:,} users by test {comparison.metric}; 1 is best, and "
        "ties share a rank. Models whose mean ranks differ by less than the critical difference "
        f"(Nemenyi, p = {LEVEL}) are joined by a bar on the right (Demšar 2006). Ranks count wins: "
        "the intervals above say how large the differences are.",
        [panel],
    )


def cost(ranking: Ranking, board: Leaderboard, models: Models) -> Chart | None:
    """Test metric against seconds, parameters and, where it is known, energy."""
    metric = board.metrics[0]
    panels = []
    for title, unit, of in (
        ("Seconds of a trial", "seconds", _seconds),
        ("Parameters", "parameters", lambda row: row.metric("parameters")),
        ("Energy of a trial", "kWh", lambda row: row.metric("energy_kwh")),
    ):
        costs = {
            at: found
            for at, row in enumerate(ranking.rows, start=1)
            if metric in row.test and (found := of(row)) is not None and found > 0
        }
        leading = [s for s in board.standings if s.place in costs]
        if len(leading) > 1:
            series = _cost_series(ranking, leading, costs, metric, unit, models)
            x = Axis(unit, logarithmic=logarithmic(list(costs.values())))
            panels.append(Panel(title, x, Axis(f"test {metric}"), series))
    if not panels:
        return None
    return Chart(
        f"Test {metric} against cost",
        "cost",
        "Large: the best row of each model on validation; small: all other rows. The grey line "
        "joins the models that no other beats at a lower cost.",
        panels,
        legend(panels, models),
    )


def _seconds(row: Row) -> float | None:
    """Counted models may take no measurable time."""
    return None if row.seconds is None else max(row.seconds, 0.001)


def _cost_series(
    ranking: Ranking,
    leading: list[Standing],
    costs: dict[int, float],
    metric: str,
    unit: str,
    models: Models,
) -> list[Series]:
    places = {standing.place for standing in leading}
    found = []
    for entry in dict.fromkeys(ranking.rows[place - 1].entry for place in costs):
        for large in (False, True):
            here = [
                at
                for at in costs
                if ranking.rows[at - 1].entry == entry and (at in places) is large
            ]
            y = [ranking.rows[at - 1].test[metric] for at in here]
            text = [
                f"{_named(at, ranking.rows[at - 1], ranking)}: {value:.4f}, {costs[at]:,.4g} {unit}"
                for at, value in zip(here, y, strict=True)
            ]
            if here:
                x = [costs[at] for at in here]
                hollow = ranking.rows[here[0] - 1].published
                found.append(
                    Series(entry, x, y, text, model=models[entry], hollow=hollow, faint=not large)
                )
    own = [standing for standing in leading if not standing.row.published]
    points = pareto([(costs[s.place], s.test[metric].mean) for s in own])
    if len(points) > 1:
        x, y = ([point[i] for point in points] for i in (0, 1))
        found.insert(0, Series("", x, y, [""] * len(x), mark="line"))
    return found


def pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, quality) that no other point matches at the same or a lower cost."""
    front: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front
