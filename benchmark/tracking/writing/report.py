"""The run that holds an experiment's report, so that it opens in the MLflow UI."""

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.trials import with_tag
from benchmark.tracking.server import TrackingError, experiment_id


def report_run(client: MlflowClient, experiment_id: str) -> str | None:
    """The id of the experiment's run for reports, if there is one."""
    runs = with_tag(client, experiment_id, schema.REPORT)
    return next((str(run.info.run_id) for run in runs if not run.data.metrics), None)


def log_report(client: MlflowClient, experiment: str, files: dict[str, str | bytes]) -> str:
    """Keep the files in the experiment's one run for reports; the id of the run.

    Raises TrackingError if the server does not take them.
    """
    try:
        where = experiment_id(client, experiment)
        run_id = report_run(client, where)
        if run_id is None:
            run = client.create_run(where, run_name="report", tags={schema.REPORT: experiment})
            run_id = str(run.info.run_id)
        client.set_terminated(run_id)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                Path(folder, name).write_bytes(data)
            client.log_artifacts(run_id, folder)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"experiment {experiment!r} cannot keep the report: {reason(error)}"
        ) from None
    return run_id
