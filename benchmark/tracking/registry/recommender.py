"""A registered model, as MLflow loads it: raw item ids in, the best raw item ids out.

MLflow copies this file and ``models/`` into the model ("models from code") and runs the file
wherever the model is loaded, without this repository: nothing else of it may be imported here.
docs/serving.md lists the answers to empty, unknown and long histories.
"""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from safetensors.torch import load_file

import models
from models.ranking import recommend

LARGEST_ANSWER = 1_000_000  # items in one answer: a server has to hold it, as text


class Recommender(PythonModel):
    """A server calls ``predict``; ``best`` is the same for millions of users, without pandas."""

    def load_context(self, context: Any) -> None:
        """Called once, with MLflow's PythonModelContext: where artifacts and settings are."""
        config = context.model_config
        ids = json.loads(Path(context.artifacts["items"]).read_text(encoding="utf-8"))
        self.item_ids = np.array(ids, dtype=object)
        self.codes = {item: code for code, item in enumerate(ids)}
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = models.build(config["model"], len(ids), config["settings"])
        self.model.load_state_dict(load_file(context.artifacts["weights"]))
        self.model.to(device).eval()
        self.device = device

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """``model_input`` has one row for each user; its column ``history`` holds lists of raw item
        ids, oldest first. ``params`` are ``k`` and ``exclude_seen``; the signature has defaults.

        Returns a row for each user with ``items`` and ``scores``, lists, best first. Raises
        MlflowException, a 400 over HTTP, for a k below 1 and for more than LARGEST_ANSWER items.
        """
        histories = model_input["history"].tolist()
        params = params or {}
        k = params["k"]
        exclude_seen = params["exclude_seen"]
        if k is None or k < 1:
            raise MlflowException.invalid_parameter_value(f"k is {k}: it has to be 1 or more")
        k = min(k, len(self.item_ids))
        if len(histories) * k > LARGEST_ANSWER:
            raise MlflowException.invalid_parameter_value(
                f"{len(histories):,} rows of {k:,} items are more than {LARGEST_ANSWER:,} items "
                "in one answer: ask for fewer, or use python -m benchmark.recommend"
            )
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        counts, items, scores = self.best(
            chain.from_iterable(histories), lengths, k, bool(exclude_seen)
        )
        parts = [slice(end - n, end) for n, end in zip(counts, np.cumsum(counts), strict=True)]
        return pd.DataFrame(
            {
                "items": pd.Series([items[part].tolist() for part in parts], dtype=object),
                "scores": pd.Series([scores[part].tolist() for part in parts], dtype=object),
            }
        )

    def best(
        self, ids: Iterable[str | None], lengths: np.ndarray, k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ``k`` best items of many users.

        ``ids`` are the histories of all users, one after the other; ``lengths`` [n] int64 is the
        length of each. Ids that the model does not know are left out first. Returns the number of
        items of each user [n] int64, and the items of all users, one after the other: raw ids [sum]
        object and scores [sum] float32.
        """
        known = np.fromiter((self.codes.get(i, -1) for i in ids), np.int64, int(lengths.sum()))
        row = np.repeat(np.arange(len(lengths)), lengths)[known >= 0]
        lengths = np.bincount(row, minlength=len(lengths))
        ends = np.cumsum(lengths)
        items = torch.from_numpy(known[known >= 0]).to(self.device)
        best, scores = recommend(self.model, items, ends - lengths, ends, k, exclude_seen)
        found = best >= 0
        return found.sum(axis=1), self.item_ids[best[found]], scores[found]


set_model(Recommender())
