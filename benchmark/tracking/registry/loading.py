"""A registered model in this process.

It runs the code that it was registered with, as it does everywhere, and nothing here imports
``models``.
"""

import logging

import mlflow.pyfunc
from mlflow.exceptions import MlflowException

from benchmark.tracking.outbox.messages import reason
from benchmark.tracking.server import TrackingError


def load_recommender(uri: str):
    """The ``recommender.Recommender`` of a registered model, such as models:/ml-1m@champion.

    Raises TrackingError if there is none, or if the model is of another kind.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        loaded = mlflow.pyfunc.load_model(uri).unwrap_python_model()
    except (MlflowException, OSError) as error:
        raise TrackingError(f"model {uri} cannot be loaded: {reason(error)}") from None
    if type(loaded).__name__ != "Recommender":
        raise TrackingError(f"model {uri} was not registered by benchmark.promote")
    return loaded
