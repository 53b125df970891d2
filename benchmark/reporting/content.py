"""Everything that a report is made of, whatever its format."""

from dataclasses import dataclass

from benchmark.reporting.charts import Chart
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.sections import Section


@dataclass(frozen=True)
class Content:
    title: str
    """Of the data set."""
    card: str | None
    """A link to what describes it."""
    ranking: Ranking
    comparison: Comparison | None
    sections: list[Section]
    charts: list[Chart]
