"""A registered model, as MLflow loads it: raw item ids in, the best raw item ids out.

MLflow copies this file and ``models/`` into the model ("models from code") and runs the file
wherever the model is loaded, without this repository: it may import nothing else of it. What it
answers to histories that are empty, unknown or long is in docs/serving.md.
"""

import json
from itertools import chain
from pathlib import Path

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
    """``predict`` is what a server calls; ``best`` is the same for whoever has millions."""

    def load_context(self, context) -> None:
        config = context.model_config
        ids = json.loads(Path(context.artifacts["items"]).read_text(encoding="utf-8"))
        self.item_ids = np.array(ids, dtype=object)
        self.codes = {item: code for code, item in enumerate(ids)}
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = models.build(config["model"], len(ids), config["settings"])
        self.model.load_state_dict(load_file(context.artifacts["weights"]))
        self.model.to(device).eval()
        self.device = device

    def predict(self, context, model_input: pd.DataFrame, params: dict | None = None):
        """One row for each user, with ``history``, a list of item ids, oldest first.

        Returns ``items`` and ``scores`` for each, best first. Raises MlflowException, which is a
        400 over HTTP, for a k below 1 and for more than LARGEST_ANSWER items.
        """
        histories = model_input["history"].tolist()
        k, exclude_seen = params["k"], params["exclude_seen"]
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

    def best(self, ids, lengths: np.ndarray, k: int, exclude_seen: bool):
        """The best items of many users: how many each has [n] int64, and all of them, user after
        user: raw ids [sum] object and scores [sum] float32.

        ``ids`` are the histories one after the other, ``lengths`` [n] int64 of them each. Ids that
        the model does not know are left out before anything else.
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
