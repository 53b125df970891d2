"""The result page of a search, in the layout of RecBole's published benchmark pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmark.recbole import links
from benchmark.tracking import schema
from models import MODELS

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.ranking import Ranking
    from benchmark.reporting.row import Row
    from benchmark.tracking.reading.record import Record

SEARCH = "Hyper-parameter searching** (hyper.test)"


def render(ranking: Ranking, title: str, card: str | None, *, pooled: bool = False) -> str:
    """The page in markdown; ``title`` and ``card`` (a link) are those of the data set.

    The trials of a published page give that page back as it was read. Others are in the order in
    which they were run; trials that differ in the seed alone are one. Numbers are printed by
    `round(x, 4)`. Every space of the original is kept, also at line ends. Trials without validation
    are left out: a page shows the best of a search. It is empty if there are no others. The search
    space of several models or sweeps, which nobody ran as one, is left out unless ``pooled``.
    """
    ranking = replace(ranking, rows=[row for row in ranking.rows if row.valid])
    if not ranking.rows:
        return ""
    if ranking.sweep and ranking.sweep.page:
        return ranking.sweep.page
    seconds = _time_cost(ranking)
    sections = "\n\n".join(
        [
            "# Sequential Recommendation",
            f"- **Dataset**: {_link(title, card)}",
            f"- **Model**: {_models(ranking)}",
            *([] if seconds is None else [f"- **Time cost**: {seconds:.2f}s/trial"]),
            *([_section(SEARCH, _search_space(ranking))] if pooled or _one_search(ranking) else []),
            _section("Best parameters**", _best_parameters(ranking)),
            _section("Hyper-parameter logging** (hyper.result)", _trials(ranking)),
            _section("Logging Result**", _logging(ranking)),
        ]
    )
    return sections + "\n"


def _section(heading: str, content: str) -> str:
    """A list item with a fenced block; empty lines inside the block are not indented."""
    fence = "```"
    while fence in content:
        fence += "`"
    found = [f"{fence}yaml", *content.split("\n"), fence]
    lines = [f"  {line}" if line else "" for line in found]
    return "\n".join([f"- **{heading}:", "", *lines])


def _link(text: str, target: str | None) -> str:
    """A link; the name that a run gives its model or data is text."""
    text = _one_line(text).replace("\\", "\\\\").replace("<", "&lt;")
    text = text.replace("[", "\\[").replace("]", "\\]").replace("`", "\\`")
    return f"[{text}]({links.quoted(target)})" if target and links.is_web(target) else text


def _one_line(value: object) -> str:
    """Without line ends, which could end a fenced block."""
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)


def _models(ranking: Ranking) -> str:
    of_model = {str(r.params.get("model", "unknown")): r for r in ranking.records}
    return ", ".join(_link(name, _model_link(record)) for name, record in of_model.items())


def _model_link(record: Record) -> str | None:
    """As logged; for runs that did not log it, the link of seqrec's model of that name."""
    if schema.MODEL_LINK in record.tags:
        return record.tags[schema.MODEL_LINK]
    name = str(record.params.get("model", ""))
    return MODELS[name].link if name in MODELS else None


def _time_cost(ranking: Ranking) -> float | None:
    """Mean seconds per trial over the trials that were timed; None if none was."""
    seconds = [record.seconds for record in ranking.records if record.seconds is not None]
    return sum(seconds) / len(seconds) if seconds else None


def _one_search(ranking: Ranking) -> bool:
    """Whether the trials are of one sweep, or of one model by hand."""
    searches = {(row.model, r.tags.get(schema.SWEEP)) for row in ranking.rows for r in row.records}
    return ranking.sweep is not None or len(searches) == 1


def _search_space(ranking: Ranking) -> str:
    if ranking.sweep:
        return "\n".join(ranking.sweep.space)
    return "\n".join(
        f"{name} choice [{', '.join(map(_one_line, values))}]"
        for name, values in ranking.searched.items()
    )


def _parameters(row: Row, ranking: Ranking) -> dict[str, int | float | str]:
    """The searched parameters; of a published trial as written, and in the order of its page."""
    if row.published:
        return dict(row.records[0].point)
    return {name: row.params[name] for name in ranking.searched if name in row.params}


def _best_parameters(ranking: Ranking) -> str:
    params = _parameters(ranking.best, ranking)
    names = [*(ranking.sweep.best if ranking.sweep else []), *params]
    return "\n".join(
        f"{name}: {_one_line(params[name])}" for name in dict.fromkeys(names) if name in params
    )


def _trials(ranking: Ranking) -> str:
    return "\n\n".join(
        "\n".join(
            [
                ", ".join(f"{n}:{_one_line(v)}" for n, v in _parameters(row, ranking).items()),
                "Valid result:",
                _metrics(row.valid),
                "Test result:",
                _metrics(row.test),
            ]
        )
        for row in ranking.started
    )


def _metrics(values: dict[str, float]) -> str:
    return "    ".join(f"{name} : {round(values[name], 4)}" for name in schema.RESULT_METRICS)


def _logging(ranking: Ranking) -> str:
    best = ranking.best
    count = len(ranking.records)
    each = _time_cost(ranking)
    seconds = None if each is None else each * count
    if ranking.sweep:
        count, seconds = ranking.sweep.ended, ranking.sweep.seconds
    score = round(best.valid[ranking.metric], 4)
    bars = []
    if seconds is not None:
        loss = f"best loss: {-score}"
        bars = [tqdm.format_meter(count, count, seconds, unit="trial", postfix=loss)]
    params = {name: _unquoted(best.param(name)) for name in _parameters(best, ranking)}
    result = (
        f"{{'model': {best.params.get('model', 'unknown')!r}, 'best_valid_score': {score}, "
        f"'valid_score_bigger': True, 'best_valid_result': {_ordered(best.valid)}, "
        f"'test_result': {_ordered(best.test)}}}"
    )
    return "\n".join([*bars, f"best params:  {params}", "best result: ", result])


def _unquoted(value: int | float | str) -> int | float | str:
    """Some parameters of published pages are lists or words in quotes."""
    return value.strip("'\"") if isinstance(value, str) else value


def _ordered(values: dict[str, float]) -> str:
    pairs = ", ".join(f"({name!r}, {round(values[name], 4)})" for name in schema.RESULT_METRICS)
    return f"OrderedDict([{pairs}])"
