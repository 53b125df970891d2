"""Mean ranks with the critical difference (Demšar 2006, figure 1), over users or data sets."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.reporting.charts.chart import Axis, Panel, Series
from benchmark.reporting.mean_ranks import cliques


def rank_panel(
    names: Sequence[str], ranks: Sequence[float], difference: float, models: Mapping[str, int]
) -> Panel:
    """The panel: models from top to bottom, the best mean rank first, as ``ranks`` are sorted.

    Bars on the right join the models that differ by less than ``difference``.
    """
    series = [
        Series(name, [rank], [-at], [f"{name}: mean rank {rank:.4f}"], model=models[name])
        for at, (name, rank) in enumerate(zip(names, ranks, strict=True))
    ]
    step = 0.05 * max(difference, float(np.ptp(ranks)))
    for number, (first, last) in enumerate(cliques(np.array(ranks), difference), start=1):
        beside = ranks[-1] + number * step
        text = f"no significant difference: {', '.join(names[first : last + 1])}"
        ends = ([beside, beside], [-first + 0.2, -last - 0.2], [text, text])
        series.append(Series("", *ends, mark="line"))
    text = f"critical difference {difference:.4f}"
    bar = [ranks[0], ranks[0] + difference]
    series.append(Series("", bar, [0.8, 0.8], [text, text], mark="line"))
    ticks = [0.8, *(-at for at in range(len(names)))]
    return Panel("", Axis("mean rank"), Axis("", ticks, ["critical difference", *names]), series)
