"""Whether the stored trials of a sweep are trials that it would run now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from benchmark.settings.declaration import Value
from benchmark.tracking.reading.record import Record
from benchmark.tracking.server import TrackingError
from benchmark.training.defaults import Facts, by_facts
from models import changed_version, versions

if TYPE_CHECKING:
    from benchmark.data import Data
    from benchmark.sweeps.definition import Definition
    from benchmark.tracking.reading.swept import SweptTrial

NAMED = 3  # run ids in a message


def check(name: str, trials: Iterable[SweptTrial], definition: Definition, data: Data) -> None:
    """Compare what the definition of a sweep leaves open: settings that the data decide, and the
    versions of models. Both may change with seqrec.

    Raises TrackingError for trials of the sweep ``name`` that differ from new ones.
    """
    begun = [trial for trial in trials if "model" in trial.record.params]
    if not begun:
        return
    facts = Facts.of(data.sequences, data.split)
    others: dict[str, str] = {}
    for trial in begun:
        given = definition.settings(trial.values, trial.seed)
        now = by_facts(given, facts, data.split)
        chosen = {key: now.value(key) for key in sorted(given.undecided)}
        if why := _difference(trial.record, chosen, versions(now.model, now.as_dict())):
            others[trial.record.run_id] = why
    if others:
        some = "; ".join(f"mlflow runs delete --run-id {each}" for each in list(others)[:NAMED])
        more = f"; and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise TrackingError(
            f"sweep {name!r} has trials that differ from new ones: {next(iter(others.values()))}; "
            f"give this one another --name (a suite: its file), or delete them: {some}{more}"
        )


def _difference(record: Record, chosen: Mapping[str, Value], version: Mapping[str, Value]) -> str:
    """The first difference; empty if there is none. A setting that was not logged is none."""
    for key, value in chosen.items():
        if str(record.params.get(key, value)) != str(value):
            return f"{key} is {record.params[key]} there, and {value} by today's defaults"
    return changed_version(record.params, version)
