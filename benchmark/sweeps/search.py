"""A sweep from its definition to its best point."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import models
from benchmark.errors import UserError
from benchmark.sweeps import space, stored
from benchmark.sweeps.executors import EXECUTORS
from benchmark.sweeps.plan import Best, Effort, Plan
from benchmark.sweeps.tasks import Job, Resources
from benchmark.sweeps.work import work
from benchmark.tracking import server
from benchmark.tracking.writing.sweep import open_sweep, stored_trials
from benchmark.training.batches import check_learnable

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from benchmark.data import Data
    from benchmark.sweeps.definition import Definition


@dataclass(frozen=True)
class Searched:
    """A sweep whose trials have all ended."""

    run_id: str
    experiment: str
    name: str
    best: Best
    in_ui: str
    """What opens its run in MLflow's UI."""


def search(
    client: MlflowClient,
    data: Data,
    definition: Definition,
    name: str,
    effort: Effort,
    executor: str,
    resources: Resources,
) -> Searched:
    """Run all trials of the sweep that are not finished, and print the result of each.

    ``executor`` is a key of EXECUTORS. Raises UserError if there is nothing to learn, if trials
    cannot run there, if a sweep of that name has another definition, and if no trial has finished.
    """
    settings = definition.base
    split = data.evaluated(settings)
    protocol = data.protocol(settings)
    if "model" not in definition.space and models.learns(settings.model):
        check_learnable(split)
    print("\n".join(space.echo(definition.space)), flush=True)
    job = Job(client.tracking_uri, data, protocol)
    with closing(EXECUTORS[executor](job, resources)) as workers:
        content = definition.as_dict(data.sequences)
        before = stored_trials(client, name, content, data.spec, protocol)
        stored.check(name, before, definition, data)
        run, again = open_sweep(client, name, content, data.spec, protocol)
        where = f"sweep {run.run_id} in experiment {run.experiment}"
        print(f"{where}{', again' if again else ''}", flush=True)
        with run.alive():
            plan = Plan(run, definition, data, effort)
            work(plan, workers)
            if shortfall := plan.shortfall():
                print(shortfall, flush=True)
            best = plan.best()
            if best is None:
                raise UserError(f"no trial has finished: {'; '.join(plan.failures())}")
    in_ui = server.in_ui(client, run.experiment_id, run.run_id)
    return Searched(run.run_id, run.experiment, run.name, best, in_ui)
