"""MLflow, and nothing but: trials are written to it and read from it in this folder alone.

One trial is one MLflow run; a report is a query over runs. The names in ``schema`` are public:
anyone may log runs that the report can rank.
"""

from importlib import import_module

_HOME = {
    "Record": "record",
    "Sweep": "sweep",
    "SweepRecord": "sweep_reading",
    "SweptTrial": "sweep",
    "TakenOver": "status",
    "TrackingError": "server",
    "Trial": "trial",
    "card": "record",
    "champion": "registry",
    "connect": "server",
    "experiment_id": "server",
    "find_page": "published",
    "curves": "record",
    "has_ended": "status",
    "left_behind": "recovery",
    "leave_note": "launcher",
    "load_recommender": "loading",
    "log_page": "published",
    "log_report": "report",
    "open_sweep": "sweep",
    "ranks": "record",
    "reconnect": "server",
    "records": "record",
    "register": "registry",
    "reopen": "recovery",
    "resume": "trial",
    "start": "trial",
    "sweep_record": "sweep_reading",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    """Import a name when it is asked for: to read records takes no torch, which loads slowly."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
