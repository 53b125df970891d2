"""MLflow, and nothing but: trials are written to it and read from it in this folder alone.

One trial is one MLflow run; a report is a query over runs. The names in ``schema`` are public:
anyone may log runs that the report can rank.
"""

from benchmark.tracking.record import Record, records
from benchmark.tracking.server import TrackingError, connect
from benchmark.tracking.trial import Terminated, Trial, resume, start

__all__ = [
    "Record",
    "Terminated",
    "TrackingError",
    "Trial",
    "connect",
    "records",
    "resume",
    "start",
]
