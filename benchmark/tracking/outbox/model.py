"""The model of a finished trial in MLflow's list of models, by which MLflow ranks trials."""

import re
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NOTE

from benchmark.tracking import schema
from benchmark.tracking.deleted import why_gone
from benchmark.tracking.inputs import TEST, VALIDATION
from benchmark.tracking.outage import is_outage, reason
from benchmark.tracking.outbox.messages import Message

CONTEXTS = {"best_valid": VALIDATION, "test": TEST}
"""What the run uses the data set for on which the metrics of a part were measured."""
NOT_IN_NAMES = str.maketrans("./:%\"'", "·-----")
"""What MLflow does not allow in the name of a model, and what stands in its place: lr=0·01."""
NO_SUCH_ENDPOINT = re.compile(r"ENDPOINT_NOT_FOUND|failed with error code (404|405|501)")
TAGS = (
    *(schema.DATA_DIGEST, schema.PROTOCOL, schema.DATASET_TITLE, schema.SYNTHETIC),
    MLFLOW_RUN_NOTE,
)
"""Those of the run that its model has, too."""


@dataclass(frozen=True)
class Model(Message):
    """The trial's model: its step, the run's params and description, and metrics with data sets.

    It has no files: a tag refers to the best weights, which are an artifact of the run. Results are
    in the run before this message: a server without such models, such as MLflow before 3, keeps
    them all the same.
    """

    kind = "model"

    best_epoch: int
    metrics: dict[str, float]
    """Those of the whole trial, as the run has them, by key."""
    time: int
    """Milliseconds since 1970, as the run has them."""

    def deliver(self, client: MlflowClient, run_id: str, attachments: Path) -> None:
        run = client.get_run(run_id)
        try:
            self._log(client, run, _model_of(client, run))
        except (MlflowException, NotImplementedError) as error:
            if not _is_refusal(client, run_id, error):
                raise
            print(
                f"run {run_id}: the tracking server takes no model ({reason(error)}); the result "
                "and the weights are in the run",
                flush=True,
            )

    def _log(self, client: MlflowClient, run: Run, model_id: str) -> None:
        data = _data_sets(run)
        metrics = []
        for key, value in self.metrics.items():
            name, digest = data.get(CONTEXTS.get(key.partition("/")[0], ""), (None, None))
            step = schema.WHOLE_TRIAL
            metrics.append(Metric(key, value, self.time, step, model_id, name, digest))
        client.log_batch(run.info.run_id, metrics=metrics)
        outputs = run.outputs.model_outputs if run.outputs else []
        if model_id not in [output.model_id for output in outputs]:  # MLflow would list it twice
            client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, self.best_epoch)])
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)


def _is_refusal(client: MlflowClient, run_id: str, error: Exception) -> bool:
    """Whether the server takes the run's other messages, and no model. During an outage, and while
    the run is deleted, all messages wait.

    Raises what the client raises if the server does not answer.
    """
    if why_gone(client, run_id):
        return False
    unknown = NO_SUCH_ENDPOINT.search(str(error)) is not None
    return unknown or isinstance(error, NotImplementedError) or not is_outage(error)


def _model_of(client: MlflowClient, run: Run) -> str:
    """The id of the run's model, which is created if an earlier delivery has not done so."""
    where = run.info.experiment_id
    found = client.search_logged_models([where], f"source_run_id = '{run.info.run_id}'")
    for model in found:
        if schema.WEIGHTS in model.tags:
            return str(model.model_id)
    tags = {name: run.data.tags[name] for name in TAGS if name in run.data.tags}
    name = (run.info.run_name or "model").translate(NOT_IN_NAMES)
    made = client.create_logged_model(
        where,
        name,
        run.info.run_id,
        tags | {schema.WEIGHTS: f"runs:/{run.info.run_id}/{schema.BEST}"},
        run.data.params,
    )
    return str(made.model_id)


def _data_sets(run: Run) -> dict[str, tuple[str, str]]:
    """The name and digest of the run's data set for each context."""
    found: dict[str, tuple[str, str]] = {}
    for entry in run.inputs.dataset_inputs if run.inputs else []:
        context = next((tag.value for tag in entry.tags if tag.key == MLFLOW_DATASET_CONTEXT), "")
        found[context] = (entry.dataset.name, entry.dataset.digest)
    return found
