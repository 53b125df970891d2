"""What a reader of a ranking should know before believing it."""

from benchmark.reporting.ranking import Ranking, Row, value
from benchmark.tracking import schema

LEAKAGE = (
    "Leave-one-out splits each user's own time line: models were trained on interactions of other "
    "users that are later than the test items, which no system in use could have seen. For a claim "
    "about what comes tomorrow, use a split by time (split: temporal)."
)


def cautions(ranking: Ranking) -> list[str]:
    """Plain text, the gravest first."""
    own = {place: row for place, row in enumerate(ranking.rows, start=1) if not row.published}
    found = [
        _synthetic(ranking),
        _said_of(own, _unfinished, "the best epoch is the last: longer training may be better"),
        _said_of(own, _changed_code, "the code had changes that were not committed"),
        _one_seed(own),
        _edge(ranking),
        _several(own, schema.GIT_COMMIT, "commits", "they may not have run the same code"),
        _several(own, schema.DEVICE, "devices", "their seconds cannot be compared"),
        _published(ranking),
        LEAKAGE if _protocol(ranking).startswith("leave-one-out") else None,
    ]
    return [text for text in found if text]


def _said_of(rows: dict[int, Row], holds, what: str) -> str | None:
    places = [str(place) for place, row in rows.items() if holds(row)]
    return f"{_rows(places)}: {what}." if places else None


def _rows(places: list[str]) -> str:
    few = ", ".join(places[:10]) + (f" and {len(places) - 10} more" if len(places) > 10 else "")
    return f"Row{'s' * (len(places) > 1)} {few}"


def _unfinished(row: Row) -> bool:
    """Counted models have one epoch, and no learning rate."""
    learns = "learning_rate" in row.params
    return learns and any(r.best_epoch and r.best_epoch == r.last_epoch for r in row.records)


def _changed_code(row: Row) -> bool:
    return any(record.tags.get(schema.GIT_COMMIT, "").endswith("+") for record in row.records)


def _one_seed(rows: dict[int, Row]) -> str | None:
    if len(rows) < 2:
        return None
    learned = {place: row for place, row in rows.items() if "learning_rate" in row.params}
    return _said_of(
        learned,
        lambda row: len(row.records) == 1,
        "one seed: how much of a difference is chance of training is not known",
    )


def _edge(ranking: Ranking) -> str | None:
    """The best value of what was searched is the first or last of several."""
    edges = []
    for name, values in ranking.searched.items():
        numbers = [v for v in values if not isinstance(v, str)]
        best = value(ranking.best, name)
        if len(numbers) == len(values) > 2 and best in (numbers[0], numbers[-1]):
            edges.append(f"{name} {best} is the {'smallest' if best == numbers[0] else 'largest'}")
    return f"The best row's {'; '.join(edges)} that was tried." if edges else None


def _several(rows: dict[int, Row], tag: str, plural: str, so: str) -> str | None:
    records = [record for row in rows.values() for record in row.records]
    values = {record.tags[tag] for record in records if tag in record.tags}
    return f"Trials ran on {len(values)} {plural}: {so}." if len(values) > 1 else None


def _published(ranking: Ranking) -> str | None:
    if any(row.published for row in ranking.rows):
        return (
            "Published rows are figures of a page: nobody can trace them, their data and protocol "
            "are as the page's authors say, and no interval or test includes them."
        )
    return None


def _synthetic(ranking: Ranking) -> str | None:
    if ranking.own.records[0].tags.get(schema.SYNTHETIC) == "true":
        return "The data are synthetic: these numbers say nothing about real users."
    return None


def _protocol(ranking: Ranking) -> str:
    return ranking.own.records[0].tags.get(schema.PROTOCOL, "")
