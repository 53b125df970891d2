"""The run that describes a suite: its file, and what came of each data set and model."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from benchmark.tracking import launcher, schema
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.shown import Note
from benchmark.tracking.reading.suites import SuiteOutcome, experiment_of, suite_runs
from benchmark.tracking.server import TrackingError, Unavailable, experiment_id


def log_suite(client: MlflowClient, outcome: SuiteOutcome, file: str, note: str) -> Run:
    """Log what the suite has run so far, in the one run that it has.

    ``file`` is the text of the suite's file, ``note`` the description in markdown. Raises
    TrackingError if the server does not take them.
    """
    try:
        where = experiment_id(client, experiment_of(outcome.name))
        runs = suite_runs(client, where, outcome.name)
        if not runs:
            tags = launcher.context_tags() | {schema.SUITE: outcome.name}
            runs = [client.create_run(where, run_name=outcome.name, tags=tags)]
        run_id: str = runs[0].info.run_id
        client.log_text(run_id, file, schema.SUITE_FILE)
        client.log_text(run_id, outcome.dump(), schema.OUTCOME)
        Note(note).deliver(client, run_id, Path())
        client.set_terminated(run_id)
        return runs[0]
    except Unavailable:
        raise
    except (MlflowException, OSError) as error:
        raise TrackingError(f"suite {outcome.name!r} cannot be logged: {reason(error)}") from None
