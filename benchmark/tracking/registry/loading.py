"""Load a registered model in this process.

The model runs the code that it was registered with, not this repository's ``models``.
"""

import logging
from typing import TYPE_CHECKING, cast

import mlflow.pyfunc
from mlflow.exceptions import MlflowException

from benchmark.tracking.outage import reason
from benchmark.tracking.server import TrackingError

if TYPE_CHECKING:  # importing it would import ``models``
    from benchmark.tracking.registry.recommender import Recommender


def load_recommender(uri: str) -> "Recommender":
    """The model at a URI such as models:/ml-1m@champion.

    Raises TrackingError if there is no such model, or if it is of another kind.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        loaded = mlflow.pyfunc.load_model(uri).unwrap_python_model()
    except (MlflowException, OSError) as error:
        raise TrackingError(f"model {uri} cannot be loaded: {reason(error)}") from None
    if type(loaded).__name__ != "Recommender":  # a class of the model's own code
        raise TrackingError(f"model {uri} was not registered by benchmark.promote")
    return cast("Recommender", loaded)
