"""The sections of a report, as text and tables that any format can show."""

from benchmark.reporting.beside import Beside
from benchmark.reporting.cautions import cautions
from benchmark.reporting.compared import beside_sections, compared
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.difference import LEVEL
from benchmark.reporting.labels import settings_of
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row
from benchmark.reporting.section import Section, Table, shown_interval, with_deviation
from benchmark.reporting.words import apart, number
from benchmark.tracking import schema
from benchmark.tracking.reading.record import Param
from datasets.card import percent

SHOWN = ("recall@10", "mrr@10", "ndcg@10")


def sections(
    ranking: Ranking,
    comparison: Comparison | None,
    beside: Beside | None,
    examples: Section,
    k: list[int],
) -> list[Section]:
    """The sections that are not empty, in order; ``k`` are the cut-offs."""
    found = [
        Section("Trials", _note(ranking, comparison), table=trials(ranking, comparison)),
        Section("Warnings", points=cautions(ranking, comparison)),
        *compared(ranking, comparison, k),
        *beside_sections(ranking, beside),
        examples,
        Section("Not ranked", table=_not_ranked(ranking)),
        Section("Protocol", points=_protocol(ranking)),
        Section("Data", table=_data(ranking)),
        Section("Commands", table=_commands(ranking)),
    ]
    return [section for section in found if section.points or section.table]


def trials(
    ranking: Ranking, comparison: Comparison | None = None, *, folded: bool = False
) -> Table:
    """The ranked rows, best first; mean and standard deviation over several seeds.

    A column for each searched setting; if ``folded``, one for all of them.
    """
    several = any(len(row.records) > 1 for row in ranking.rows)
    cells: Table = []
    for place, row in enumerate(ranking.rows, start=1):
        first: dict[str, object] = {"rank": place, "model": row.entry}
        figures = {
            f"valid {ranking.metric}": _metric(row, "valid", ranking.metric),
            **{
                f"test {name}": _metric(row, "test", name)
                for name in dict.fromkeys((*SHOWN, ranking.metric))
            },
            **_significance(place, comparison),
            "seeds": len(row.records) if several else "",
            "points tried": _points_tried(row, ranking),
            "best epoch": _best_epochs(row),
            "seconds": number(row.seconds, ".1f"),
            "parameters": number(row.metric("parameters"), ",.0f"),
            "kWh": number(row.metric(schema.ENERGY), ".3g"),
            "MB": number(row.metric("peak_memory_mb"), ",.0f"),
            "sequences/s": number(row.metric("sequences_per_second"), ",.0f"),
            "run": " ".join(record.run_id[:8] for record in row.records),
        }
        if folded:
            first["settings"] = settings_of(row, ranking)
        else:
            first |= _each(row, ranking, {*first, *figures})
        cells.append(first | figures)
    return _without_empty_columns(cells)


def _each(row: Row, ranking: Ranking, taken: set[str]) -> dict[str, Param]:
    return {apart(name, taken): row.param(name) for name in ranking.searched if name != "model"}


def _significance(place: int, comparison: Comparison | None) -> dict[str, str]:
    if comparison is None or place not in comparison.places:
        return {"95% interval": "", "with seeds": "", "better than": ""}
    several = comparison.noise_known
    return {
        "95% interval": shown_interval(*comparison.intervals[place]),
        "with seeds": shown_interval(*comparison.intervals_with_seeds[place]) if several else "",
        "better than": ", ".join(map(str, comparison.beaten_by(place))),
    }


def _metric(row: Row, part: str, name: str) -> str:
    mean = getattr(row, part).get(name)
    if mean is None:
        return ""
    return with_deviation(mean, row.deviation(part, name))


def _best_epochs(row: Row) -> str:
    if all(record.best_epoch is None for record in row.records):
        return ""
    best = ", ".join(_text(record.best_epoch) for record in row.records)
    last = dict.fromkeys(_text(record.last_epoch) for record in row.records)
    return f"{best} of {', '.join(last)}"


def _points_tried(row: Row, ranking: Ranking) -> int | str:
    number = ranking.points_tried.get(row.model)
    if row.published or row.scored or number is None:
        return ""
    return "untuned" if row.learned and number == 1 else number


def _text(number: int | None) -> str:
    return "?" if number is None else str(number)


def _without_empty_columns(rows: Table) -> Table:
    kept = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def _note(ranking: Ranking, comparison: Comparison | None) -> str:
    note = (
        f"Trials are ranked by validation {ranking.metric}. Test was computed once for each trial, "
        "with the weights of its best epoch on validation."
    )
    if not ranking.best.published:
        note += " Points tried: with how many settings the row's model was tried on these data."
    if any(len(row.records) > 1 for row in ranking.rows):
        note += " Trials that differ in the seed alone are one row: mean ± standard deviation."
    if comparison:
        note += (
            f" 95% interval: of test {comparison.metric}, bootstrap over users."
            + _WITH_SEEDS * comparison.noise_known
        )
    if comparison and comparison.pairs:
        pairs = len(comparison.pairs)
        note += (
            f" Better than: the rows whose test {comparison.metric} is significantly lower (p < "
            f"{LEVEL}, paired {comparison.test} test over users, Holm's correction for {pairs} "
            f"pair{'s' * (pairs > 1)})."
        )
    return note


_WITH_SEEDS = (
    " With seeds: bootstrap over users and seeds together, which adds the variation between "
    "training runs."
)


def _not_ranked(ranking: Ranking) -> Table:
    return [
        {"trial": record.name, "run": record.run_id[:8], "why": reason}
        for record, reason in ranking.not_ranked
    ]


def _protocol(ranking: Ranking) -> list[str]:
    params = ranking.own.best.params
    lines = list(ranking.protocol.parts)
    if lines and "max_length" in params:
        lines.append(f"the last {params['max_length']} positions are seen")
    return lines


def _data(ranking: Ranking) -> Table:
    numbers = ranking.own.records[0].statistics
    tags = ranking.own.records[0].tags
    if not numbers:
        return []
    row: dict[str, object] = {
        "users": f"{numbers['users']:,}",
        "items": f"{numbers['items']:,}",
        "interactions": f"{numbers['interactions']:,}",
        "per user": f"{numbers['interactions_per_user']:.1f}",
        "per item": f"{numbers['interactions_per_item']:.1f}",
        "sparsity": percent(numbers["sparsity"]),
        "users not evaluated": f"{numbers['users_not_evaluated']:,}",
        "digest": tags.get(schema.DATA_DIGEST, ""),
    }
    for name, column in (
        ("tied_neighbours", "neighbours at equal times"),
        ("tied_test_targets", "test targets at equal times"),
    ):
        if name in numbers:
            row[column] = f"{numbers[name]:.1%}"
    return [row]


def _commands(ranking: Ranking) -> Table:
    return [
        {
            "rank": place,
            "command": command,
            "commit": short_commit(record.tags.get(schema.GIT_COMMIT, "")),
            "device": record.tags.get(schema.DEVICE, ""),
        }
        for place, row in enumerate(ranking.rows, start=1)
        for record in row.records
        if (command := record.repeated_by)
    ]


def short_commit(commit: str) -> str:
    """How it begins; "+" after it: with changes that were not committed."""
    return commit[:10] + "+" * commit.endswith("+")
