"""Which trials are ranked, in which order, and which are not, and why."""

from dataclasses import dataclass

from benchmark.tracking import Record, TrackingError, schema

# Where a trial ran is no part of what was tried.
NOT_SEARCHED = ("device", "data_dir", "resume")


@dataclass(frozen=True)
class Ranking:
    """The trials of one experiment that can be compared, best first, and all the others."""

    metric: str
    """Such as ndcg@10, on validation."""
    ranked: list[Record]
    not_ranked: list[tuple[Record, str]]
    """Each with the reason."""

    @property
    def best(self) -> Record:
        return self.ranked[0]

    @property
    def started(self) -> list[Record]:
        """The ranked trials in the order in which they were run."""
        return sorted(self.ranked, key=lambda record: record.started)

    @property
    def searched(self) -> dict[str, list]:
        """The parameters whose values differ among the ranked trials: {name: sorted values}.

        If none differs, learning_rate with its one value.
        """
        values: dict[str, set] = {}
        for record in self.ranked:
            for name in record.params:
                if name not in NOT_SEARCHED:
                    values.setdefault(name, set()).update(value(r, name) for r in self.ranked)
        differing = [name for name in sorted(values) if len(values[name]) > 1]
        names = differing or [name for name in ("learning_rate",) if name in values]
        return {name: sorted(values[name], key=lambda v: (isinstance(v, str), v)) for name in names}


def value(record: Record, name: str) -> int | float | str:
    """A parameter as a number if it reads as one: MLflow stores text, and 3e-4 is 0.0003."""
    text = record.params.get(name, "")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def rank(records: list[Record], metric: str) -> Ranking:
    """Best first by validation ``metric``; of equals the one that started first.

    Only trials on the same data under the same protocol can be compared: those that share them
    with the most finished trials are ranked (of equal groups, the one with the latest trial).
    Raises TrackingError if no trial has finished.
    """
    complete = [record for record in records if record.complete]
    if not complete:
        states = ", ".join(f"{record.name} {_unfinished(record)}" for record in records)
        raise TrackingError(f"no trial has finished, so there is nothing to rank: {states}")
    groups: dict[tuple, list[Record]] = {}
    for record in complete:
        groups.setdefault(_basis(record), []).append(record)
    ranked = max(groups.values(), key=lambda group: (len(group), group[-1].started))
    not_ranked = []
    for record in records:
        if not record.complete:
            not_ranked.append((record, _unfinished(record)))
        elif record not in ranked:
            not_ranked.append((record, _difference(_basis(record), _basis(ranked[0]))))
    ranked = sorted(ranked, key=lambda record: (-record.valid[metric], record.started))
    return Ranking(metric, ranked, not_ranked)


def _basis(record: Record) -> tuple[str, str]:
    return record.tags.get(schema.DATA_DIGEST, ""), record.tags.get(schema.PROTOCOL, "")


def _difference(its: tuple[str, str], theirs: tuple[str, str]) -> str:
    names = (schema.DATA_DIGEST, schema.PROTOCOL)
    return "; ".join(
        f"other {name}: {a or 'none'} instead of {b or 'none'}"
        for name, a, b in zip(names, its, theirs, strict=True)
        if a != b
    )


def _unfinished(record: Record) -> str:
    if record.status == "FINISHED":
        return "finished without results"
    reason = record.tags.get(schema.FAILURE)
    return record.status.lower() + (f": {reason}" if reason else "")
