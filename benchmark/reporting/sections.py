"""The sections of a report, as text and tables that any format can show."""

from dataclasses import dataclass, field

import numpy as np

from benchmark.metrics import METRICS
from benchmark.reporting.cautions import cautions
from benchmark.reporting.comparison import Comparison, label
from benchmark.reporting.ranking import Ranking, Row
from benchmark.tracking import schema
from benchmark.tracking.reading.trials import Record
from datasets.card import percent

SHOWN = ("recall@10", "mrr@10", "ndcg@10")
CUT_OFF_METRICS = ("recall", "mrr", "ndcg")  # of one target: hit is recall, precision a k-th of it

Table = list[dict[str, object]]
"""Rows of cells by heading: plain text, or numbers to be shown as they are."""


@dataclass(frozen=True)
class Section:
    heading: str
    text: str = ""
    """A paragraph of plain text."""
    points: list[str] = field(default_factory=list)
    table: Table = field(default_factory=list)


def sections(ranking: Ranking, comparison: Comparison | None, k: list[int]) -> list[Section]:
    """The sections that are not empty, in order; ``k`` are the cut-offs."""
    found = [
        Section("Trials", _note(ranking, comparison), table=trials(ranking, comparison)),
        Section("Warnings", points=cautions(ranking, comparison)),
        *_compared(ranking, comparison, k),
        Section("Not ranked", table=_not_ranked(ranking)),
        Section("Protocol", points=_protocol(ranking)),
        Section("Data", table=_data(ranking)),
        Section("Commands", table=_commands(ranking)),
    ]
    return [section for section in found if section.points or section.table]


def trials(ranking: Ranking, comparison: Comparison | None = None) -> Table:
    """The ranked rows, best first; mean and standard deviation over several seeds."""
    several = any(len(row.records) > 1 for row in ranking.rows)
    cells: Table = []
    for place, row in enumerate(ranking.rows, start=1):
        cells.append(
            {
                "rank": place,
                "model": model(row),
                **{n: row.param(n) for n in ranking.searched if n != "model"},
                **({"seeds": len(row.records)} if several else {}),
                f"valid {ranking.metric}": _metric(row, "valid", ranking.metric),
                **{f"test {name}": _metric(row, "test", name) for name in SHOWN},
                **_significance(place, comparison),
                "points tried": _points_tried(row, ranking),
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
    """The name, with where the result comes from if its trial did not run here."""
    return row.name + " (published)" * row.published + " (scored)" * row.scored


def _significance(place: int, comparison: Comparison | None) -> dict[str, str]:
    if comparison is None or place not in comparison.places:
        return {"95% interval": "", "with seeds": "", "better than": ""}
    several = comparison.noise_known
    return {
        "95% interval": _interval(*comparison.intervals[place]),
        "with seeds": _interval(*comparison.intervals_with_seeds[place]) if several else "",
        "better than": ", ".join(map(str, comparison.beaten_by(place))),
    }


def _interval(low: float, high: float, form: str = ".4f") -> str:
    return "" if low != low else f"{low:{form}} to {high:{form}}"


def _metric(row: Row, part: str, name: str) -> str:
    mean = getattr(row, part).get(name)
    if mean is None:
        return ""
    deviation = row.deviation(part, name)
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def _best_epochs(row: Row) -> str:
    if all(record.best_epoch is None for record in row.records):
        return ""
    best = ", ".join(_text(record.best_epoch) for record in row.records)
    last = dict.fromkeys(_text(record.last_epoch) for record in row.records)
    return f"{best} of {', '.join(last)}"


def _points_tried(row: Row, ranking: Ranking) -> int | str:
    if row.published or row.scored:
        return ""
    number = ranking.points_tried[row.model]
    return "untuned" if row.learned and number == 1 else number


def _number(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


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
            + f" Better than: the rows whose test {comparison.metric} is significantly lower "
            f"(p < 0.05, paired {comparison.test} test over users, Holm's correction for "
            f"{len(comparison.pairs)} pairs)."
        )
    return note


_WITH_SEEDS = (
    " With seeds: bootstrap over users and seeds together, which adds the variation between "
    "training runs."
)


def _compared(ranking: Ranking, comparison: Comparison | None, k: list[int]) -> list[Section]:
    if comparison is None:
        return []
    names = {place: label(ranking.rows[place - 1], place) for place in comparison.places}
    what = f"test {comparison.metric}"
    first = names[comparison.places[0]]
    return [
        Section(
            f"Beside {first}",
            f"Difference of mean {what} ({first} minus the row), its 95% interval over users, "
            f"{'over users and seeds (with seeds), ' * comparison.noise_known}its effect size "
            "(Cohen's d_z: the mean of the users' differences divided by their standard "
            "deviation), p with Holm's correction, and the share of users for whom the first row "
            "is better (win), equal (tie) or worse (loss).",
            table=_beside(comparison, names),
        ),
        Section(
            "Cut-offs",
            "Test metrics at several cut-offs, from the ranks of all targets; mean over seeds."
            + _LISTS * any(comparison.until),
            table=_cut_offs(comparison, names, k),
        ),
        Section(
            "Slices",
            f"Mean {what} of groups of users: by the length of the history, by the number of "
            "training interactions with the target, and by whether the target is in the history."
            + _SEVERAL
            * comparison.several,
            table=_slices(comparison, names),
        ),
    ]


def _beside(comparison: Comparison, names: dict[int, str]) -> Table:
    rows: Table = []
    for row in comparison.beside_the_first:
        cells = {
            "row": names[row.place],
            "difference": f"{row.difference:+.4f}",
            "95% interval": _interval(row.low, row.high, "+.4f"),
        }
        if comparison.noise_known:
            cells["with seeds"] = _interval(row.low_with_seeds, row.high_with_seeds, "+.4f")
        cells |= {
            "d_z": f"{row.effect:+.2f}",
            "p": row.shown_p,
            "win": f"{row.win:.1%}",
            "tie": f"{row.tie:.1%}",
            "loss": f"{row.loss:.1%}",
        }
        rows.append(dict(cells))
    return rows


_SEVERAL = (
    " A user with several targets is in each group that has one of them, and counts there with the "
    "targets of this group alone."
)


_LISTS = (
    " A row that was scored from lists has no metric beyond the end of its lists, where ranks are "
    "not known."
)


def _cut_offs(comparison: Comparison, names: dict[int, str], k: list[int]) -> Table:
    shown = METRICS if comparison.several else CUT_OFF_METRICS
    return [
        {"metric": metric, **_by_row(comparison.values(metric), names)}
        for metric in (f"{name}@{cut}" for name in shown for cut in k)
    ]


def _slices(comparison: Comparison, names: dict[int, str]) -> Table:
    found: Table = []
    for by, part, inside in comparison.slices:
        values = comparison.values(comparison.metric, inside)  # [rows, users]
        targets = {"targets": f"{inside.sum():,}"} if comparison.several else {}
        users = f"{values.shape[1]:,}"
        found.append({"by": by, "part": part, "users": users, **targets, **_by_row(values, names)})
    return found


def _by_row(values: np.ndarray, names: dict[int, str]) -> dict[str, str]:
    """The means of ``values`` [rows, users], by the rows' names; empty for NaN."""
    means = zip(names.values(), values.mean(axis=1), strict=True)
    return {name: "" if np.isnan(mean) else f"{mean:.4f}" for name, mean in means}


def _not_ranked(ranking: Ranking) -> Table:
    return [
        {"trial": record.name, "run": record.run_id[:8], "why": reason}
        for record, reason in ranking.not_ranked
    ]


def _protocol(ranking: Ranking) -> list[str]:
    tags = ranking.own.records[0].tags
    params = ranking.own.best.params
    if schema.PROTOCOL not in tags:
        return []
    lines = [part.strip() for part in tags[schema.PROTOCOL].split(";")]
    if "max_length" in params:
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
            "commit": _commit(record),
            "device": record.tags.get(schema.DEVICE, ""),
        }
        for place, row in enumerate(ranking.rows, start=1)
        for record in row.records
        if (command := _command(record))
    ]


def _command(record: Record) -> str | None:
    """The command that repeats the trial; of a scored one, the command that scored its file."""
    return record.tags.get(schema.COMMAND_LINE if record.scored else schema.COMMAND)


def _commit(record: Record) -> str:
    commit = record.tags.get(schema.GIT_COMMIT, "")
    return commit[:10] + ("+" if commit.endswith("+") else "")
