"""What a published page says twice, and not the same. The page is kept as it is all the same."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.recbole.page import BEST, LOGGING, NUMBER, TIME, PublishedPage, PublishedTrial

LONGEST = 3_000  # characters of best params: within the digits that Python writes of a number
DEFAULT_METRIC = "ndcg@10"


@dataclass(frozen=True)
class _Logged:
    """The logging block, as far as it can be read; what is missing is not compared."""

    params: dict[str, object]
    model: str | None
    score: float | None
    valid: dict[str, float]
    test: dict[str, float]


def contradictions(page: PublishedPage) -> list[str]:
    """One line each, with FILE:LINE."""
    logged = _logged(page.logging)
    return [f"{page.where(at)}: {what}" for at, what in [*_of_best(page, logged), *_of_rest(page)]]


def _of_best(page: PublishedPage, logged: _Logged) -> Iterator[tuple[int | str, str]]:
    metric = _metric(logged)
    chosen = [trial for trial in page.trials if _same(page.best, trial.params)]
    scores = [trial.valid[metric] for trial in page.trials if metric in trial.valid]
    if not chosen:
        yield BEST, "the best parameters are those of no trial"
    elif scores and all(trial.valid.get(metric) != max(scores) for trial in chosen):
        mine = chosen[0].valid.get(metric)
        yield (
            BEST,
            f"the best parameters reach valid {metric} {mine}; a trial reaches {max(scores)}",
        )
    if logged.params and not _same(logged.params, page.best):
        yield LOGGING, f"best params {logged.params} are not the best parameters {page.best}"
    if logged.model and logged.model not in page.model.split(", "):
        yield LOGGING, f"the best result is of model {logged.model!r}; the page's is {page.model!r}"
    if page.logging and not (logged.valid and logged.test):
        yield LOGGING, "the best result cannot be read, so it is not compared"
    elif logged.score is not None and logged.score not in logged.valid.values():
        yield LOGGING, f"best_valid_score {logged.score} is no figure of best_valid_result"
    for part in ("valid", "test"):
        theirs = getattr(logged, part)
        figures = [getattr(trial, part) for trial in chosen]
        if theirs and figures and not any(_same(theirs, ours) for ours in figures):
            yield LOGGING, _difference(part, theirs, figures[0])
    if page.bar and logged.score is not None and page.bar.loss != -logged.score:
        yield LOGGING, f"best loss {page.bar.loss} is not minus best_valid_score {logged.score}"


def _of_rest(page: PublishedPage) -> Iterator[tuple[int | str, str]]:
    for trial in page.trials:
        yield from _of_trial(trial)
    if not page.bar:
        return
    bar, seconds = page.bar, page.seconds
    if bar.done != len(page.trials):
        yield LOGGING, f"the bar counts {bar.done} trials; {len(page.trials)} are listed"
    if not bar.agrees:
        yield (
            LOGGING,
            f"the bar's {bar.elapsed} s in all are not {bar.done} times "
            f"{bar.seconds_per_trial:.2f} s",
        )
    if seconds is not None and abs(seconds - bar.seconds_per_trial) > bar.error + 0.005:
        yield TIME, f"a time cost of {seconds} s/trial; the bar has {bar.seconds_per_trial:.2f}"


def _of_trial(trial: PublishedTrial) -> Iterator[tuple[int, str]]:
    """With one relevant item for each user, hit is recall."""
    for part in ("valid", "test"):
        figures = getattr(trial, part)
        for name, hit in figures.items():
            recall = figures.get(name.replace("hit", "recall"), hit)
            if name.startswith("hit") and recall != hit:
                yield trial.line, f"{part} {name} {hit} is not recall {recall}"


def _metric(logged: _Logged) -> str:
    """The one whose value is the score; ndcg@10 if that cannot be said."""
    named = [name for name, value in logged.valid.items() if value == logged.score]
    return DEFAULT_METRIC if DEFAULT_METRIC in named or not named else named[0]


def _same(ours: dict, theirs: dict) -> bool:
    """In all that both have; nothing in common is no agreement."""
    common = ours.keys() & theirs.keys()
    return bool(common) and all(_plain(ours[name]) == _plain(theirs[name]) for name in common)


def _plain(value: object) -> object:
    """1e-3 is 0.001, and '[64, 32]' is [64,32]."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return re.sub(r"[\s'\"]", "", str(value))


def _difference(part: str, theirs: dict[str, float], ours: dict[str, float]) -> str:
    pairs = [
        f"{name} {theirs[name]} instead of {ours[name]}"
        for name in theirs
        if name in ours and theirs[name] != ours[name]
    ]
    return f"the best {part} result is not that of its trial: {', '.join(pairs)}"


def _logged(lines: list[str]) -> _Logged:
    text = "\n".join(lines)
    score = re.search(rf"'best_valid_score': ({NUMBER})", text)
    model = re.search(r"'model': '([^']*)'", text)
    return _Logged(
        params=_dict(text),
        model=model and model[1],
        score=float(score[1]) if score else None,
        valid=_figures(text, "best_valid_result"),
        test=_figures(text, "test_result"),
    )


def _dict(text: str) -> dict:
    """The best params: literals, and nothing that would be evaluated."""
    line = text.partition("best params:")[2].lstrip().partition("\n")[0]
    try:
        value = ast.literal_eval(line[: line.rfind("}", 0, LONGEST) + 1])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _figures(text: str, name: str) -> dict[str, float]:
    inside, end, _ = text.partition(f"'{name}': OrderedDict([")[2].partition("])")
    pairs = re.findall(rf"\('([^']+)',\s*({NUMBER})\)", inside) if end else []
    return {metric: float(value) for metric, value in pairs}
