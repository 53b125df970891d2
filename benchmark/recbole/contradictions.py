"""Contradictions of a published page: figures that it gives twice, and that differ.

They are reported and stored with the page. The page itself is not changed.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.recbole.page import BEST, LOGGING, NUMBER, TIME
from benchmark.recbole.published_page import Bar, PublishedPage, PublishedTrial

LONGEST = 3_000  # characters of the best params: Python writes numbers of at most 4,300 digits


Contradiction = tuple[int | str, str]
"""The place in the page (a line or a section), and the contradiction."""


@dataclass(frozen=True)
class _Logged:
    """The logging block, as far as it can be read. Missing parts are not compared."""

    params: dict[str, object]
    model: str | None
    score: float | None
    valid: dict[str, float]
    test: dict[str, float]


def contradictions(page: PublishedPage) -> list[str]:
    """One line for each contradiction, with FILE:LINE."""
    logged = _logged(page.logging)
    found = [*_of_best(page, logged), *_of_trials(page.trials)]
    if page.bar:
        found += _of_bar(page, page.bar)
    return [f"{page.where(at)}: {what}" for at, what in found]


def _of_best(page: PublishedPage, logged: _Logged) -> Iterator[Contradiction]:
    """The best parameters and the logging block against the listed trials, and each other."""
    metric = _metric(logged)
    chosen = [trial for trial in page.trials if _same(page.best, trial.params)]
    scores = [trial.valid[metric] for trial in page.trials if metric in trial.valid]
    if not chosen:
        yield BEST, "the best parameters are those of no trial"
    elif scores and all(trial.valid.get(metric) != max(scores) for trial in chosen):
        reached = chosen[0].valid.get(metric)
        yield (
            BEST,
            f"the best parameters reach valid {metric} {reached}; a trial reaches {max(scores)}",
        )
    if logged.params and not _same(logged.params, page.best):
        yield LOGGING, f"best params {logged.params} are not the best parameters {page.best}"
    if logged.model and logged.model not in page.model.split(", "):
        yield LOGGING, f"the best result is of model {logged.model!r}; the page's is {page.model!r}"
    if page.logging and not (logged.valid and logged.test):
        yield LOGGING, "the best result cannot be read, so it is not compared"
    elif logged.score is not None and logged.score not in logged.valid.values():
        yield LOGGING, f"best_valid_score {logged.score} is no figure of best_valid_result"
    for part, found, listed in (
        ("valid", logged.valid, [trial.valid for trial in chosen]),
        ("test", logged.test, [trial.test for trial in chosen]),
    ):
        if found and listed and not any(_same(found, figures) for figures in listed):
            yield LOGGING, _difference(part, found, listed[0])
    if page.bar and logged.score is not None and page.bar.loss != -logged.score:
        yield LOGGING, f"best loss {page.bar.loss} is not minus best_valid_score {logged.score}"


def _of_trials(trials: list[PublishedTrial]) -> Iterator[Contradiction]:
    """With one target per user, hit is the same as recall."""
    for trial in trials:
        for part, figures in (("valid", trial.valid), ("test", trial.test)):
            for name, hit in figures.items():
                recall = figures.get(name.replace("hit", "recall"), hit)
                if name.startswith("hit") and recall != hit:
                    yield trial.line, f"{part} {name} {hit} is not recall {recall}"


def _of_bar(page: PublishedPage, bar: Bar) -> Iterator[Contradiction]:
    """The progress bar against the listed trials, the time cost, and its own figures."""
    if bar.done != len(page.trials):
        yield LOGGING, f"the bar counts {bar.done} trials; {len(page.trials)} are listed"
    if not bar.agrees:
        yield (
            LOGGING,
            f"the bar's {bar.elapsed} s in all are not {bar.done} times "
            f"{bar.seconds_per_trial:.2f} s",
        )
    seconds = page.seconds
    if seconds is not None and abs(seconds - bar.seconds_per_trial) > bar.error + 0.005:
        yield TIME, f"a time cost of {seconds} s/trial; the bar has {bar.seconds_per_trial:.2f}"


def _metric(logged: _Logged) -> str:
    """The metric whose value is the score; ndcg@10 if it is one of several, or if there is none."""
    named = [name for name, value in logged.valid.items() if value == logged.score]
    return SELECTION_METRIC if SELECTION_METRIC in named or not named else named[0]


def _same(ours: Mapping[str, object], theirs: Mapping[str, object]) -> bool:
    """Whether both have names in common, and equal values for all of these."""
    common = ours.keys() & theirs.keys()
    return bool(common) and all(_plain(ours[name]) == _plain(theirs[name]) for name in common)


def _plain(value: object) -> float | str:
    """A value to compare: 1e-3 equals 0.001, and '[64, 32]' equals [64,32]."""
    try:
        return float(value)  # type: ignore[arg-type]  # TypeError is handled
    except (TypeError, ValueError, OverflowError):
        return re.sub(r"[\s'\"]", "", str(value))


def _difference(part: str, found: dict[str, float], listed: dict[str, float]) -> str:
    pairs = [
        f"{name} {found[name]} instead of {listed[name]}"
        for name in found
        if name in listed and found[name] != listed[name]
    ]
    return f"the best {part} result is not that of its trial: {', '.join(pairs)}"


def _logged(lines: list[str]) -> _Logged:
    text = "\n".join(lines)
    score = re.search(rf"'best_valid_score': ({NUMBER})", text)
    model = re.search(r"'model': '([^']*)'", text)
    return _Logged(
        params=_params(text),
        model=model[1] if model else None,
        score=float(score[1]) if score else None,
        valid=_figures(text, "best_valid_result"),
        test=_figures(text, "test_result"),
    )


def _params(text: str) -> dict[str, object]:
    """The best params: a dict of literals. Nothing is evaluated."""
    line = text.partition("best params:")[2].lstrip().partition("\n")[0]
    try:
        value = ast.literal_eval(line[: line.rfind("}", 0, LONGEST) + 1])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _figures(text: str, name: str) -> dict[str, float]:
    """The metrics of the OrderedDict of that name."""
    inside, end, _ = text.partition(f"'{name}': OrderedDict([")[2].partition("])")
    pairs = re.findall(rf"\('([^']+)',\s*({NUMBER})\)", inside) if end else []
    return {metric: float(value) for metric, value in pairs}
