"""A registered model, as MLflow loads it: raw item ids in, the best raw item ids out.

A registered model has a copy of this file and of ``models/`` ("models from code"). MLflow runs the
file wherever the model is loaded, without this repository: nothing else of it may be imported here.
docs/serving.md lists the limits, and the answers to empty, unknown and long histories.
"""

import json
import math
import sys
from collections.abc import Iterable
from functools import wraps
from itertools import chain
from numbers import Real
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
from models.batches import Interactions
from models.ranking import recommend

LARGEST_BODY = 4_000_000  # bytes of a request
LARGEST_REQUEST = 10_000  # users in a request
LARGEST_ANSWER = 1_000_000  # items in one answer: a server has to hold it, as text
PARAMS = ("k", "exclude_seen")
COLUMNS = ["history", "times"]
FORMATS = ("dataframe_records", "dataframe_split", "inputs", "instances")  # of MLflow
EXAMPLE = '{"dataframe_records": [{"history": ["id", ...]}, ...], "params": {"k": 10}}'

refused = MlflowException.invalid_parameter_value  # a 400 over HTTP


class Recommender(PythonModel):
    """A server calls ``predict``; ``best`` is the same for millions of users, without pandas."""

    def load_context(self, context: Any) -> None:
        """Called once, with MLflow's PythonModelContext: where artifacts and settings are."""
        config = context.model_config
        ids = json.loads(Path(context.artifacts["items"]).read_text(encoding="utf-8"))
        self.item_ids = np.array(ids, dtype=object)
        self.codes = {item: code for code, item in enumerate(ids)}
        self.titles: dict[str, str] = {}
        if "titles" in context.artifacts:  # of the items that have one, by raw id
            self.titles = json.loads(Path(context.artifacts["titles"]).read_text(encoding="utf-8"))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = models.build(config["model"], len(ids), config["settings"])
        self.model.load_state_dict(load_file(context.artifacts["weights"]))
        self.model.to(device).eval()
        self.device = device
        if "mlflow.pyfunc.scoring_server.app" in sys.modules:  # the server is loading its model
            _check_requests_first()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """``model_input`` has one row for each user; its column ``history`` holds lists of raw item
        ids, oldest first. The column ``times`` is optional, and so is each of its values: the times
        of these interactions, lists of numbers. ``params`` are ``k`` and ``exclude_seen``; the
        signature has defaults.

        Returns a row for each user with ``items`` and ``scores``, lists, best first, and the number
        of ids of the history that are ``unknown``; where the data set has them, also the items'
        ``titles``, which are ids for items without one. Raises MlflowException, a 400 over HTTP,
        for a k below 1, for an exclude_seen of null, for more than LARGEST_ANSWER items, for
        histories that are no lists of ids, and for times that are not one number for each id, none
        of them lower than the one before.
        """
        histories = [_ids(n, value) for n, value in enumerate(model_input["history"].tolist())]
        times = model_input["times"].tolist() if "times" in model_input else [None] * len(histories)
        assert params, "MLflow gives the defaults of the signature"
        k, exclude_seen = params["k"], params["exclude_seen"]
        if k is None or k < 1:
            raise refused(f"k is {k}: it has to be 1 or more")
        if exclude_seen is None:
            raise refused("exclude_seen is null: it has to be true or false")
        k = min(k, len(self.item_ids))
        if len(histories) * k > LARGEST_ANSWER:
            raise refused(
                f"{len(histories):,} rows of {k:,} items are more than {LARGEST_ANSWER:,} items "
                "in one answer: ask for fewer, or use python -m benchmark.recommend"
            )
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        of_ids = [_times(n, value, lengths[n]) for n, value in enumerate(times)]
        counts, items, scores = self.best(
            chain.from_iterable(histories),
            lengths,
            k,
            bool(exclude_seen),
            np.concatenate([np.empty(0), *of_ids]),
        )
        parts = [slice(end - n, end) for n, end in zip(counts, np.cumsum(counts), strict=True)]
        answer = {
            "items": pd.Series([items[part].tolist() for part in parts], dtype=object),
            "scores": pd.Series([scores[part].tolist() for part in parts], dtype=object),
            "unknown": [sum(i not in self.codes for i in history) for history in histories],
        }
        if self.titles:
            titles = [[self.titles.get(i, i) for i in items[part]] for part in parts]
            answer["titles"] = pd.Series(titles, dtype=object)
        return pd.DataFrame(answer)

    def best(
        self,
        ids: Iterable[str | None],
        lengths: np.ndarray,
        k: int,
        exclude_seen: bool,
        times: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ``k`` best items of many users.

        ``ids`` are the histories of all users, one after the other; ``lengths`` [n] int64 is the
        length of each. ``times`` [sum] float64 are the times of the ids, in any unit: equal ones of
        one history are one basket; NaN, as without ``times``, is a time of its own. Ids that the
        model does not know are left out first, with their times. Returns the number of items of
        each user [n] int64, and the items of all users, one after the other: raw ids [sum] object
        and scores [sum] float32. Raises MlflowException if a time is lower than the one before.
        """
        known = np.fromiter((self.codes.get(i, -1) for i in ids), np.int64, int(lengths.sum()))
        row = np.repeat(np.arange(len(lengths)), lengths)
        if times is None:
            times = np.full(len(row), np.nan)
        back = (row[1:] == row[:-1]) & (times[1:] < times[:-1])
        if back.any():
            at = int(back.argmax())
            raise refused(
                f"times of row {row[at]} has {times[at + 1]:.15g} after {times[at]:.15g}: a "
                "history is ordered by time, oldest first"
            )
        row = row[known >= 0]
        times = times[known >= 0]
        later = np.ones(len(row), dtype=np.int64)  # than the interaction before, or another row's
        later[1:] = (row[1:] != row[:-1]) | (times[1:] != times[:-1])
        lengths = np.bincount(row, minlength=len(lengths))
        ends = np.cumsum(lengths)
        past = Interactions(
            torch.from_numpy(known[known >= 0]).to(self.device),
            torch.from_numpy(np.cumsum(later)).to(self.device),
        )
        best, scores = recommend(self.model, past, ends - lengths, ends, k, exclude_seen)
        found = best >= 0
        return found.sum(axis=1), self.item_ids[best[found]], scores[found]


def _ids(row: int, history: Any) -> list[str | None]:
    """The ids of one history; whole numbers become the text of their digits."""
    if not isinstance(history, list | tuple | np.ndarray):
        raise refused(f"history of row {row} is {_short(history)}: a list of item ids is expected")
    ids: list[str | None] = []
    for item in history:
        if isinstance(item, str | None):
            ids.append(item)
        elif isinstance(item, int | np.integer) and not isinstance(item, bool):
            ids.append(str(item))
        else:
            raise refused(f"history of row {row} has {_short(item)}: ids are text or whole numbers")
    return ids


def _times(row: int, times: Any, length: int) -> np.ndarray:
    """The times of the ids of one history, [length] float64; NaN if there are none."""
    if times is None or (isinstance(times, float) and np.isnan(times)):  # pandas' null
        return np.full(length, np.nan)
    if not isinstance(times, list | tuple | np.ndarray):
        raise refused(f"times of row {row} is {_short(times)}: a list of numbers is expected")
    if len(times) != length:
        raise refused(
            f"times of row {row} has {len(times):,} numbers, and its history {length:,} ids: each "
            "id has a time"
        )
    for time in times:
        if not _is_number(time):
            raise refused(f"times of row {row} has {_short(time)}: times are numbers")
    return np.array(times, dtype=np.float64)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number larger than every float
        return False


def _check_requests_first() -> None:
    """Let MLflow's server refuse a request before it parses it.

    `mlflow models serve` has no option and no hook for this. It reads parquet, of which some
    hundred bytes unfold to gigabytes, and JSON of any size, and ignores params that it does not
    know. So the function that it calls for a request is replaced by one that checks first.
    """
    from mlflow.pyfunc import scoring_server

    invocations = scoring_server.invocations

    @wraps(invocations)
    def checked(data: bytes, content_type: str | None, *others: Any) -> Any:
        return invocations(checked_body(data, content_type), content_type, *others)

    scoring_server.invocations = checked


def checked_body(body: bytes, content_type: str | None) -> bytes:
    """The same request with nothing but ``COLUMNS`` and params, in ``dataframe_split``.

    Raises MlflowException for anything but JSON, for a request that is too large, and for names
    that are unknown.
    """
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise refused(
            f"content type {_short(content_type)}: application/json is expected; for files of "
            "histories, use python -m benchmark.recommend"
        )
    if len(body) > LARGEST_BODY:
        raise refused(
            f"the request has {len(body):,} bytes, more than {LARGEST_BODY:,}: ask for fewer "
            "users, or use python -m benchmark.recommend"
        )
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise refused(f"the request is not JSON that can be read: {error}") from None
    if not isinstance(request, dict):
        raise refused(f"a request looks like {EXAMPLE}, not like {_short(request)}")
    params = request.pop("params", None)
    if not isinstance(params, dict | None):
        raise refused(f"params are {_short(params)}: a mapping is expected, such as {EXAMPLE}")
    for name in params or {}:
        if name not in PARAMS:
            raise refused(f"no such parameter: {_short(name)}; there are {' and '.join(PARAMS)}")
    rows = _rows(request)
    if len(rows) > LARGEST_REQUEST:
        raise refused(
            f"the request has {len(rows):,} rows, more than {LARGEST_REQUEST:,}: ask for "
            "fewer users, or use python -m benchmark.recommend"
        )
    table = {"columns": COLUMNS, "data": rows}
    return json.dumps({"dataframe_split": table, "params": params}).encode()


def _rows(request: dict[str, Any]) -> list[list[Any]]:
    """The values of ``COLUMNS`` in each row of a request, None where a row has no times. Other
    columns are left out."""
    if len(request) != 1 or (name := next(iter(request))) not in FORMATS:
        raise refused(
            f"a request has params and one of {', '.join(FORMATS)}; found: {_short(list(request))}"
        )
    data = request[name]
    try:
        if name == "dataframe_split":
            columns = data["columns"]
            if any(len(row) != len(columns) for row in data["data"]):
                raise refused(f"rows of {name} do not have a value for each of its columns")
            records = [dict(zip(columns, row, strict=True)) for row in data["data"]]
        elif name != "dataframe_records" and isinstance(data, dict):  # columns, as in TF serving
            histories = list(data["history"])
            times = data.get("times")
            if times is None:
                times = [None] * len(histories)
            if not isinstance(times, list) or len(times) != len(histories):
                raise refused(
                    f"times are {_short(times)}: a list, with one value for each history, is "
                    "expected"
                )
            return [list(row) for row in zip(histories, times, strict=True)]
        else:
            records = data
        return [[record["history"], record.get("times")] for record in records]
    except (LookupError, TypeError, ValueError, AttributeError):
        raise refused(
            f"no column history in each row of {name}: a request looks like {EXAMPLE}"
        ) from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


set_model(Recommender())
