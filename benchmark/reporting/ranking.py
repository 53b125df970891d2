"""Which trials are ranked, in which order, and which are not, and why."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmark.errors import UserError
from benchmark.measures.protocol import Protocol
from benchmark.reporting.row import Row
from benchmark.tracking import schema
from benchmark.tracking.reading.basis import Basis
from benchmark.tracking.reading.record import Param, Record
from benchmark.tracking.reading.sweeps import SweepRecord

# Parameters that decide no result, or the protocol, by which trials are compared or not.
NOT_SEARCHED = (
    "device",
    "data_dir",
    "recbole_config",
    "resume",
    "system_metrics",
    "evaluate_users",
)


class ReportError(UserError):
    """Trials cannot be reported: none has finished, or they cannot be compared."""


@dataclass(frozen=True)
class Ranking:
    """The trials that can be compared, best first, and all others."""

    metric: str
    """The metric that trials are ranked by, such as ndcg@10; on validation, mean over seeds."""
    rows: list[Row]
    not_ranked: list[tuple[Record, str]]
    """Each with the reason."""
    sweep: SweepRecord | None = None
    """The sweep that all ranked trials belong to."""
    pooled: bool = True
    """Whether it has all trials there are. Otherwise each was chosen; of how many, is not known."""
    left_out: int = 0
    """The number of published trials that were not asked for."""
    problems: list[str] = field(default_factory=list)
    """Sentences: what could not be read."""

    @property
    def best(self) -> Row:
        return self.rows[0]

    @cached_property
    def records(self) -> list[Record]:
        """Every ranked trial, row by row."""
        return [record for row in self.rows for record in row.records]

    @cached_property
    def own(self) -> "Ranking":
        """The trials that ran here: what a page is made from. If there is none, the scored ones,
        and then the published ones."""
        here = [row for row in self.rows if not row.published]
        rows = [row for row in here if not row.scored]
        chosen = rows or here
        return replace(self, rows=chosen) if 0 < len(chosen) < len(self.rows) else self

    @cached_property
    def protocol(self) -> Protocol:
        """That of the own trials; without parts if they did not log it."""
        return Protocol.parse(self.own.records[0].tags.get(schema.PROTOCOL, ""))

    @cached_property
    def points_tried(self) -> dict[str, int]:
        """How many points each own model was tried with: {model: number}, in the order of the rows.

        A point is all settings but the seed. Trials on these data without a result count, too, and
        so do the values that a counted model tries by itself, one in each epoch. Empty where each
        trial was chosen.
        """
        if not self.pooled:
            return {}
        own = self.own.records
        basis = own[0].basis
        others = [record for record, _ in self.not_ranked if record.basis == basis]
        points: dict[str, dict[object, int]] = {}
        for record in [*own, *others]:
            at_once = 1 if "learning_rate" in record.params else record.last_epoch or 1
            of_model = points.setdefault(Row([record]).model, {})
            point = _point(record)
            of_model[point] = max(at_once, of_model.get(point, 0))
        return {row.model: sum(points[row.model].values()) for row in self.own.rows}

    @property
    def started(self) -> list[Row]:
        """The rows in the order in which they were run."""
        return sorted(self.rows, key=lambda row: row.started)

    @cached_property
    def searched(self) -> dict[str, list[Param]]:
        """The searched parameters: {name: sorted values}, by name.

        The sweep names them. Without a sweep they are the parameters whose values differ among the
        own rows, or among the published rows, which do not list all parameters; rows without the
        parameter do not count. If none differs, it is learning_rate with its one value.
        """
        kinds = [[row for row in self.rows if row.published is kind] for kind in (False, True)]
        not_searched = {*_not_searched(self.own.records[0]), "seed"}
        known = {name for row in self.rows for name in row.params} - not_searched
        values = {name: [_values(rows, name) for rows in kinds] for name in known}
        if self.sweep:
            names = [name for name in sorted(self.sweep.searched) if name in values]
        else:
            names = [n for n in sorted(values) if any(len(found) > 1 for found in values[n])]
        if not names and "learning_rate" in values:
            names = ["learning_rate"]
        return {name: sorted(set.union(*values[name]), key=_key) for name in names}

    @cached_property
    def varied(self) -> dict[str, list[str]]:
        """The searched parameters in which the rows of one model differ, by the model's entry.

        All of its rows have these.
        """
        return self._differing({row.entry: row.entry for row in self.rows})

    @cached_property
    def tuned(self) -> dict[str, list[str]]:
        """The same, by the model's entry, of its rows with and without SLIST together: in one
        search, SLIST may have a part in the scores of some rows."""
        together = {row.entry: row.unblended for row in self.rows}
        return self._differing(together)

    def _differing(self, groups: dict[str, str]) -> dict[str, list[str]]:
        """For each entry, the searched parameters in which the rows of its group differ."""
        rows: dict[str, list[Row]] = {}
        for row in self.rows:
            rows.setdefault(groups[row.entry], []).append(row)
        found = {
            group: [name for name in self.searched if differs(name, inside)]
            for group, inside in rows.items()
        }
        return {entry: found[group] for entry, group in groups.items()}


def differs(name: str, rows: list[Row]) -> bool:
    """Whether all rows have the parameter, and not all the same value."""
    return all(name in row.params for row in rows) and len(_values(rows, name)) > 1


def _values(rows: list[Row], name: str) -> set[Param]:
    return {row.params[name] for row in rows if name in row.params}


def order(records: list[Record], metric: str, *, pooled: bool = True) -> Ranking:
    """Rank trials by validation ``metric``, mean over seeds; of equals the one that started first.
    Two rows of one model are compared on the seeds that both have: the point that a search repeats
    with more seeds is not outranked by another's single lucky seed. Scored trials without
    validation stand last, in the order in which they were logged.

    With ``pooled``, trials that differ in their seed alone are one row; else each trial is a row.
    Only trials on the same data under the same protocol can be compared. The largest such group is
    ranked; of equally large groups, the one with the latest trial. Published trials name neither
    data nor protocol: the caller has decided that they compare. Raises ReportError if no trial has
    finished.
    """
    complete = [record for record in records if record.complete]
    if not complete:
        states = ", ".join(f"{record.name} {why_unfinished(record)}" for record in records)
        raise ReportError(f"no trial has finished, so there is nothing to rank: {states}")
    groups: dict[Basis, list[Record]] = {}
    published = [record for record in complete if record.published]
    for record in [record for record in complete if not record.published] or published:
        groups.setdefault(record.basis, []).append(record)
    ranked = max(groups.values(), key=lambda group: (len(group), group[-1].started))
    basis = ranked[0].basis
    if not ranked[0].published:
        ranked = ranked + published
    ranked, lacking = _with_metric(ranked, metric)
    lacking_ids = {record.run_id for record in lacking}
    ranked_ids = {record.run_id for record in ranked}
    not_ranked = []
    for record in records:
        if not record.complete:
            not_ranked.append((record, why_unfinished(record)))
        elif record.run_id in lacking_ids:
            not_ranked.append((record, f"no {metric} was logged"))
        elif record.run_id not in ranked_ids:
            not_ranked.append((record, _difference(record.basis, basis)))
    rows = _rows(ranked) if pooled else _each(ranked)
    return Ranking(metric, _in_order(rows, metric), not_ranked, pooled=pooled)


def _with_metric(records: list[Record], metric: str) -> tuple[list[Record], list[Record]]:
    """The trials that logged the metric, and the others. Raises ReportError if none did."""
    found: list[Record] = []
    lacking: list[Record] = []
    for record in records:
        has = all(metric in found for found in (record.valid, record.test) if found is not None)
        (found if has else lacking).append(record)
    if not found:
        raise ReportError(f"no trial logged {metric}: rank by another --metric")
    return found, lacking


def _rows(ranked: list[Record]) -> list[Row]:
    """Trials that differ in their seed alone become one row.

    A seed that was run again starts another row: it is no independent result. Each published trial
    is a row.
    """
    rows: dict[tuple[object, int], list[Record]] = {}
    run_before: Counter[tuple[object, Param | None]] = Counter()
    for record in ranked:
        settings: tuple[object, ...] = (*_point(record), record.valid is None)
        if record.published:
            settings = (record.run_id,)
        seed = record.params.get("seed")
        rows.setdefault((settings, run_before[settings, seed]), []).append(record)
        run_before[settings, seed] += 1
    return [Row(sorted(row, key=lambda r: _key(r.params.get("seed", "")))) for row in rows.values()]


def _in_order(rows: list[Row], metric: str) -> list[Row]:
    """See ``order``. A row stands behind one of its model that is better on the seeds that both
    have, even if its mean over all seeds is higher."""
    models: dict[str, list[Row]] = {}
    for row in rows:
        models.setdefault(row.unblended, []).append(row)
    found: list[tuple[float, int, int, Row]] = []
    for of_model in models.values():
        least, started = 2.0, 0
        for number, row in enumerate(_by_shared_seeds(of_model, metric)):
            mean = row.valid.get(metric, -1.0)
            if mean < least or not row.valid:
                least, started = mean, row.started
            found.append((-least, started, number, row))
    return [row for *_, row in sorted(found, key=lambda each: each[:3])]


def _by_shared_seeds(rows: list[Row], metric: str) -> list[Row]:
    """Rows of one model: those of the same seeds by their means; before that, those with more
    seeds, each row before the first one that it beats on the seeds which both have."""
    by_seeds: dict[frozenset[Param], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (-row.valid.get(metric, -1.0), row.started)):
        by_seeds.setdefault(frozenset(row.seeds), []).append(row)
    found: list[Row] = []
    for seeds in sorted(by_seeds, key=len, reverse=True):  # of equal numbers, the higher mean
        before = list(found)
        first = 0
        for row in by_seeds[seeds]:
            beaten = next((other for other in before if _beats(row, other, metric)), None)
            first = max(first, len(found) if beaten is None else found.index(beaten))
            found.insert(first, row)
            first += 1
    return found


def _beats(row: Row, other: Row, metric: str) -> bool:
    shared = row.seeds & other.seeds
    return row.valid_on(shared, metric) > other.valid_on(shared, metric)


def _each(ranked: list[Record]) -> list[Row]:
    """A row for each trial; those of one model are told apart by their run ids."""
    rows = [Row([record]) for record in ranked]
    count = Counter(row.entry for row in rows)
    return [
        replace(row, mark=f" {row.records[0].run_id[:8]}") if count[row.entry] > 1 else row
        for row in rows
    ]


def _point(record: Record) -> tuple[object, ...]:
    """What the trials of a row have in common: all settings but the seed."""
    names = sorted(record.params.keys() - {*_not_searched(record), "seed"})
    return tuple((name, record.params[name]) for name in names)


def _not_searched(record: Record) -> tuple[str, ...]:
    """The parameters that decide no result of the trial. The digest says which data it had: their
    path may be written in several ways."""
    return (*NOT_SEARCHED, "dataset") if record.basis.digest else NOT_SEARCHED


def _key(value: Param) -> tuple[bool, Param]:
    """To sort by: numbers before words."""
    return isinstance(value, str), value


def _difference(basis: Basis, ranked: Basis) -> str:
    """The field that differs; of the protocol only the part that differs."""
    found = []
    for tag, *values in basis.differences(ranked):
        a, b = map(Protocol.parse, values)  # a digest is one part
        only_a, only_b = str(a.without([b])), str(b.without([a]))
        found.append(f"other {tag}: {only_a or 'none'} instead of {only_b or 'none'}")
    return "; ".join(found)


def why_unfinished(record: Record) -> str:
    """The state of a trial without a result, with the reason if it failed."""
    if schema.PRUNED in record.tags:
        return f"pruned {record.tags[schema.PRUNED]}"
    if record.status == "FINISHED":
        return record.wrong or "finished without results"
    reason = record.tags.get(schema.FAILURE)
    return record.status.lower() + (f": {reason}" if reason else "")
