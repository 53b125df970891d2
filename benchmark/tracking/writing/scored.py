"""The MLflow run of a result that another library computed, and that was scored from its files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from benchmark.data import Data
from benchmark.scoring.score import Scored
from benchmark.tracking import launcher, provenance, schema
from benchmark.tracking.inputs import inputs
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.messages import Labels, Metrics
from benchmark.tracking.outbox.outbox import Outbox, check_room
from benchmark.tracking.outbox.shown import ExperimentTags
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing import status
from benchmark.tracking.writing.descriptions import experiment_tags

PARTS = {"valid": "best_valid", "test": "test"}
"""What the metrics of a part are logged as."""


def log_scored(
    client: MlflowClient,
    params: Mapping[str, str],
    results: Mapping[str, Scored],
    file: Path,
    data: Data,
    protocol: str,
) -> tuple[str, str]:
    """Log a finished run; its id, and its experiment.

    ``params`` name the model, the data set and the history, and whatever else is known of the
    other library's settings. ``results`` are those of test and, if there are any, of valid;
    ``file`` is that of test. Raises TrackingError if the server does not take them.
    """
    check_room()
    tags = provenance.result_tags(data, protocol) | {
        schema.SCORED: file.name,
        schema.SCORED_DIGEST: _digest(file),
    }
    if (until := results["test"].until) is not None:
        tags[schema.UNTIL] = str(until)
    try:
        run, _ = launcher.new_run(client, data.spec.name, params["model"], {})
        outbox = Outbox(client, run.info.run_id)
        outbox.claim(client)
        experiment: str = client.get_experiment(run.info.experiment_id).name
    except MlflowException as error:
        raise TrackingError(f"no run could be made: {reason(error)}") from None
    metrics: dict[str, float] = {}
    for part, result in results.items():
        metrics |= schema.logged(PARTS[part], result.metrics, one_target=result.one_target)
    with status.ends(outbox):
        new = {key: value for key, value in params.items() if key not in run.data.params}
        outbox.say(Labels(params=new, tags=tags))
        for message in inputs(data):
            outbox.say(message)
        config = yaml.safe_dump(dict(params), sort_keys=False)
        outbox.keep(schema.CONFIG, lambda path: path.write_text(config, encoding="utf-8"))
        page = data.card.render()
        outbox.keep(schema.CARD, lambda path: path.write_text(page, encoding="utf-8"))
        for part, result in results.items():
            outbox.keep(schema.RANKS.format(part=part), result.ranks.to_parquet)
        if (lists := results["test"].lists) is not None:
            outbox.keep(schema.LISTS.format(part="test"), lists.to_parquet)
        outbox.say(Metrics(metrics, 0, get_current_time_millis()))
        outbox.say(ExperimentTags(experiment_tags(experiment, data, protocol)))
    return run.info.run_id, experiment


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
