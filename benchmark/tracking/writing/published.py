"""A published page as a sweep that ran elsewhere: a run, and a run for each of its trials."""

import json
import time
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from benchmark.recbole.published_page import PublishedPage, PublishedTrial
from benchmark.tracking import launcher, ownership, schema
from benchmark.tracking.heartbeat import Heart, living
from benchmark.tracking.outage import reason
from benchmark.tracking.reading.sweeps import children, dump, sweep_runs
from benchmark.tracking.server import TrackingError, experiment_id


@dataclass(frozen=True)
class Kept:
    """A page that an experiment has."""

    name: str
    run_id: str
    new: bool = False
    """Whether this process logged it."""


def find_page(client: MlflowClient, experiment: str, name: str, page: PublishedPage) -> Kept | None:
    """The same page, if the experiment has it under any name.

    Raises TrackingError if another page or a sweep has the name.
    """
    found = client.get_experiment_by_name(experiment)
    runs = sweep_runs(client, found.experiment_id) if found else []
    for run in runs:
        if run.data.tags.get(schema.PAGE_DIGEST) == page.digest and not _unfinished(run):
            return Kept(run.data.tags[schema.SWEEP], run.info.run_id)
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
) -> Kept:
    """Log the page's run, with a run for each of its trials nested in it.

    A page that another process logs at this moment is waited for, and kept once. Raises
    TrackingError if the server does not take the page, or if the name is taken.
    """
    try:
        where = experiment_id(client, experiment)
        run_id = _create(client, where, name, page, contradictions)
        with Heart(client, run_id, ownership.claim(client, run_id)).beats():
            earlier = _wait_for_turn(client, experiment, where, name, page, run_id)
            if earlier is None:
                _log_content(client, where, name, page, run_id)
                client.set_terminated(run_id)  # last: without it the page is not whole
        return earlier or Kept(name, run_id, new=True)
    except (MlflowException, OSError) as error:
        raise TrackingError(f"{page.path}: the page cannot be logged: {reason(error)}") from None


def _tags(name: str, page: PublishedPage) -> dict[str, str]:
    """Of all runs of the page."""
    return launcher.context_tags() | {schema.SWEEP: name, schema.PUBLISHED: page.path.name}


def _create(
    client: MlflowClient, where: str, name: str, page: PublishedPage, contradictions: list[str]
) -> str:
    """The page's own run."""
    own = {schema.HEARTBEAT: "not yet", schema.PAGE_DIGEST: page.digest}
    if contradictions:
        own[schema.CONTRADICTIONS] = "\n".join(contradictions)[: schema.LONGEST]
    run = client.create_run(where, tags=_tags(name, page) | own, run_name=name)
    # Not the time at which the run was asked for: others may have been created in the meantime.
    client.set_tag(run.info.run_id, schema.TURN, str(time.time_ns()))
    return str(run.info.run_id)


def _wait_for_turn(
    client: MlflowClient, experiment: str, where: str, name: str, page: PublishedPage, run_id: str
) -> Kept | None:
    """Wait until no other process, which came earlier, logs the same page or one of its name.

    What dead processes left is removed. If another process has logged the page, its run; this
    process's run is then removed. Raises what ``find_page`` raises.
    """
    while True:
        # Before the look for a finished page: one that is finished in between is in the list.
        pages = [run for run in sweep_runs(client, where) if _unfinished(run)]
        try:
            earlier = find_page(client, experiment, name, page)
        except TrackingError:
            client.delete_run(run_id)
            raise
        if earlier:
            client.delete_run(run_id)
            return earlier
        alike = [
            run
            for run in pages
            if run.data.tags[schema.SWEEP] == name
            or run.data.tags.get(schema.PAGE_DIGEST) == page.digest
        ]
        turns = {run.info.run_id: _turn(run) for run in alike}
        others = [run for run in alike if run.info.run_id != run_id]
        alive = living(client, others)
        silent = [run for run in others if run.info.run_id not in alive]
        dead = [run for run in silent if _unfinished(client.get_run(run.info.run_id))]
        for run in dead:
            _remove(client, run)
        finished = len(silent) > len(dead)  # in the meantime: it is found in the next round
        if not finished and all(turns[run_id] < turns[other] for other in alive):
            return None


def _turn(run: Run) -> tuple[int, str]:
    """Processes log one page in this order; first one that has just come and has no turn yet."""
    turn = run.data.tags.get(schema.TURN, "")
    return int(turn) if turn.isdecimal() else 0, run.info.run_id


def _log_content(
    client: MlflowClient, where: str, name: str, page: PublishedPage, run_id: str
) -> None:
    definition = {"published": page.path.name, "space": page.space, "best": page.best}
    client.log_text(run_id, dump(definition), schema.SWEEP_FILE)
    client.log_artifact(run_id, page.path)
    tags = _tags(name, page) | {
        MLFLOW_PARENT_RUN_ID: run_id,
        schema.DATASET_TITLE: page.dataset,
        schema.DATASET_CARD: page.card or "",
        schema.MODEL_LINK: page.model_link or "",
    }
    started = get_current_time_millis()
    for number, trial in enumerate(page.trials):
        _log_trial(client, where, page, trial, number, started + number, tags)
    if page.bar:
        client.log_metric(run_id, schema.SWEEP_SECONDS, page.bar.seconds)


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
    """Whether a process logs the page, or died while it did."""
    return schema.PUBLISHED in schema.tags_of(run) and run.info.status != "FINISHED"


def _remove(client: MlflowClient, page: Run) -> None:
    for trial in children(client, page):
        client.delete_run(trial.info.run_id)
    client.delete_run(page.info.run_id)
