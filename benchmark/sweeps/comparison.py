"""A comparison of models: the sweeps of its contenders in one experiment, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mlflow import MlflowClient
from tabulate import tabulate

from benchmark.durations import spoken
from benchmark.errors import MachineError, UserError
from benchmark.sweeps import stored
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.forecast import Forecast
from benchmark.sweeps.plan import Effort, Plan
from benchmark.sweeps.summary import sum_up, summary
from benchmark.sweeps.tasks import Executor, Job
from benchmark.sweeps.to_come import trials_to_come
from benchmark.sweeps.work import work
from benchmark.tracking import server
from benchmark.tracking.reading.swept import SweptTrial
from benchmark.tracking.server import Unavailable
from benchmark.tracking.writing.comparison import log_comparison
from benchmark.tracking.writing.report import report_run
from benchmark.tracking.writing.summary import Summary
from benchmark.tracking.writing.sweep import open_sweep, stored_trials
from datasets import DataError
from models import short_name


@dataclass(frozen=True)
class Reached:
    """What one model has reached on the data set."""

    score: float | None = None
    """Validation metric of its best point, mean over the seeds that have a result."""
    failure: str = ""
    """Why the result, or that of a seed, is missing."""


@dataclass
class Comparison:
    """What is compared, and how far it is."""

    client: MlflowClient
    name: str
    """The sweeps are called NAME-CONTENDER."""
    job: Job
    baselines: Contender | None
    learned: list[Contender]
    budget: Budget
    seeds: int
    """Of the best point of each learned model."""
    left_out: dict[str, str] = field(default_factory=dict)
    """The counted models that do not fit these data, with the reason."""
    forecast: Forecast = field(default_factory=lambda: Forecast({}))
    take: bool = True
    """Whether the first sweep may take the run of `mlflow run`: see ``launcher.new_run``."""
    experiment: str = ""
    """Its name, once a sweep has been opened."""
    without_result: list[str] = field(default_factory=list)
    """One line for each contender without a finished trial."""
    cells: dict[str, Reached] = field(default_factory=dict)
    """By model, once its sweep has ended or failed."""

    summaries: dict[str, Summary] = field(default_factory=dict)
    """Of each contender's sweep, by its name."""
    runs: dict[str, str] = field(default_factory=dict)
    """The run ids of these sweeps, by the contender's name."""

    @property
    def contenders(self) -> list[Contender]:
        return [self.baselines, *self.learned] if self.baselines else self.learned

    @property
    def sweep_names(self) -> tuple[str, ...]:
        return tuple(map(self.sweep_name, self.contenders))

    def sweep_name(self, contender: Contender) -> str:
        return f"{self.name}-{contender.name}"

    def stored(self, contender: Contender) -> list[SweptTrial]:
        """The trials of a contender's sweep, if it has been started. Raises TrackingError if the
        sweep of its name is another one, or has trials that would be others now."""
        data, definition = self.job.data, contender.definition
        name, content = self.sweep_name(contender), definition.as_dict(data.sequences)
        found = stored_trials(self.client, name, content, data.spec, self.job.protocol)
        stored.check(name, found, definition, data)
        return found

    def waiting(self) -> list[Contender]:
        """The learned models that have trials to come. Raises TrackingError as ``stored`` does, for
        any sweep."""
        found = [(contender, self.stored(contender)) for contender in self.contenders]
        return [
            contender
            for contender, trials in found
            if contender.learned and trials_to_come(contender, trials, self.effort)
        ]

    @property
    def effort(self) -> Effort:
        """What each learned model gets, if the counted ones take no time."""
        return self.budget.effort(self.seeds, len(self.learned), 0.0)

    def announce(self, waiting: list[Contender]) -> None:
        """Print how long the learned models that wait take, as far as a few steps can tell."""
        if not waiting:
            return
        rows = self.forecast.table(waiting, self.effort)
        print("expected of the learned models, one trial at a time on this machine:")
        print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
        for warning in self.forecast.warnings(waiting, self.effort):
            print(f"warning: {warning}")
        print(f"all: {self.forecast.left(waiting, self.effort)}", flush=True)

    def work(self, workers: Executor, *, go_on: bool = False) -> None:
        """Run all trials that are not finished. Each sweep ends with its result, the time used in
        all processes that worked on the comparison, and the time that is left.

        With ``go_on``, an error of one sweep is printed and kept in ``cells``, and the next sweep
        starts; one that the next sweep would meet, too, is raised.
        """
        used = self._sweep(self.baselines, Effort(1), workers, go_on) if self.baselines else 0.0
        effort = self.budget.effort(self.seeds, len(self.learned), used)
        for number, contender in enumerate(self.learned, start=1):
            seconds = self._sweep(contender, effort, workers, go_on)
            used += seconds
            self.forecast.done(contender, effort, seconds)
            left = ""
            if to_come := self.learned[number:]:
                left = f", about {self.forecast.left(to_come, effort)} left"
            print(f"{spoken(used)} used{left}", flush=True)

    def log(self) -> str:
        """Log what was found in a run of its own, after the report, and print what opens it; the id
        of the run."""
        where = server.experiment_id(self.client, self.experiment)
        found = sum_up(self.summaries, self.runs, where, report_run(self.client, where))
        run_id = log_comparison(self.client, where, self.name, found, self.job.data)
        opens = server.in_ui(self.client, where, run_id)
        print(f"to open comparison {run_id}: {opens}", flush=True)
        return run_id

    def _sweep(self, contender: Contender, effort: Effort, workers: Executor, go_on: bool) -> float:
        """Run the sweep; the seconds that it took, in all processes that worked on it."""
        try:
            return self._ran(contender, effort, workers)
        except (MachineError, Unavailable):
            raise
        except (UserError, DataError) as error:
            if not go_on:
                raise
            print(f"{contender.name}: failed: {error}", flush=True)
            self.cells |= dict.fromkeys(contender.models, Reached(failure=str(error)))
            return 0.0

    def _ran(self, contender: Contender, effort: Effort, workers: Executor) -> float:
        definition = contender.definition
        self.stored(contender)
        run, again = open_sweep(
            self.client,
            self.sweep_name(contender),
            definition.as_dict(self.job.data.sequences),
            self.job.data.spec,
            self.job.protocol,
            take=self.take and not contender.learned,
        )
        self.experiment = run.experiment
        where = f"sweep {run.run_id} in experiment {run.experiment}{', again' if again else ''}"
        print(f"{contender.name}: {where}", flush=True)
        with run.alive():
            plan = Plan(run, definition, self.job.data, effort)
            work(plan, workers)
            seconds = run.seconds
        self.summaries[contender.name] = summary(plan, None)
        self.runs[contender.name] = run.run_id
        self.cells |= dict(_cells(contender, plan))
        result = _result(plan)
        print(f"{contender.name}: {result}", flush=True)
        if plan.best() is None:
            self.without_result.append(f"{contender.name}: {result}")
        return seconds


def _cells(contender: Contender, plan: Plan) -> Iterator[tuple[str, Reached]]:
    """Each model of the sweep, with the result of its best point."""
    if not contender.learned:
        for number, values in plan.values.items():
            yield short_name(str(values["model"])), _cell(plan, number)
    elif best := plan.best():
        yield contender.name, _cell(plan, best.number)
    else:
        yield contender.name, Reached(failure="; ".join(plan.failures()))


def _cell(plan: Plan, number: int) -> Reached:
    scores = [t.score for t in plan.with_result(number) if t.score is not None]
    failures = [
        f"seed {trial.seed}: {trial.why_it_failed}"
        for (n, _), trial in sorted(plan.trials.items())
        if n == number and trial.record.status == "FAILED"
    ]
    return Reached(sum(scores) / len(scores) if scores else None, "; ".join(failures))


def _result(plan: Plan) -> str:
    """The best point and, with several seeds, the mean over them."""
    best = plan.best()
    if best is None:
        return f"no trial has finished: {'; '.join(plan.failures())}"
    n = len(plan.values)
    found = f"best of {n} point{'s' * (n > 1)}: {best}"
    trials = plan.with_result(best.number)
    if len(trials) > 1:
        scores = [trial.score for trial in trials if trial.score is not None]
        seeds = ", ".join(str(trial.seed) for trial in trials)
        found += f"; mean of seeds {seeds}: {sum(scores) / len(scores):.4f}"
    return found
