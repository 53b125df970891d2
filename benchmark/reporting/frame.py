"""The trials of an experiment as a table for further computation."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.reporting.words import apart
from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record

BEST_FIRST = f"valid {SELECTION_METRIC}"


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row for each trial, the best by validation first, trials without a result last.

    Columns: run_id, name, status, sweep; each setting, under its name; "valid ndcg@10", "test
    ndcg@10" and so on, of the best epoch; best_epoch, last_epoch, seconds; data_digest and
    protocol, in which results must agree to be compared; started (UTC).
    """
    table = pd.DataFrame([_row(record) for record in records])
    if BEST_FIRST in table:
        table = table.sort_values(BEST_FIRST, ascending=False, kind="stable", ignore_index=True)
    return table


def _row(record: Record) -> dict[str, Any]:
    first: dict[str, Any] = {
        "run_id": record.run_id,
        "name": record.name,
        "status": record.status,
        "sweep": record.tags.get(schema.SWEEP),
    }
    last: dict[str, Any] = {}
    for part, metrics in (("valid", record.valid), ("test", record.test)):
        last |= {f"{part} {name}": value for name, value in (metrics or {}).items()}
    last |= {
        "best_epoch": record.best_epoch,
        "last_epoch": record.last_epoch,
        "seconds": record.seconds,
        "data_digest": record.tags.get(schema.DATA_DIGEST),
        "protocol": record.tags.get(schema.PROTOCOL),
        "started": pd.Timestamp(record.started, unit="ms", tz="UTC"),
    }
    taken = {*first, *last}
    return first | {apart(name, taken): value for name, value in record.params.items()} | last
