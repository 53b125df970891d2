"""The plots of a report, as numbers that any format can draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from benchmark.reporting.labels import labels
from benchmark.reporting.ranking import Ranking, Row

MOST_TICKS = 12


@dataclass(frozen=True)
class Line:
    name: str
    x: Sequence[float]
    mean: list[float]
    deviation: list[float]
    """Standard deviation among seeds (n - 1); 0 for one seed."""


@dataclass(frozen=True)
class Chart:
    title: str
    x: str
    y: str
    lines: list[Line]
    logarithmic: bool = False
    """Whether the x axis is logarithmic."""

    @property
    def ticks(self) -> list[float]:
        """The marks of a logarithmic x axis: the values that were tried, if they are not too
        many."""
        tried = sorted({x for line in self.lines for x in line.x})
        return tried if self.logarithmic and len(tried) <= MOST_TICKS else []

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-").replace("@", "-at-")


def charts(ranking: Ranking, places: list[int], curves: dict[str, dict[int, float]]) -> list[Chart]:
    """The charts that have a line.

    ``places`` are the rows to draw; ``curves`` hold the validation metric by epoch, by run id.
    """
    rows = [(name, ranking.rows[place - 1]) for place, name in labels(ranking, places).items()]
    name = f"valid {ranking.metric}"
    found = [
        Chart("Learning curves", "epoch", name, [_learning(*row, curves) for row in rows]),
        Chart(
            f"{name} by learning rate",
            "learning_rate",
            name,
            _by_learning_rate(ranking),
            logarithmic=True,
        ),
    ]
    kept = [(chart, [line for line in chart.lines if len(line.x) > 1]) for chart in found]
    return [
        Chart(chart.title, chart.x, chart.y, lines, chart.logarithmic)
        for chart, lines in kept
        if lines
    ]


def _learning(name: str, row: Row, curves: dict[str, dict[int, float]]) -> Line:
    """Over the epochs that all seeds have."""
    of_seeds = [curves.get(record.run_id, {}) for record in row.records]
    epochs = sorted(set.intersection(*(set(curve) for curve in of_seeds)))
    values = np.array([[curve[epoch] for epoch in epochs] for curve in of_seeds])
    return Line(name, epochs, values.mean(axis=0).tolist(), _deviation(values))


def _by_learning_rate(ranking: Ranking) -> list[Line]:
    """A line for each model: at each learning rate its best row, whatever else was searched."""
    rows = [
        row
        for row in ranking.rows
        if isinstance(row.param("learning_rate"), int | float) and not row.scored
    ]
    lines = []
    for name, of_model in groupby(sorted(rows, key=_model), _model):
        best: dict[float, Row] = {}
        for row in sorted(of_model, key=lambda r: -r.valid[ranking.metric]):
            best.setdefault(float(row.param("learning_rate")), row)
        rates = sorted(best)
        lines.append(
            Line(
                name,
                rates,
                [best[rate].valid[ranking.metric] for rate in rates],
                [best[rate].deviation("valid", ranking.metric) or 0.0 for rate in rates],
            )
        )
    return lines


def _model(row: Row) -> str:
    return row.name or "unknown"


def _deviation(values: np.ndarray) -> list[float]:
    if len(values) < 2:
        return [0.0] * values.shape[1]
    return values.std(axis=0, ddof=1).tolist()
