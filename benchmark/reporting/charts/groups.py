"""Small multiples: the test metric in groups of users and targets."""

from benchmark.reporting.charts.chart import Axis, Chart, Mark, Panel, Series, legend
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.leaderboard import Leaderboard


def slices(
    comparison: Comparison | None, board: Leaderboard, models: dict[str, int]
) -> Chart | None:
    """One panel for each way of grouping, such as by history length."""
    if comparison is None:
        return None
    entries = {standing.place: standing.row.entry for standing in board.standings}
    panels = []
    for by in dict.fromkeys(part.by for part in comparison.sliced):
        parts = [part for part in comparison.sliced if part.by == by]
        at = list(range(len(parts)))
        series = []
        for i, place in enumerate(comparison.places):
            means = [float(part.means[i]) for part in parts]
            if place not in entries or any(mean != mean for mean in means):
                continue
            text = [
                f"{entries[place]}, {by} {part.name} ({part.users:,} users): {mean:.4f}"
                for part, mean in zip(parts, means, strict=True)
            ]
            mark: Mark = "line and dots" if len(parts) > 2 else "dots"
            model = models[entries[place]]
            series.append(Series(entries[place], at, means, text, mark=mark, model=model))
        if len(parts) > 1 and series:
            x = Axis(by, at, [part.name for part in parts])
            panels.append(Panel(f"By {by}", x, Axis(f"test {comparison.metric}"), series))
    if not panels:
        return None
    return Chart(
        f"Test {comparison.metric} of groups",
        "groups",
        "The best row of each model in groups of users and targets; the table of slices has the "
        "numbers of all rows that are compared.",
        panels,
        legend(panels, models),
    )
