"""Which trials are ranked, in which order, and which are not, and why."""

import statistics
from dataclasses import dataclass, replace
from functools import cached_property

from benchmark.tracking import schema
from benchmark.tracking.reading.sweeps import SweepRecord
from benchmark.tracking.reading.trials import Record
from benchmark.tracking.server import TrackingError

# Where a trial ran is no part of what was tried.
NOT_SEARCHED = ("device", "data_dir", "recbole_config", "resume")


@dataclass(frozen=True)
class Row:
    """Trials that differ in nothing but their seed."""

    records: list[Record]
    """By seed."""

    @property
    def started(self) -> int:
        """Milliseconds since 1970, of the first."""
        return min(record.started for record in self.records)

    @property
    def params(self) -> dict[str, str]:
        return self.records[0].params

    @property
    def valid(self) -> dict[str, float]:
        """Means over the seeds."""
        return _means([record.valid for record in self.records])

    @property
    def test(self) -> dict[str, float]:
        return _means([record.test for record in self.records])

    @property
    def published(self) -> bool:
        """Its figures come from a page, not from a run."""
        return self.records[0].published

    @property
    def seconds(self) -> float | None:
        """Mean over the trials that were timed."""
        seconds = [record.seconds for record in self.records if record.seconds is not None]
        return statistics.fmean(seconds) if seconds else None

    def metric(self, name: str) -> float | None:
        """Mean of what the trials logged under that name, such as "parameters"."""
        values = [record.metrics[name] for record in self.records if name in record.metrics]
        return statistics.fmean(values) if values else None

    def deviation(self, part: str, name: str) -> float | None:
        """Of a metric of ``part`` (valid or test) among the seeds (n - 1); None for one seed."""
        values = [getattr(record, part)[name] for record in self.records]
        return statistics.stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Ranking:
    """The trials of one experiment that can be compared, best first, and all the others."""

    metric: str
    """Such as ndcg@10, on validation; of several seeds the mean."""
    rows: list[Row]
    not_ranked: list[tuple[Record, str]]
    """Each with the reason."""
    sweep: SweepRecord | None = None
    """The sweep that all of them belong to."""

    @property
    def best(self) -> Row:
        return self.rows[0]

    @cached_property
    def records(self) -> list[Record]:
        """Every ranked trial, row by row."""
        return [record for row in self.rows for record in row.records]

    @cached_property
    def own(self) -> "Ranking":
        """Without what was published, unless that is all there is: what a page can be made of."""
        rows = [row for row in self.rows if not row.published]
        return replace(self, rows=rows or self.rows)

    @property
    def started(self) -> list[Row]:
        """The rows in the order in which they were run."""
        return sorted(self.rows, key=lambda row: row.started)

    @cached_property
    def searched(self) -> dict[str, list]:
        """What was searched: {name: sorted values}, by name.

        That is what the sweep says, else the parameters whose values differ among the rows here or
        among the published ones, which do not say all that they are (of those rows that have them);
        if none differs, learning_rate with its one value.
        """
        kinds = [[row for row in self.rows if row.published is kind] for kind in (False, True)]
        names = {name for row in self.rows for name in row.params} - {*NOT_SEARCHED, "seed"}
        values = {name: [_values(rows, name) for rows in kinds] for name in names}
        if self.sweep:
            names = [name for name in sorted(self.sweep.searched) if name in values]
        else:
            names = [n for n in sorted(values) if any(len(found) > 1 for found in values[n])]
        if not names and "learning_rate" in values:
            names = ["learning_rate"]
        return {name: sorted(set.union(*values[name]), key=_order) for name in names}


def _values(rows: list[Row], name: str) -> set:
    return {value(row, name) for row in rows if name in row.params}


def value(trial: Record | Row, name: str) -> int | float | str:
    """A parameter as a number if it reads as one: MLflow stores text, and 3e-4 is 0.0003."""
    text = trial.params.get(name, "")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def rank(records: list[Record], metric: str) -> Ranking:
    """Best first by validation ``metric``, mean over seeds; of equals the one that started first.

    Only trials on the same data under the same protocol can be compared: those that share them
    with the most finished trials are ranked (of equal groups, the one with the latest trial).
    Published trials say nothing of either; whoever gives them has found that they compare.
    Raises TrackingError if no trial has finished.
    """
    complete = [record for record in records if record.complete]
    if not complete:
        states = ", ".join(f"{record.name} {_unfinished(record)}" for record in records)
        raise TrackingError(f"no trial has finished, so there is nothing to rank: {states}")
    groups: dict[tuple, list[Record]] = {}
    published = [record for record in complete if record.published]
    for record in [record for record in complete if not record.published] or published:
        groups.setdefault(_basis(record), []).append(record)
    ranked = max(groups.values(), key=lambda group: (len(group), group[-1].started))
    if not ranked[0].published:
        ranked = ranked + published
    not_ranked = []
    for record in records:
        if not record.complete:
            not_ranked.append((record, _unfinished(record)))
        elif record not in ranked:
            not_ranked.append((record, _difference(_basis(record), _basis(ranked[0]))))
    rows = sorted(_rows(ranked), key=lambda row: (-row.valid[metric], row.started))
    return Ranking(metric, rows, not_ranked)


def _rows(ranked: list[Record]) -> list[Row]:
    """Trials that differ in their seed alone become one row.

    A seed that was run again starts another row: it is no independent result. So does each
    published trial.
    """
    rows: dict[tuple, list[Record]] = {}
    for record in ranked:
        names = sorted(record.params.keys() - {*NOT_SEARCHED, "seed"})
        settings = tuple((name, value(record, name)) for name in names)
        if record.published:
            settings = (record.run_id,)
        seed, again = record.params.get("seed"), 0
        while any(r.params.get("seed") == seed for r in rows.get((settings, again), [])):
            again += 1
        rows.setdefault((settings, again), []).append(record)
    return [Row(sorted(row, key=lambda r: _order(value(r, "seed")))) for row in rows.values()]


def _order(value: int | float | str) -> tuple:
    """Numbers before words."""
    return isinstance(value, str), value


def _means(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(result[name] for result in results) for name in results[0]}


def _basis(record: Record) -> tuple[str, str]:
    return record.tags.get(schema.DATA_DIGEST, ""), record.tags.get(schema.PROTOCOL, "")


def _difference(its: tuple[str, str], theirs: tuple[str, str]) -> str:
    """Which field differs, and of the protocol only the part that does."""
    found = []
    for name, a, b in zip((schema.DATA_DIGEST, schema.PROTOCOL), its, theirs, strict=True):
        if a != b:
            only_a, only_b = _without_common(a, b), _without_common(b, a)
            found.append(f"other {name}: {only_a or 'none'} instead of {only_b or 'none'}")
    return "; ".join(found)


def _without_common(text: str, other: str) -> str:
    """Those of its parts, between semicolons, that the other does not have."""
    parts, others = ([part.strip() for part in t.split(";")] for t in (text, other))
    return "; ".join(part for part in parts if part not in others)


def _unfinished(record: Record) -> str:
    if schema.PRUNED in record.tags:
        return f"pruned {record.tags[schema.PRUNED]}"
    if record.status == "FINISHED":
        return "finished without results"
    reason = record.tags.get(schema.FAILURE)
    return record.status.lower() + (f": {reason}" if reason else "")
