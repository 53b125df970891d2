"""What a suite has run, as the tracking server has it: which data sets and models were planned, and
why a result is missing."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.reading.artifacts import artifact
from benchmark.tracking.reading.trials import with_tag
from benchmark.tracking.server import Unavailable
from datasets.errors import visible

LARGEST = 5_000_000  # bytes of the artifact


@dataclass(frozen=True)
class DataOutcome:
    """A data set of a suite, under one protocol."""

    name: str
    """Of the data set: of its YAML file."""
    title: str
    protocol: str
    """Empty if the data could not be had."""
    digest: str
    """Likewise."""
    comparison: str
    """The name of the comparison: its sweeps are called COMPARISON-MODEL."""
    experiment: str
    """The name of the experiment with the sweeps."""
    unavailable: str = ""
    """Why the data could not be had."""
    models: dict[str, str] = field(default_factory=dict)
    """All models that were planned, by the names of reports, each with the reason why its result,
    or that of a seed, is missing; an empty text if there is none."""


@dataclass(frozen=True)
class SuiteOutcome:
    """A suite, as far as it has run."""

    name: str
    title: str
    datasets: tuple[DataOutcome, ...]
    learned: tuple[str, ...] = ()
    """The planned models that learn, by the names of reports. Suites before 0.13 have none here."""

    def dump(self) -> str:
        """As JSON."""
        content = asdict(self)
        for data in content["datasets"]:
            data["models"] = {
                model: {"failed": why} if why else {} for model, why in data["models"].items()
            }
            if not data["unavailable"]:
                del data["unavailable"]
        return json.dumps(content, indent=2, ensure_ascii=False)


def experiment_of(suite: str) -> str:
    """The name of the experiment with the suite's run."""
    return f"suite-{suite}"


def suite_runs(client: MlflowClient, experiment_id: str, name: str) -> list[Run]:
    """The runs that describe the suite: one, as a rule; the oldest first."""
    found = with_tag(client, experiment_id, schema.SUITE)
    named = [run for run in found if run.data.tags.get(schema.SUITE) == name]
    return sorted(named, key=lambda run: (run.info.start_time, run.info.run_id))


def suite_outcome(client: MlflowClient, name: str) -> SuiteOutcome | None:
    """What the suite of that name has run; None if no run says so, or if what it says is damaged.

    Raises Unavailable if the server or its store of artifacts does not answer.
    """
    where = client.get_experiment_by_name(experiment_of(name))
    runs = suite_runs(client, where.experiment_id, name) if where else []
    if not runs:
        return None
    try:
        with artifact(client, runs[0].info.artifact_uri, schema.OUTCOME) as path:
            if path.stat().st_size > LARGEST:
                return None
            return _outcome(json.loads(path.read_bytes()))
    except Unavailable:
        raise
    except (MlflowException, OSError, ValueError, RecursionError):
        return None


def _outcome(content: Any) -> SuiteOutcome:
    """Raises ValueError for any content that ``dump`` does not write."""
    datasets = _of_kind(_mapping(content).get("datasets"), list)
    learned = _of_kind(content.get("learned", []), list)
    return SuiteOutcome(
        _text(content, "name"),
        _text(content, "title"),
        tuple(_data(part) for part in datasets),
        tuple(visible(_of_kind(model, str)) for model in learned),
    )


def _data(content: Any) -> DataOutcome:
    models = _mapping(_mapping(content).get("models"))
    return DataOutcome(
        **{
            name: _text(content, name)
            for name in ("name", "title", "protocol", "digest", "comparison", "experiment")
        },
        unavailable=_text({"unavailable": "", **content}, "unavailable"),
        models={
            visible(model): _text({"failed": "", **_mapping(found)}, "failed")
            for model, found in models.items()
        },
    )


def _mapping(content: Any) -> dict[str, Any]:
    return _of_kind(content, dict)


def _text(content: Any, key: str) -> str:
    return visible(_of_kind(_mapping(content).get(key), str))


def _of_kind(content: Any, kind: type) -> Any:
    if not isinstance(content, kind):
        raise ValueError(f"{kind.__name__} expected, found {type(content).__name__}")
    return content
