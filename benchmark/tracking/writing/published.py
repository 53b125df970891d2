"""A published page as a sweep that ran elsewhere: a run, and a run for each of its trials."""

import json

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from benchmark.recbole.page import PublishedPage, PublishedTrial
from benchmark.tracking import launcher, schema
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.sweeps import children, dump, sweep_runs
from benchmark.tracking.server import TrackingError, experiment_id

LONGEST = 5000  # characters that every store takes as a tag


def find_page(
    client: MlflowClient, experiment: str, name: str, page: PublishedPage
) -> tuple[str, str] | None:
    """The name and the run of the same page, if the experiment has it under any name.

    Raises TrackingError if another page or a sweep has the name.
    """
    found = client.get_experiment_by_name(experiment)
    runs = sweep_runs(client, found.experiment_id) if found else []
    for run in runs:
        if run.data.tags.get(schema.PAGE_DIGEST) == page.digest and not _unfinished(run):
            return run.data.tags[schema.SWEEP], run.info.run_id
    for run in runs:
        if run.data.tags[schema.SWEEP] == name and not _unfinished(run):
            what = "another page" if schema.PUBLISHED in schema.tags_of(run) else "a sweep"
            raise TrackingError(
                f"{page.path}: {what} is called {name!r} in experiment {experiment!r} (run "
                f"{run.info.run_id}): give this one another --name"
            )
    return None


def log_page(
    client: MlflowClient, experiment: str, name: str, page: PublishedPage, contradictions: list[str]
) -> str:
    """Log the page's run, with a run for each of its trials nested in it; the id of the page's run.

    Raises TrackingError if the server does not take them.
    """
    try:
        where = experiment_id(client, experiment)
        _remove_unfinished(client, where, name)
        started = get_current_time_millis()
        tags = launcher.context_tags() | {schema.SWEEP: name, schema.PUBLISHED: page.path.name}
        own = {schema.HEARTBEAT: "published", schema.PAGE_DIGEST: page.digest}
        if contradictions:
            own[schema.CONTRADICTIONS] = "\n".join(contradictions)[:LONGEST]
        run_id: str = client.create_run(where, started, tags | own, name).info.run_id
        definition = {"published": page.path.name, "space": page.space, "best": page.best}
        client.log_text(run_id, dump(definition), schema.SWEEP_FILE)
        client.log_artifact(run_id, page.path)
        tags |= {
            MLFLOW_PARENT_RUN_ID: run_id,
            schema.DATASET_TITLE: page.dataset,
            schema.DATASET_CARD: page.card or "",
            schema.MODEL_LINK: page.model_link or "",
        }
        for number, trial in enumerate(page.trials):
            _log_trial(client, where, page, trial, number, started + number, tags)
        if page.bar:
            client.log_metric(run_id, schema.SWEEP_SECONDS, page.bar.seconds)
        client.set_terminated(run_id)  # last: without it the page is not whole
    except (MlflowException, OSError) as error:
        raise TrackingError(f"{page.path}: the page cannot be logged: {reason(error)}") from None
    return run_id


def _log_trial(
    client: MlflowClient,
    where: str,
    page: PublishedPage,
    trial: PublishedTrial,
    number: int,
    started: int,
    tags: dict[str, str],
) -> None:
    point = " ".join(f"{name}={value}" for name, value in trial.params.items())
    tags = tags | {schema.NUMBER: str(number), schema.POINT: json.dumps(trial.params)}
    run = client.create_run(where, started, tags, f"{page.model} {point}")
    metrics = {
        schema.metric_key(part, name): value
        for part, figures in (("best_valid", trial.valid), ("test", trial.test))
        for name, value in figures.items()
    }
    if page.seconds is not None:
        metrics["trial_seconds"] = page.seconds
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key, value, started, 0) for key, value in metrics.items()],
        params=[Param(key, value) for key, value in ({"model": page.model} | trial.params).items()],
    )
    client.set_terminated(run.info.run_id, end_time=started)


def _unfinished(run: Run) -> bool:
    """Whether a process died while it logged the page."""
    return schema.PUBLISHED in schema.tags_of(run) and run.info.status != "FINISHED"


def _remove_unfinished(client: MlflowClient, where: str, name: str) -> None:
    for run in sweep_runs(client, where):
        if run.data.tags[schema.SWEEP] == name and _unfinished(run):
            for trial in children(client, run):
                client.delete_run(trial.info.run_id)
            client.delete_run(run.info.run_id)
