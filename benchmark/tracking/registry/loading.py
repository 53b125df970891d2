"""Load a registered model in this process.

The model runs the code that it was registered with, not this repository's ``models``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.outage import reason
from benchmark.tracking.registry.quiet import quiet
from benchmark.tracking.server import TrackingError

if TYPE_CHECKING:  # importing it would import ``models``
    from benchmark.tracking.registry.recommender import Recommender


@dataclass(frozen=True)
class Loaded:
    recommender: "Recommender"
    data_digest: str | None
    """Of the data that it was trained on; None if its run is not on this server."""
    exclude_seen: bool
    """Whether it leaves out the items of a history unless asked: as in its evaluation."""
    reads_times: bool
    """False for a model of an earlier version, which knows only the order of interactions."""
    titles: dict[str, str] | None
    """Titles of items by raw id, if the model has any."""


def load_recommender(client: MlflowClient, uri: str) -> Loaded:
    """The model at a URI such as models:/ml-1m@champion.

    Raises TrackingError if there is no such model, or if it is of another kind.
    """
    try:
        with quiet():
            loaded = mlflow.pyfunc.load_model(uri)
            recommender = loaded.unwrap_python_model()
    except (MlflowException, OSError) as error:
        hint = "" if ":" in uri else f"; a registered model is models:/{uri}@champion"
        raise TrackingError(f"model {uri} cannot be loaded: {reason(error)}{hint}") from None
    if type(recommender).__name__ != "Recommender":  # a class of the model's own code
        raise TrackingError(f"model {uri} was not registered by python -m benchmark.promote")
    digest = _data_digest(client, loaded.metadata.run_id)
    signature = loaded.metadata.signature
    defaults = {param.name: param.default for param in signature.params}
    return Loaded(
        cast("Recommender", recommender),
        digest,
        exclude_seen=bool(defaults["exclude_seen"]),
        reads_times="times" in signature.inputs.input_names(),
        titles=recommender.titles if "titles" in signature.outputs.input_names() else None,
    )


def _data_digest(client: MlflowClient, run_id: str | None) -> str | None:
    if run_id is None:
        return None
    try:
        return client.get_run(run_id).data.tags.get(schema.DATA_DIGEST)
    except MlflowException as error:
        if error.get_http_status_code() == 404:  # a model from another server
            return None
        raise TrackingError(f"run {run_id} of the model: {reason(error)}") from None
