"""MLflow, and nothing but: trials are written to it and read from it in this folder alone.

One trial is one MLflow run; a report is a query over runs. The names in ``schema`` are public:
anyone may log runs that the report can rank.
"""

from benchmark.tracking.launcher import leave_note
from benchmark.tracking.record import Record, curves, ranks, records
from benchmark.tracking.report import log_report
from benchmark.tracking.server import TrackingError, connect
from benchmark.tracking.status import TakenOver, Terminated, has_ended
from benchmark.tracking.sweep import Sweep, SweepRecord, SweptTrial, open_sweep, sweep_record
from benchmark.tracking.trial import Trial, resume, start

__all__ = [
    "Record",
    "Sweep",
    "SweepRecord",
    "SweptTrial",
    "TakenOver",
    "Terminated",
    "TrackingError",
    "Trial",
    "connect",
    "curves",
    "has_ended",
    "leave_note",
    "log_report",
    "open_sweep",
    "ranks",
    "records",
    "resume",
    "start",
    "sweep_record",
]
