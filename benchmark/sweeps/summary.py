"""What the run of a sweep shows: its best point, and a table of all points."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.reporting.words import counted
from benchmark.sweeps import space
from benchmark.sweeps.definition import described
from benchmark.tracking import schema
from benchmark.tracking.reading.swept import SweptTrial
from benchmark.tracking.writing.descriptions import code, link, results
from benchmark.tracking.writing.summary import Summary

if TYPE_CHECKING:
    from benchmark.sweeps.plan import Plan

VALID = schema.metric_key("best_valid", SELECTION_METRIC)
TEST = schema.metric_key("test", SELECTION_METRIC)
LAST_LINE = 50
"""Characters of the line about points that are not shown."""


def summary(plan: Plan, report: str | None) -> Summary:
    """The summary so far; ``report`` is the run of the experiment's report, if there is one."""
    best = plan.best()
    if best is None:
        return Summary({}, {}, _text(plan, ["No point has a result yet.", ""], report))
    trials = plan.with_result(best.number)
    keys = dict.fromkeys(key for trial in trials for key in trial.record.metrics)
    metrics = {key: _mean(trials, key) for key in keys if key.startswith(("best_valid/", "test/"))}
    seeds = ", ".join(str(trial.seed) for trial in trials)
    head = [
        f"Best of {counted(len(plan.values), 'point')}: {code(described(best.values))}, "
        f"{'seeds' if len(trials) > 1 else 'seed'} {seeds}. "
        f"{counted(plan.n_ended, 'trial')} ended.",
        "",
        *results(
            {
                "test": _means([trial.record.test for trial in trials]),
                "best_valid": _means([trial.record.valid for trial in trials]),
            }
        ),
    ]
    point = {**best.values, "seeds": seeds, "run": trials[0].record.run_id}
    return Summary(point, metrics, _text(plan, head, report))


def sum_up(
    sweeps: Mapping[str, Summary],
    runs: Mapping[str, str],
    experiment_id: str,
    report: str | None,
) -> Summary:
    """The summary of a comparison: the best of the best points of its sweeps, and a table of them.

    ``sweeps`` and ``runs``, the ids of their runs, are by the names of the contenders;
    ``report`` is as in ``summary``.
    """
    order = sorted(sweeps, key=lambda name: -sweeps[name].metrics.get(VALID, -1.0))
    lines = [f"Best on validation of {len(order)} sweeps: {order[0]}.", ""]
    lines += ["| sweep | best point | valid ndcg@10 | test ndcg@10 |", "| --- | --- | --- | --- |"]
    for name in order:
        found = sweeps[name]
        point = {key: value for key, value in found.best.items() if key != "run"}
        cells = [
            link(name, experiment_id, runs[name]),
            " ".join(f"{key}={value}" for key, value in point.items()),
            *(_shown(found.metrics.get(key, math.nan), 4) for key in (VALID, TEST)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if report:
        lines += ["", link("The report", experiment_id, report)]
    first = sweeps[order[0]]
    best = {"sweep": order[0], **first.best} if first.best else {}
    return Summary(best, first.metrics, "\n".join(lines))


def _text(plan: Plan, head: list[str], report: str | None) -> str:
    """As much as a tag takes: the last points may be missing."""
    sweep = plan.sweep
    definition = plan.definition
    where = shlex.join(["--experiment", sweep.experiment, "--sweep", sweep.name])
    lines = list(head)
    if plan.data.spec.synthetic:
        lines += ["The data are **SYNTHETIC**.", ""]
    lines += [f"Searched by {definition.method}, pruner {definition.pruner}:", ""]
    lines += [f"- {code(line)}" for line in space.lines(definition.space)]
    lines += ["", f"To report: {code(f'python -m benchmark.report {where}')}", ""]
    if report:
        lines += [f"{link('The report', sweep.experiment_id, report)}", ""]
    lines += ["| point | valid ndcg@10 | test ndcg@10 | seconds | trials |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    points = _points(plan)
    length = len("\n".join(lines))
    for number, trials in enumerate(points):  # a row is made only if it is shown
        row = _row(trials, sweep.experiment_id)
        length += len("\n") + len(row)
        if length > schema.LONGEST - LAST_LINE:
            return "\n".join([*lines, "", f"{len(points) - number} more points are not shown."])
        lines.append(row)
    return "\n".join(lines)


def _points(plan: Plan) -> list[list[SweptTrial]]:
    """The trials of each point, the best point first, and last those without a result."""
    points: dict[int, list[SweptTrial]] = {}
    for (number, _), trial in sorted(plan.trials.items()):
        points.setdefault(number, []).append(trial)
    return sorted(points.values(), key=_place)


def _place(trials: list[SweptTrial]) -> float:
    """To sort the points by."""
    score = _mean(_ended(trials), VALID)
    return 1.0 if math.isnan(score) else -score


def _ended(trials: list[SweptTrial]) -> list[SweptTrial]:
    return [trial for trial in trials if trial.score is not None]


def _row(trials: list[SweptTrial], experiment_id: str) -> str:
    """The row of a point in the table."""
    ended = _ended(trials)
    cells = [
        code(described(trials[0].values)).replace("|", "\\|"),
        _shown(_mean(ended, VALID), 4),
        _shown(_mean(ended, TEST), 4),
        _shown(_mean(ended, "trial_seconds"), 1),
        " ".join(link(_state(trial), experiment_id, trial.record.run_id) for trial in trials),
    ]
    return f"| {' | '.join(cells)} |"


def _state(trial: SweptTrial) -> str:
    """The text of the link to the trial."""
    if trial.interrupted:
        return f"seed {trial.seed} (not ended)"
    if trial.score is None:
        return f"seed {trial.seed} (failed)"
    return f"seed {trial.seed} (pruned)" if trial.pruned else f"seed {trial.seed}"


def _mean(trials: list[SweptTrial], key: str) -> float:
    """Over the trials that have the metric; not a number if none has."""
    values = [trial.record.metrics[key] for trial in trials if key in trial.record.metrics]
    return float(np.mean(values)) if values else float("nan")


def _means(results: list[dict[str, float] | None]) -> dict[str, float]:
    """Over the results that are known, by name."""
    found = [result for result in results if result]
    return {name: float(np.mean([r[name] for r in found])) for name in (found[0] if found else ())}


def _shown(value: float, decimals: int) -> str:
    return "" if np.isnan(value) else f"{value:,.{decimals}f}"
