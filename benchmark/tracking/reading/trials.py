"""The trials of an experiment, as the tracking server has them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.recbole.links import harmless
from benchmark.tracking import schema
from benchmark.tracking.reading.artifacts import artifact
from benchmark.tracking.reading.record import LARGEST, Record, record
from benchmark.tracking.server import TrackingError, Unavailable, deleted
from datasets.errors import visible

MOST_NAMED = 20  # experiments, in an error
Of = TypeVar("Of")
Found = TypeVar("Found")


def records(client: MlflowClient, experiment: str, only: Iterable[str] = ()) -> list[Record]:
    """All trials of the experiment, in the order in which they started.

    ``only`` are run ids: other runs are not read; if it is empty, all runs are. Runs of sweeps and
    comparisons are no trials, nor are those of reports and launchers without a result. Raises
    TrackingError if there is no such experiment, or no run in it.
    """
    where = client.get_experiment_by_name(experiment)
    if where is None:
        names = [visible(e.name) for e in client.search_experiments(max_results=MOST_NAMED + 1)]
        known = ", ".join([*names[:MOST_NAMED], *["..."] * (len(names) > MOST_NAMED)])
        raise TrackingError(
            f"there is no experiment {experiment!r} at {client.tracking_uri}; there are: {known}"
        )
    if where.lifecycle_stage == "deleted":
        raise TrackingError(deleted(where))
    ids = ", ".join(f"'{run_id}'" for run_id in only)
    runs = search(client, where.experiment_id, f"attributes.run_id IN ({ids})" if ids else "")
    if not runs and not ids:
        raise TrackingError(f"experiment {experiment!r} at {client.tracking_uri} has no runs yet")
    no_trial = {schema.HEARTBEAT, schema.STARTED, schema.REPORT}
    found = [record(run) for run in runs if not schema.sums_up(run)]
    return [r for r in found if r.complete or not no_trial & r.tags.keys()]


def search(client: MlflowClient, experiment_id: str, filter_string: str = "") -> list[Run]:
    """The experiment's runs that are not deleted, in the order in which they started."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string,
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += page
        token = page.token
        if not token:
            return runs


def with_tag(client: MlflowClient, experiment_id: str, tag: str) -> list[Run]:
    """The experiment's runs that have one of the schema's prefixed tags; see ``schema.tags_of``."""
    names = (tag, tag.removeprefix("seqrec."))
    found = {
        run.info.run_id: run
        for name in names
        for run in search(client, experiment_id, f"tags.`{name}` LIKE '%'")
    }
    return [run for run in found.values() if tag in schema.tags_of(run)]


def card(client: MlflowClient, trial: Record) -> str | None:
    """The card of the trial's data set; None if the trial kept none that is harmless.

    Raises Unavailable if the store of seqrec's trial does not answer.
    """
    try:
        with artifact(client, trial.artifact_uri, schema.CARD) as path:
            text = path.read_text("utf-8")
        return text if harmless(text) else None
    except Unavailable:
        if trial.trained_here:
            raise
        return None
    except (MlflowException, OSError, ValueError):
        return None


def curves(client: MlflowClient, runs: list[str], key: str) -> dict[str, dict[int, float]]:
    """The values of a metric by step, for each run; values that are no numbers are left out."""

    def read(run_id: str) -> dict[int, float]:
        history = client.get_metric_history(run_id, key)
        values = {m.step: m.value for m in sorted(history, key=lambda m: m.step)}
        return {step: value for step, value in values.items() if abs(value) < LARGEST}

    return dict(each(read, runs))


def curve(client: MlflowClient, run_id: str) -> list[float]:
    """The validation metric after each epoch."""
    key = schema.metric_key("valid", SELECTION_METRIC)
    history = client.get_metric_history(run_id, key)
    return [metric.value for metric in sorted(history, key=lambda metric: metric.step)]


def last_step(client: MlflowClient, run_id: str) -> int:
    """The last epoch that was logged; 0 before the first."""
    history = client.get_metric_history(run_id, schema.EPOCH_LOGGED)
    return max((metric.step for metric in history), default=0)


def each(read: Callable[[Of], Found], of: list[Of]) -> Iterable[tuple[Of, Found]]:
    """Each of a list with what ``read`` gives: a server answers several requests at a time."""
    with ThreadPoolExecutor(8) as pool:
        yield from zip(of, pool.map(read, of), strict=True)
