"""The result page of a search, in the layout of RecBole's published benchmark pages."""

from tqdm import tqdm

from benchmark.metrics import NAMES
from benchmark.ranking import Ranking, Row, value
from benchmark.tracking import Record, schema


def render(ranking: Ranking, title: str, card: str | None) -> str:
    """Markdown; ``title`` and ``card`` (a link) are those of the data set.

    Trials stand in the order in which they were run, those that differ in the seed alone as one;
    numbers as `round(x, 4)` prints them, and every space of the original is kept, those at the ends
    of lines too.
    """
    sections = "\n\n".join(
        [
            "# Sequential Recommendation",
            f"- **Dataset**: {_link(title, card)}",
            f"- **Model**: {_models(ranking)}",
            f"- **Time cost**: {_time_cost(ranking):.2f}s/trial",
            _section("Hyper-parameter searching** (hyper.test)", _search_space(ranking)),
            _section("Best parameters**", _parameters(ranking.best, ranking, "{}: {}", "\n")),
            _section("Hyper-parameter logging** (hyper.result)", _trials(ranking)),
            _section("Logging Result**", _logging(ranking)),
        ]
    )
    return sections + "\n"


def _section(heading: str, content: str) -> str:
    """A list item with a fenced block; only empty lines inside the block are not indented."""
    lines = [f"  {line}" if line else "" for line in ["```yaml", *content.split("\n"), "```"]]
    return "\n".join([f"- **{heading}:", "", *lines])


def _link(text: str, target: str | None) -> str:
    return f"[{text}]({target})" if target else text


def _models(ranking: Ranking) -> str:
    of_model = {record.params.get("model", "unknown"): record for record in ranking.records}
    return ", ".join(_link(name, _model_link(record)) for name, record in of_model.items())


def _model_link(record: Record) -> str | None:
    """As logged; of runs that others logged, as the model of that name has it."""
    if schema.MODEL_LINK in record.tags:
        return record.tags[schema.MODEL_LINK]
    from models import MODELS  # and with them torch, which takes longer than all the rest

    return getattr(MODELS.get(record.params.get("model")), "link", None)


def _time_cost(ranking: Ranking) -> float:
    """Mean seconds per trial, of those that were timed."""
    seconds = [record.seconds for record in ranking.records if record.seconds is not None]
    return sum(seconds) / max(1, len(seconds))


def _search_space(ranking: Ranking) -> str:
    if ranking.sweep:
        return "\n".join(ranking.sweep.space)
    return "\n".join(
        f"{name} choice [{', '.join(map(str, values))}]"
        for name, values in ranking.searched.items()
    )


def _parameters(row: Row, ranking: Ranking, form: str, separator: str) -> str:
    return separator.join(form.format(name, value(row, name)) for name in ranking.searched)


def _trials(ranking: Ranking) -> str:
    return "\n\n".join(
        "\n".join(
            [
                _parameters(row, ranking, "{}:{}", ", "),
                "Valid result:",
                _metrics(row.valid),
                "Test result:",
                _metrics(row.test),
            ]
        )
        for row in ranking.started
    )


def _metrics(values: dict[str, float]) -> str:
    return "    ".join(f"{name} : {round(values[name], 4)}" for name in NAMES)


def _logging(ranking: Ranking) -> str:
    best, count = ranking.best, len(ranking.records)
    seconds = _time_cost(ranking) * count
    if ranking.sweep:
        count, seconds = ranking.sweep.ended, ranking.sweep.seconds
    score = round(best.valid[ranking.metric], 4)
    bar = tqdm.format_meter(
        count,
        count,
        seconds,
        unit="trial",
        postfix=f"best loss: {-score}",
    )
    params = {name: value(best, name) for name in ranking.searched}
    result = (
        f"{{'model': {best.params.get('model', 'unknown')!r}, 'best_valid_score': {score}, "
        f"'valid_score_bigger': True, 'best_valid_result': {_ordered(best.valid)}, "
        f"'test_result': {_ordered(best.test)}}}"
    )
    return "\n".join([bar, f"best params:  {params}", "best result: ", result])


def _ordered(values: dict[str, float]) -> str:
    pairs = ", ".join(f"({name!r}, {round(values[name], 4)})" for name in NAMES)
    return f"OrderedDict([{pairs}])"
