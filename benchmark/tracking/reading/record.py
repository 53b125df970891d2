"""One trial, as it was logged: a run of the tracking server, read."""

import json
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run

from benchmark.measures.metrics import FOLLOWING, NAMES, following
from benchmark.settings.fields import SETTINGS
from benchmark.tracking import schema
from benchmark.tracking.reading.basis import Basis
from datasets.errors import visible
from models import short_name

Param = int | float | str
"""MLflow stores text; a text that reads as a number is that number, so that 3e-4 is 0.0003."""

LARGEST = 1e15
"""No number of a trial reaches this. (MLflow's SQL stores return infinity as 1.8e308.)"""

NAMES_OF_THINGS = ("dataset", "model", "recbole_config")
"""Parameters that are text, even if they read as a number: a data set may be called 007."""

STATISTICS = (
    "users",
    "items",
    "interactions",
    "interactions_per_user",
    "interactions_per_item",
    "sparsity",
    "users_not_evaluated",
)
"""The numbers of a data set that every trial of seqrec logged."""


@dataclass(frozen=True)
class Record:
    """One trial as it was logged, by seqrec or by anyone who keeps to the schema."""

    run_id: str
    name: str
    artifact_uri: str
    status: str
    """MLflow's: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED."""
    started: int
    """Milliseconds since 1970."""
    params: dict[str, Param]
    valid: dict[str, float] | None
    """Metrics of the best epoch on validation; None without ``schema.RESULT_METRICS``, or if one
    of the trial's results is no number from 0 to 1."""
    test: dict[str, float] | None
    best_epoch: int | None
    last_epoch: int | None
    metrics: dict[str, float]
    """The metrics of the run that are numbers, under their keys, as they were logged last."""
    seconds: float | None
    """``trial_seconds``; for a run that did not log it, the time from its start to its end."""
    tags: dict[str, str]
    statistics: dict[str, int | float]
    """Of the data set, as logged with it; may be empty."""
    wrong: str | None = None
    """The result that is no number from 0 to 1."""
    experiment_id: str = ""

    @property
    def basis(self) -> Basis:
        return Basis.of(self.tags)

    @property
    def published(self) -> bool:
        """Whether the figures come from a page: the trial did not run here."""
        return schema.PUBLISHED in self.tags

    @property
    def scored(self) -> bool:
        """Whether another library trained it: its file was scored here."""
        return schema.SCORED in self.tags

    @property
    def until(self) -> int | None:
        """The last test rank that is known of every query; None: all ranks are."""
        text = self.tags.get(schema.UNTIL, "")
        return int(text) if text.isdecimal() else None

    @property
    def trained_here(self) -> bool:
        """Whether seqrec trained it, so that all artifacts of the schema were logged."""
        return schema.COMMAND in self.tags

    @property
    def repeated_by(self) -> str:
        """The command that repeats the trial; of a scored one, the command that scored its file.
        Empty if it was not logged."""
        return self.tags.get(schema.COMMAND_LINE if self.scored else schema.COMMAND, "")

    @property
    def point(self) -> dict[str, str]:
        """The searched parameters of a published trial, as written and in the order of the page.

        Empty if the run does not have them.
        """
        found = _mapping(self.tags.get(schema.POINT, ""))
        return {name: str(value) for name, value in found.items()}

    @property
    def complete(self) -> bool:
        """Whether the trial has finished with a result. A scored one may lack validation."""
        validated = self.valid is not None or self.scored
        return self.status == "FINISHED" and validated and self.test is not None


def record(run: Run) -> Record:
    """The trial of a run. Contents that are not as the schema has them count as missing.

    In all text, characters that are not shown are escapes.
    """
    tags = {name: visible(text) for name, text in schema.tags_of(run).items()}
    metrics = {key: value for key, value in run.data.metrics.items() if abs(value) < LARGEST}
    wrong = _wrong(run.data.metrics)
    datasets = [entry.dataset for entry in run.inputs.dataset_inputs] if run.inputs else []
    statistics = (_statistics(dataset.profile or "{}") for dataset in datasets)
    return Record(
        run_id=run.info.run_id,
        name=visible(run.info.run_name or run.info.run_id),
        artifact_uri=run.info.artifact_uri,
        status=run.info.status,
        started=run.info.start_time or 0,
        params=_params(run.data.params, published=schema.PUBLISHED in tags),
        valid=None if wrong else _result(metrics, "best_valid"),
        test=None if wrong else _result(metrics, "test"),
        best_epoch=_count(metrics.get("best_epoch")),
        last_epoch=_count(metrics.get("last_epoch")),
        metrics=metrics,
        seconds=not_negative(metrics.get("trial_seconds", _duration(run))),
        tags=tags,
        statistics=next(filter(None, statistics), {}),
        wrong=wrong,
        experiment_id=run.info.experiment_id,
    )


def _params(logged: dict[str, str], published: bool) -> dict[str, Param]:
    """The parameters by name, with their values.

    `mlflow run -P learning-rate=0.1` logs learning-rate, and the trial learning_rate: they are one
    parameter. A published page has its own names.
    """
    names = {name: name if published else name.replace("-", "_") for name in logged}
    copies = {name for name, ours in names.items() if name != ours and ours in logged}
    return {
        visible(ours): _param(ours, visible(logged[name]))
        for name, ours in names.items()
        if name not in copies
    }


def _param(name: str, text: str) -> Param:
    if name == "model":  # `mlflow run -P model=sasrec` has logged the name as the user typed it
        return short_name(SETTINGS["model"].spelled(text))
    if name in NAMES_OF_THINGS or "_" in text or not text.isascii():  # Python takes 1_0 for 10
        return text
    for kind in (int, float):
        try:
            value: int | float = kind(text)
        except ValueError:
            continue
        return value if abs(value) < LARGEST else text
    return text


def _duration(run: Run) -> float | None:
    """In seconds; None for results that did not run here: a run lasted only while it was logged."""
    start = run.info.start_time  # milliseconds
    end = run.info.end_time
    known = start and end and not {schema.PUBLISHED, schema.SCORED} & schema.tags_of(run).keys()
    return (end - start) / 1000 if known else None


def not_negative(value: float | None) -> float | None:
    """The measured value; None if there is none, or if it cannot be one."""
    return value if value is not None and 0 <= value < LARGEST else None


def _count(value: float | None) -> int | None:
    return None if not_negative(value) is None else int(value or 0)


def _statistics(profile: str) -> dict[str, int | float]:
    """The numbers of the profile as seqrec logs it; other tools log other things there."""
    numbers = {
        name: value
        for name, value in _mapping(profile).items()
        if isinstance(value, int | float) and abs(value) < LARGEST
    }
    return numbers if numbers.keys() >= set(STATISTICS) else {}


def _mapping(text: str) -> dict[str, Any]:
    """The mapping that the text is in JSON; empty if it is anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _wrong(stored: dict[str, float]) -> str | None:
    """The first result that is no number from 0 to 1."""
    for part in ("best_valid", "test"):
        for name in NAMES:
            key = schema.metric_key(part, name)
            if key in stored and not 0 <= stored[key] <= 1:
                return f"{key} is {stored[key]:g}, which is no value from 0 to 1"
    return None


def _result(stored: dict[str, float], part: str) -> dict[str, float] | None:
    """The metrics of a part that seqrec knows, by name.

    None unless all of ``schema.RESULT_METRICS`` are known: logged, or computed from recall@10.
    """
    names = {schema.metric_name(part, key): value for key, value in stored.items()}
    found = {name: value for name, value in names.items() if name}
    if "recall@10" in found and not set(FOLLOWING) & found.keys():
        found |= following(found["recall@10"])
    if not set(schema.RESULT_METRICS) <= found.keys():
        return None
    others = sorted(name for name in found if name in NAMES and name not in schema.RESULT_METRICS)
    return {name: found[name] for name in (*schema.RESULT_METRICS, *others)}
