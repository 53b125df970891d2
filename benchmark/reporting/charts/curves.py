"""Learning curves: the validation metric after each epoch."""

from collections import Counter

import numpy as np

from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series
from benchmark.reporting.labels import labels
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row


def learning_curves(
    ranking: Ranking,
    places: list[int],
    by_epoch: dict[str, dict[int, float]],
    models: dict[str, int],
) -> Chart | None:
    """``by_epoch`` holds the validation metric by epoch, by run id."""
    before: Counter[str] = Counter()
    found = []
    for place, name in labels(ranking, places).items():
        row = ranking.rows[place - 1]
        epochs, values = _curve(row, by_epoch)
        if row.learned and len(epochs) > 1:  # the epochs of a counted model are values it tries
            found.append(_series(name, row, epochs, values, models[row.entry], before[row.entry]))
            before[row.entry] += 1
    if not found:
        return None
    y = Axis(f"valid {ranking.metric}")
    several = any(series.low for series in found)
    return Chart(
        "Learning curves",
        "learning-curves",
        f"Validation {ranking.metric} after each epoch, of the best row of each model and the best "
        "rows of all." + " Bars: standard deviation among the seeds." * several,
        [Panel("", Axis("epoch", integer=True), y, found)],
    )


def _curve(row: Row, by_epoch: dict[str, dict[int, float]]) -> tuple[list[int], np.ndarray]:
    """The epochs that all seeds have, and the metric: [seeds, epochs] float64."""
    of_seeds = [by_epoch.get(record.run_id, {}) for record in row.records]
    epochs = sorted(set.intersection(*(set(curve) for curve in of_seeds)))
    return epochs, np.array([[curve[epoch] for epoch in epochs] for curve in of_seeds])


def _series(
    name: str, row: Row, epochs: list[int], values: np.ndarray, model: int, before: int
) -> Series:
    mean = values.mean(axis=0)  # [epochs]
    deviation = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(0)
    several = len(values) > 1
    return Series(
        name,
        epochs,
        mean.tolist(),
        [f"{name}, epoch {n}: {value:.4f}" for n, value in zip(epochs, mean, strict=True)],
        mark="line and dots",
        model=model,
        low=(mean - deviation).tolist() if several else (),
        high=(mean + deviation).tolist() if several else (),
        hollow=row.published,
        style=before,
        in_legend=True,
    )
