"""A comparison of models: the sweeps of its contenders in one experiment, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlflow import MlflowClient
from tabulate import tabulate

from benchmark.durations import spoken
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.contenders import Contender
from benchmark.sweeps.forecast import Forecast
from benchmark.sweeps.plan import Effort, Plan
from benchmark.sweeps.summary import sum_up, summary
from benchmark.sweeps.tasks import Executor, Job
from benchmark.tracking import server
from benchmark.tracking.writing.comparison import log_comparison
from benchmark.tracking.writing.report import report_run
from benchmark.tracking.writing.summary import Summary
from benchmark.tracking.writing.sweep import open_sweep


@dataclass
class Comparison:
    """What is compared, and how far it is."""

    client: MlflowClient
    name: str
    """The sweeps are called NAME-CONTENDER."""
    job: Job
    baselines: Contender
    learned: list[Contender]
    budget: Budget
    seeds: int
    """Of the best point of each learned model."""
    forecast: Forecast
    experiment: str = ""
    """Its name, once a sweep has been opened."""
    without_result: list[str] = field(default_factory=list)
    """One line for each contender without a finished trial."""

    summaries: dict[str, Summary] = field(default_factory=dict)
    """By the name of the contender ..."""
    runs: dict[str, str] = field(default_factory=dict)
    """... and the id of its sweep's run."""

    @property
    def sweep_names(self) -> tuple[str, ...]:
        return tuple(self._sweep_name(contender) for contender in [self.baselines, *self.learned])

    def announce(self) -> None:
        """Print how long the learned models take, as far as a few steps can tell."""
        effort = self.budget.effort(self.seeds, len(self.learned), 0.0)
        rows = self.forecast.table(self.learned, effort)
        print("expected of the learned models, one trial at a time on this machine:")
        print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
        for warning in self.forecast.warnings(self.learned, effort):
            print(f"warning: {warning}")
        print(f"all: {self.forecast.left(self.learned, effort)}", flush=True)

    def work(self, workers: Executor) -> None:
        """Run all trials that are not finished. Each sweep ends with its result, the time used in
        all processes that worked on the comparison, and the time that is left."""
        used = self._sweep(self.baselines, Effort(1), workers)
        effort = self.budget.effort(self.seeds, len(self.learned), used)
        for number, contender in enumerate(self.learned, start=1):
            seconds = self._sweep(contender, effort, workers)
            used += seconds
            self.forecast.done(contender, effort, seconds)
            left = ""
            if to_come := self.learned[number:]:
                left = f", about {self.forecast.left(to_come, effort)} left"
            print(f"{spoken(used)} used{left}", flush=True)

    def log(self) -> None:
        """Log what was found in a run of its own, after the report, and print what opens it."""
        where = server.experiment_id(self.client, self.experiment)
        found = sum_up(self.summaries, self.runs, where, report_run(self.client, where))
        run_id = log_comparison(self.client, where, self.name, found, self.job.inputs)
        opens = server.in_ui(self.client, where, run_id)
        print(f"to open comparison {run_id}: {opens}", flush=True)

    def _sweep(self, contender: Contender, effort: Effort, workers: Executor) -> float:
        """Run the sweep; the seconds that it took, in all processes that worked on it."""
        definition = contender.definition
        run, again = open_sweep(
            self.client,
            self._sweep_name(contender),
            definition.as_dict(self.job.sequences),
            self.job.spec,
            self.job.protocol,
            take=not contender.learned,
        )
        self.experiment = run.experiment
        where = f"sweep {run.run_id} in experiment {run.experiment}{', again' if again else ''}"
        print(f"{contender.name}: {where}", flush=True)
        with run.alive():
            plan = Plan(run, definition, self.job, effort)
            plan.work(workers)
            seconds = run.seconds
        self.summaries[contender.name] = summary(plan, None)
        self.runs[contender.name] = run.run_id
        result = _result(plan)
        print(f"{contender.name}: {result}", flush=True)
        if plan.best() is None:
            self.without_result.append(f"{contender.name}: {result}")
        return seconds

    def _sweep_name(self, contender: Contender) -> str:
        return f"{self.name}-{contender.name}"


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
