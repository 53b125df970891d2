"""What a report cannot show, or should not be believed, because of what single trials logged."""

from benchmark.measures import metrics
from benchmark.measures.metrics import NAMES
from benchmark.reporting.beside import Beside
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking

ROUNDING = 1e-4  # metrics may have been logged with four decimals


def of_ranks(
    ranking: Ranking, comparison: Comparison | None, unreadable: dict[str, str]
) -> list[str]:
    """Sentences of plain text; ``unreadable`` says why ranks cannot be read, by run id."""
    found = _lost(
        ranking,
        unreadable,
        "the ranks that were logged cannot be read, so that intervals, tests, cut-offs and slices "
        "are without",
    )
    if comparison and comparison.apart:
        found.append(
            f"{rows(comparison.apart)}: the logged ranks are of other users or targets than those "
            "of the rows compared."
        )
    return [*found, *(_disagreements(ranking, comparison) if comparison else [])]


def of_lists(ranking: Ranking, beside: Beside, unreadable: dict[str, str]) -> list[str]:
    """Sentences of plain text; ``unreadable`` says why lists cannot be read, by run id."""
    found = _lost(
        ranking,
        unreadable,
        "the lists that were logged cannot be read, so that measures beside accuracy are without",
    )
    if beside.apart:
        found.append(
            f"{rows(beside.apart)}: the logged lists are of other queries than the ranks, so that "
            "measures beside accuracy are without."
        )
    return found


def _lost(ranking: Ranking, unreadable: dict[str, str], what: str) -> list[str]:
    lost = {
        place: unreadable[record.run_id]
        for place, row in enumerate(ranking.rows, start=1)
        for record in row.records
        if record.run_id in unreadable
    }
    return [f"{rows(list(lost))}: {what}: {next(iter(lost.values()))}."] if lost else []


def rows(places: list[int]) -> str:
    """Row 1, or Rows 1, 2, ... and 5 more."""
    few = ", ".join(map(str, places[:10]))
    more = f" and {len(places) - 10} more" if len(places) > 10 else ""
    return f"Row{'s' * (len(places) > 1)} {few}{more}"


def _disagreements(ranking: Ranking, comparison: Comparison) -> list[str]:
    """A sentence for each trial whose logged test metrics do not follow from its ranks."""
    found = []
    for place, of_row in zip(comparison.places, comparison.ranks, strict=True):
        queries = comparison.targets["query"].to_numpy()
        for record, ranks in zip(ranking.rows[place - 1].records, of_row, strict=True):
            logged = record.test or {}
            means = metrics.means(ranks, queries)
            differ = [n for n in NAMES if n in logged and abs(means[n] - logged[n]) > ROUNDING]
            if differ:
                name = comparison.metric if comparison.metric in differ else differ[0]
                found.append(
                    f"Row {place}: test {name} of run {record.run_id[:8]} was logged as "
                    f"{logged[name]:.4f}; its ranks give {means[name]:.4f}."
                )
    return found
