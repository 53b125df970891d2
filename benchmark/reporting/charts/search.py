"""Charts of a search: each setting, its importance, parallel coordinates, and the history."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import accumulate

from benchmark.reporting.charts.chart import Axis, Chart, Panel, Series, axis_of, legend
from benchmark.reporting.labels import settings_of
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row

FEWEST = 4  # rows of a search that has something to show
MOST_LINES = 100  # of a panel: more cannot be told apart
MOST_ROWS = 64  # of a forest, whose evaluation takes the square of their number
MANY = 200  # dots of a panel, which are drawn small


def settings(ranking: Ranking, models: dict[str, int]) -> Chart | None:
    """Validation by each searched setting. A line joins the rows that differ in it alone."""
    panels = []
    too_many = False
    for name in ranking.searched:
        if name == "model":
            continue
        rows = [row for row in ranking.rows if name in row.params and row.valid]
        groups = _that_differ_in(name, rows)
        varied = {row.entry for group in groups if len(group) > 1 for row in group}
        groups = [group for group in groups if group[0].entry in varied]
        if not groups:
            continue
        too_many = too_many or len(groups) > MOST_LINES
        groups = groups[:MOST_LINES]  # by their best rows
        axis, at = axis_of(name, [row.param(name) for group in groups for row in group])
        series = [_series(name, group, at, ranking, models) for group in groups]
        panels.append(Panel(f"By {name}", axis, Axis(f"valid {ranking.metric}"), series))
    if not panels:
        return None
    return Chart(
        f"Valid {ranking.metric} by setting",
        "settings",
        "A line joins rows that differ in this setting alone; bars are the standard deviation "
        "among the seeds."
        + f" The {MOST_LINES} lines with the best rows are shown." * too_many
        + _HOLLOW * any(row.published for row in ranking.rows),
        panels,
        legend(panels, models),
    )


_HOLLOW = " Hollow: published figures."


def _that_differ_in(name: str, rows: list[Row]) -> list[list[Row]]:
    """Groups of rows that have all other settings in common."""
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        others = sorted((key, str(row.params[key])) for key in row.params if key != name)
        without_seed = tuple(other for other in others if other[0] != "seed")
        groups[row.entry, without_seed].append(row)
    return list(groups.values())


def _series(
    name: str,
    group: list[Row],
    at: Mapping[float | str, float],
    ranking: Ranking,
    models: dict[str, int],
) -> Series:
    group = sorted(group, key=lambda row: at[row.param(name)])
    entry = group[0].entry
    y = [row.valid[ranking.metric] for row in group]
    deviations = [row.deviation("valid", ranking.metric) or 0.0 for row in group]
    several = any(deviations)
    return Series(
        entry,
        [at[row.param(name)] for row in group],
        y,
        [
            f"{entry} {settings_of(row, ranking)}: {value:.4f}"
            for row, value in zip(group, y, strict=True)
        ],
        mark="line and dots" if len(group) > 1 else "dots",
        model=models[entry],
        low=[value - d for value, d in zip(y, deviations, strict=True)] if several else (),
        high=[value + d for value, d in zip(y, deviations, strict=True)] if several else (),
        hollow=group[0].published,
    )


def importance(ranking: Ranking, models: dict[str, int]) -> Chart | None:
    """How much of the variation of the validation metric each setting explains, by model."""
    panels = []
    for entry, (rows, varied) in _searches(ranking).items():
        chosen = _spread(rows, MOST_ROWS)
        if len({row.valid[ranking.metric] for row in chosen}) == 1:
            continue  # nothing to explain
        shares = _importances(chosen, varied, ranking.metric)
        names = sorted(shares, key=lambda name: shares[name])
        y = Axis("", list(range(len(names))), names)
        values = [shares[name] for name in names]
        text = [f"{name}: {shares[name]:.4f}" for name in names]
        at = list(range(len(names)))
        series = Series(entry, values, at, text, mark="bars", model=models[entry])
        title = f"{entry}, {_share(chosen, rows)}"
        panels.append(Panel(title, Axis("importance"), y, [series]))
    if not panels:
        return None
    return Chart(
        "Importance of settings",
        "importance",
        "The share of the variation of validation that a setting explains, in a forest that is "
        "fitted to the rows (fANOVA of Optuna; Hutter et al. 2014). Few rows make it rough."
        + f" Of many rows it sees {MOST_ROWS}, evenly spaced in the ranking."
        * any(len(rows) > MOST_ROWS for rows, _ in _searches(ranking).values()),
        panels,
    )


def _importances(rows: list[Row], varied: list[str], metric: str) -> dict[str, float]:
    import optuna  # loads slowly, and few reports need it
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator

    distributions: dict[str, BaseDistribution] = {}
    for name in varied:
        values = [row.params[name] for row in rows]
        numbers = [float(value) for value in values if not isinstance(value, str)]
        if len(numbers) < len(values):
            distributions[name] = CategoricalDistribution(sorted(set(map(str, values))))
        else:
            # fANOVA measures a linear axis; its forest splits at values, whatever their scale.
            distributions[name] = FloatDistribution(min(numbers), max(numbers))
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it announces every study
    study = optuna.create_study(direction="maximize")
    for row in rows:
        params = {
            name: str(row.params[name])
            if isinstance(distributions[name], CategoricalDistribution)
            else float(row.params[name])
            for name in varied
        }
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=row.valid[metric]
            )
        )
    evaluator = FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def parallel(ranking: Ranking) -> list[Chart]:
    """Parallel coordinates of each model's rows."""
    found: list[Chart] = []
    for entry, (every, varied) in _searches(ranking).items():
        rows = _spread(every, MOST_LINES)
        axes = []
        values: list[list[float]] = []  # [axes][rows]
        for name in varied:
            axis, at = axis_of(name, [row.params[name] for row in rows])
            axes.append(axis)
            values.append([at[row.params[name]] for row in rows])
        axes.append(Axis(f"valid {ranking.metric}"))
        values.append([row.valid[ranking.metric] for row in rows])
        hover = [f"{settings_of(row, ranking)}: {row.valid[ranking.metric]:.4f}" for row in rows]
        found.append(
            Chart(
                f"Parallel coordinates of {entry}",
                f"parallel-{len(found) + 1}",
                f"Each line is a row; dark lines have a high validation {ranking.metric}."
                + f" {_share(rows, every)} are shown, evenly spaced in the ranking."
                * (len(rows) < len(every)),
                [_over_all_axes(axes, values, hover)],
            )
        )
    return found


def _spread(rows: list[Row], most: int) -> list[Row]:
    """Evenly spaced rows, the first and the last among them; all of them, if there are few."""
    if len(rows) <= most:
        return rows
    return [rows[round(at * (len(rows) - 1) / (most - 1))] for at in range(most)]


def _share(chosen: list[Row], rows: list[Row]) -> str:
    return f"{f'{len(chosen)} of ' * (len(chosen) < len(rows))}{len(rows):,} rows"


def _over_all_axes(axes: list[Axis], values: list[list[float]], hover: list[str]) -> Panel:
    """``values`` are [axes][rows]; the last axis decides how dark a row is."""
    at = list(range(len(axes)))
    scaled = []
    notes = []
    series = [Series("", [x, x], [0.0, 1.0], ["", ""], mark="line") for x in at]
    for x, (axis, of_rows) in enumerate(zip(axes, values, strict=True)):
        scaled.append(axis.from_0_to_1(of_rows, of_rows))
        ticks = list(axis.ticks) or [min(of_rows), max(of_rows)]
        labels = list(axis.labels) or [f"{tick:.4f}" for tick in ticks]
        places = axis.from_0_to_1(ticks, of_rows)
        notes += [(float(x), y, text) for y, text in zip(places, labels, strict=True)]
    for row in sorted(range(len(hover)), key=lambda row: scaled[-1][row]):
        y = [of_axis[row] for of_axis in scaled]
        text = [hover[row]] * len(at)
        series.append(Series("", at, y, text, mark="line", shade=scaled[-1][row]))
    x_axis = Axis("", at, [axis.title for axis in axes])
    return Panel("", x_axis, Axis("", hidden=True), series, notes)


def _searches(ranking: Ranking) -> dict[str, tuple[list[Row], list[str]]]:
    """The own rows of each model that was searched over two settings or more, and these."""
    found = {}
    for entry in dict.fromkeys(row.entry for row in ranking.own.rows):
        rows = [row for row in ranking.own.rows if row.entry == entry and row.valid]
        varied = ranking.varied[entry]
        if len(rows) >= FEWEST and len(varied) > 1:
            found[entry] = (rows, varied)
    return found


def history(ranking: Ranking, models: dict[str, int]) -> Chart | None:
    """The validation metric of each trial in the order of their starts."""
    trials = sorted(
        ((record, row) for row in ranking.own.rows for record in row.records if record.valid),
        key=lambda trial: trial[0].started,
    )
    if len(trials) < FEWEST:
        return None
    values = [record.valid[ranking.metric] if record.valid else 0.0 for record, _ in trials]
    best = list(accumulate(values, max))
    numbers = list(range(1, len(values) + 1))
    text = [f"best so far: {value:.4f}" for value in best]
    series = [Series("", numbers, best, text, mark="line")]
    for entry in dict.fromkeys(row.entry for _, row in trials):
        own = [at for at, (_, row) in enumerate(trials) if row.entry == entry]
        shown = [f"{trials[at][0].name}: {values[at]:.4f}" for at in own]
        x, y = [numbers[at] for at in own], [values[at] for at in own]
        faint = len(trials) > MANY
        series.append(Series(entry, x, y, shown, model=models[entry], faint=faint))
    y_axis = Axis(f"valid {ranking.metric}")
    panels = [Panel("", Axis("trial", integer=True), y_axis, series)]
    return Chart(
        "History",
        "history",
        "Validation of each trial in the order of their starts; the line is the best so far.",
        panels,
        legend(panels, models),
    )
