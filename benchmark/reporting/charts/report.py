"""All charts of a report, in order."""

from benchmark.reporting.charts import curves, groups, results, search
from benchmark.reporting.charts.chart import Chart
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.ranking import Ranking


def charts(
    ranking: Ranking,
    comparison: Comparison | None,
    board: Leaderboard,
    places: list[int],
    by_epoch: dict[str, dict[int, float]],
) -> list[Chart]:
    """The charts that have something to show.

    ``places`` are the rows with a learning curve; ``by_epoch`` holds the validation metric by
    epoch, by run id.
    """
    models = {
        entry: number
        for number, entry in enumerate(dict.fromkeys(row.entry for row in ranking.rows))
    }
    found = [
        results.leaderboard_chart(ranking, board, models),
        results.critical_differences(board, comparison, models),
        results.cost(ranking, board, models),
        curves.learning_curves(ranking, places, by_epoch, models),
        search.settings(ranking, models),
        search.importance(ranking, models),
        *search.parallel(ranking),
        search.history(ranking, models),
        groups.slices(comparison, board, models),
    ]
    return [chart for chart in found if chart]
