"""What a report says, section by section, in text and tables that any format can show."""

from dataclasses import dataclass, field

import numpy as np

from benchmark.reporting.cautions import cautions
from benchmark.reporting.comparison import Comparison, label
from benchmark.reporting.ranking import Ranking, Row, value
from benchmark.tracking import schema
from benchmark.tracking.reading.trials import Record
from datasets.card import percent

SHOWN = ("recall@10", "mrr@10", "ndcg@10")  # hit is recall, and precision a tenth of it
CUT_OFF_METRICS = ("recall", "mrr", "ndcg")


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    """A paragraph of plain text."""
    points: list[str] = field(default_factory=list)
    table: list[dict[str, object]] = field(default_factory=list)
    """Rows of cells, by heading; all plain text or numbers that are to be shown as they are."""


def sections(ranking: Ranking, comparison: Comparison | None, k: list[int]) -> list[Section]:
    """Those that have something to say, in order."""
    found = [
        Section("Trials", _note(ranking, comparison), table=trials(ranking, comparison)),
        Section("Warnings", points=cautions(ranking)),
        *_compared(ranking, comparison, k),
        Section("Not ranked", table=_not_ranked(ranking)),
        Section("Protocol", points=_protocol(ranking)),
        Section("Data", table=_data(ranking)),
        Section("Commands", table=_commands(ranking)),
    ]
    return [section for section in found if section.points or section.table]


def trials(ranking: Ranking, comparison: Comparison | None = None) -> list[dict[str, object]]:
    """The ranked table, best first; of several seeds mean and standard deviation."""
    several = any(len(row.records) > 1 for row in ranking.rows)
    cells = []
    for place, row in enumerate(ranking.rows, start=1):
        cells.append(
            {
                "rank": place,
                "model": model(row),
                **{n: value(row, n) for n in ranking.searched if n != "model"},
                **({"seeds": len(row.records)} if several else {}),
                f"valid {ranking.metric}": _metric(row, "valid", ranking.metric),
                **{f"test {name}": _metric(row, "test", name) for name in SHOWN},
                **_sureness(place, comparison),
                "best epoch": _best_epochs(row),
                "seconds": _number(row.seconds, ".1f"),
                "parameters": _number(row.metric("parameters"), ",.0f"),
                "MB": _number(row.metric("peak_memory_mb"), ",.0f"),
                "sequences/s": _number(row.metric("sequences_per_second"), ",.0f"),
                "run": " ".join(record.run_id[:8] for record in row.records),
            }
        )
    return _without_empty_columns(cells)


def model(row: Row) -> str:
    return row.params.get("model", "") + (" (published)" if row.published else "")


def _sureness(place: int, comparison: Comparison | None) -> dict[str, str]:
    if comparison is None or place not in comparison.places:
        return {"95% interval": "", "better than": ""}
    low, high = comparison.intervals[place]
    return {
        "95% interval": "" if low != low else f"{low:.4f} to {high:.4f}",
        "better than": ", ".join(map(str, comparison.beaten_by(place))),
    }


def _metric(row: Row, part: str, name: str) -> str:
    mean, deviation = getattr(row, part).get(name), row.deviation(part, name)
    if mean is None:
        return ""
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def _best_epochs(row: Row) -> str:
    if all(record.best_epoch is None for record in row.records):
        return ""
    best = ", ".join(_text(record.best_epoch) for record in row.records)
    last = dict.fromkeys(_text(record.last_epoch) for record in row.records)
    return f"{best} of {', '.join(last)}"


def _number(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def _text(number: int | None) -> str:
    return "?" if number is None else str(number)


def _without_empty_columns(rows: list[dict]) -> list[dict]:
    kept = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def _note(ranking: Ranking, comparison: Comparison | None) -> str:
    note = (
        f"Ranked by validation {ranking.metric}. Test was computed once for each trial, with the "
        "weights of its best epoch on validation."
    )
    if any(len(row.records) > 1 for row in ranking.rows):
        note += " Trials that differ in the seed alone are one row: mean ± standard deviation."
    if comparison:
        note += (
            f" 95% interval: of test {comparison.metric}, bootstrap over users. Better than: the "
            f"rows whose test {comparison.metric} is lower, p < 0.05 in paired tests over users "
            f"({comparison.test}; Holm's correction for {len(comparison.pairs)} pairs)."
        )
    return note


def _compared(ranking: Ranking, comparison: Comparison | None, k: list[int]) -> list[Section]:
    if comparison is None:
        return []
    names = {place: label(ranking.rows[place - 1], place) for place in comparison.places}
    what = f"test {comparison.metric}"
    first = names[comparison.places[0]]
    return [
        Section(
            f"Beside {first}",
            f"Difference of {what} ({first} minus the row), over users: its 95% interval, p after "
            "Holm's correction, and the share of users for whom the first is better, alike, worse.",
            table=[
                {
                    "row": names[int(row.place)],
                    "difference": f"{row.difference:+.4f}",
                    "95% interval": f"{row.low:+.4f} to {row.high:+.4f}",
                    "p": f"{row.p:.2g}" if row.p > 1e-16 else "< 1e-16",
                    "win": f"{row.win:.1%}",
                    "tie": f"{row.tie:.1%}",
                    "loss": f"{row.loss:.1%}",
                }
                for row in comparison.beside_the_first.itertuples()
            ],
        ),
        Section(
            "Cut-offs",
            "Test, from the ranks of all users; of several seeds the mean.",
            table=_cut_offs(comparison, names, k),
        ),
        Section(
            "Slices",
            f"Mean {what} of the users in each part: by how many interactions were before the "
            "target, by how often the target was in training, and by whether the user had had it.",
            table=_slices(comparison, names),
        ),
    ]


def _cut_offs(comparison: Comparison, names: dict[int, str], k: list[int]) -> list[dict]:
    return [
        {"metric": metric, **_by_row(comparison.values(metric), names)}
        for metric in (f"{name}@{cut}" for name in CUT_OFF_METRICS for cut in k)
    ]


def _slices(comparison: Comparison, names: dict[int, str]) -> list[dict]:
    values = comparison.values(comparison.metric)
    return [
        {
            "by": by,
            "part": part,
            "users": f"{inside.sum():,}",
            **_by_row(values[:, inside], names),
        }
        for by, part, inside in comparison.slices
    ]


def _by_row(values: np.ndarray, names: dict[int, str]) -> dict[str, str]:
    """Means of [rows, users], by the rows' names."""
    means = values.mean(axis=1)
    return {name: f"{mean:.4f}" for name, mean in zip(names.values(), means, strict=True)}


def _not_ranked(ranking: Ranking) -> list[dict]:
    return [
        {"trial": record.name, "run": record.run_id[:8], "why": reason}
        for record, reason in ranking.not_ranked
    ]


def _protocol(ranking: Ranking) -> list[str]:
    tags, params = ranking.own.records[0].tags, ranking.own.best.params
    if schema.PROTOCOL not in tags:
        return []
    lines = [part.strip() for part in tags[schema.PROTOCOL].split(";")]
    if "max_length" in params:
        lines.append(f"at most {params['max_length']} positions are seen")
    return lines


def _data(ranking: Ranking) -> list[dict]:
    numbers, tags = ranking.own.records[0].statistics, ranking.own.records[0].tags
    if not numbers:
        return []
    row = {
        "users": f"{numbers['users']:,}",
        "items": f"{numbers['items']:,}",
        "interactions": f"{numbers['interactions']:,}",
        "per user": f"{numbers['interactions_per_user']:.1f}",
        "per item": f"{numbers['interactions_per_item']:.1f}",
        "sparsity": percent(numbers["sparsity"]),
        "users not evaluated": f"{numbers['users_not_evaluated']:,}",
        "digest": tags.get(schema.DATA_DIGEST, ""),
    }
    return [row]


def _commands(ranking: Ranking) -> list[dict]:
    return [
        {
            "rank": place,
            "command": record.tags[schema.COMMAND],
            "commit": _commit(record),
            "device": record.tags.get(schema.DEVICE, ""),
        }
        for place, row in enumerate(ranking.rows, start=1)
        for record in row.records
        if schema.COMMAND in record.tags
    ]


def _commit(record: Record) -> str:
    commit = record.tags.get(schema.GIT_COMMIT, "")
    return commit[:10] + ("+" if commit.endswith("+") else "")
