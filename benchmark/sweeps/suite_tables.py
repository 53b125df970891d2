"""What a suite prints and logs: what it needs, and what came of each model on each data set."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from benchmark.durations import spoken
from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.sweeps.forecast import needed
from benchmark.sweeps.suite import OnData
from benchmark.sweeps.suite_file import Suite
from benchmark.tracking import schema
from benchmark.tracking.reading.suites import DataOutcome, SuiteOutcome
from benchmark.tracking.writing.descriptions import link

Range = tuple[float, float]
"""Seconds, at least and at most."""
NOT_AVAILABLE = "not available"


def estimate(suite: Suite, all_data: list[OnData]) -> Iterator[str]:
    """The lines that say how long the learned models take on each data set, and in all."""
    learned = suite.models[: len(suite.learned)]
    rows = []
    whole: list[Range] = []
    for on_data in all_data:
        never = NOT_AVAILABLE if on_data.unavailable else "failed" if on_data.refused else ""
        times = {model: _seconds(on_data, model) for model in learned}
        row = {"data set": on_data.name}
        for model, time in times.items():
            row[model] = never or _time(time, on_data.to_come.get(model))
        known = [time for time in times.values() if time]
        row["all"] = _time(_sum(known), None) if known else ""
        row["memory"] = _memory([on_data])
        rows.append(row)
        whole += known
    yield "expected of the learned models, one trial at a time on this machine:"
    yield tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    memory = _memory(all_data)
    peak = f", peak memory {memory}" if memory else ""
    yield f"all: {_time(_sum(whole), None)}{peak}; the time of the counted models comes on top"


def _sum(times: list[Range]) -> Range:
    return sum(low for low, _ in times), sum(high for _, high in times)


def _memory(all_data: list[OnData]) -> str:
    """The largest of the learned models that have trials to come; empty if that is not known."""
    found = [t.memory_mb for on_data in all_data for t in on_data.forecast.trials.values()]
    return f"{max(found):,.0f} MB" if found else ""


def _seconds(on_data: OnData, model: str) -> Range | None:
    """What the trials of the model that are to come take; None if that is not known."""
    n = on_data.to_come.get(model)
    trial = on_data.forecast.trials.get(model)
    if n == 0:
        return 0.0, 0.0
    if n is None or trial is None:
        return None
    return needed(trial, n, on_data.effort)


def _time(seconds: Range | None, to_come: int | None) -> str:
    if to_come == 0:
        return "finished"
    if seconds is None:
        return "?"
    low, high = map(spoken, seconds)
    return low if low == high else f"{low} to {high}"


def results(suite: Suite, all_data: list[OnData]) -> str:
    """A row for each model, a column for each data set: the validation metric of the best point."""
    rows = [
        {"model": model, **{_titled(on_data): _shown(on_data, model) for on_data in all_data}}
        for model in suite.models
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _titled(on_data: OnData) -> str:
    return on_data.name + (" (synthetic)" if on_data.entry.spec.synthetic else "")


def _shown(on_data: OnData, model: str) -> str:
    cell = on_data.cells.get(model)
    if cell and cell.score is not None:
        return f"{cell.score:.4f}{' (a seed failed)' if cell.failure else ''}"
    if on_data.unavailable:
        return NOT_AVAILABLE
    if model in on_data.left_out:
        return "left out"
    return "failed" if on_data.failed(model) else ""


def missing(suite: Suite, all_data: list[OnData]) -> Iterator[str]:
    """A line for each data set that is not available, and for each result that is missing."""
    for on_data in all_data:
        if on_data.unavailable:
            yield f"{on_data.name} is {NOT_AVAILABLE}: {on_data.unavailable}"
        elif on_data.refused:
            yield f"{on_data.name} failed: {on_data.refused}"
        else:
            for model in suite.models:
                if why := on_data.why_missing(model):
                    how = "failed" if on_data.failed(model) else "is left out"
                    yield f"{model} on {on_data.name} {how}: {why}"


def outcome(suite: Suite, all_data: list[OnData]) -> SuiteOutcome:
    """What is logged for other programs."""
    return SuiteOutcome(
        suite.name,
        suite.title,
        tuple(
            DataOutcome(
                on_data.entry.spec.name,
                on_data.entry.spec.title,
                on_data.protocol,
                on_data.digest,
                on_data.request.name,
                on_data.experiment,
                on_data.unavailable,
                {model: on_data.why_missing(model) for model in suite.models},
            )
            for on_data in all_data
        ),
        tuple(suite.models[: len(suite.learned)]),
    )


def note(suite: Suite, all_data: list[OnData]) -> str:
    """The description of the suite's run, in markdown: as much as a tag takes."""
    lines = [f"{suite.title}: {len(suite.models)} models on {len(all_data)} data sets.", ""]
    for on_data in all_data:
        shown = link(on_data.request.name, *on_data.sums_up) if on_data.sums_up else on_data.name
        synthetic = ", **SYNTHETIC** data" if on_data.entry.spec.synthetic else ""
        lines.append(f"- {shown}: {on_data.entry.spec.title}{synthetic}")
    lines += ["", f"Validation {SELECTION_METRIC} of each model's best point:", ""]
    lines += [results(suite, all_data), ""]
    lines += [f"- {line}" for line in missing(suite, all_data)]
    lines += ["", f"The suite is `{schema.SUITE_FILE}`, its outcome `{schema.OUTCOME}`."]
    return "\n".join(lines)
