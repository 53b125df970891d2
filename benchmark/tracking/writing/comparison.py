"""The run that sums up a comparison of models, beside the runs of its sweeps."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.data import Data
from benchmark.tracking import launcher, schema
from benchmark.tracking.inputs import inputs
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.trials import with_tag
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing.summary import Summary


def log_comparison(
    client: MlflowClient, experiment_id: str, name: str, found: Summary, data: Data
) -> str:
    """Log what the comparison of that name has found, in the one run that it has; its id.

    Raises TrackingError if the server does not take it.
    """
    try:
        runs = with_tag(client, experiment_id, schema.COMPARISON)
        earlier = [run for run in runs if run.data.tags[schema.COMPARISON] == name]
        if not earlier:
            tags = launcher.context_tags() | {schema.COMPARISON: name}
            earlier = [client.create_run(experiment_id, run_name=name, tags=tags)]
        run_id: str = earlier[0].info.run_id
        for message in (*inputs(data), *found.messages()):
            message.deliver(client, run_id, Path())
        client.set_terminated(run_id)
        return run_id
    except MlflowException as error:
        raise TrackingError(f"comparison {name!r} cannot be logged: {reason(error)}") from None
