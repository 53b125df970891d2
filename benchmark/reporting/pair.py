"""Two chosen models compared user by user, as the report compares the rows of its table."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient

from benchmark.measures.metrics import NAMES
from benchmark.reporting import statistics
from benchmark.reporting.comparison import compare
from benchmark.reporting.difference import LEVEL, Difference
from benchmark.reporting.ranking import Ranking, ReportError
from benchmark.reporting.row import Row
from benchmark.tracking.reading.ranks import ranks
from benchmark.tracking.reading.record import Record, record
from benchmark.tracking.reading.run_ids import read_run


@dataclass(frozen=True)
class Pair:
    """The metric of two models on the same users, and its paired difference."""

    metric: str
    first: float
    """Mean over users; with several seeds, over their means."""
    second: float
    difference: float
    """First minus second."""
    low: float
    """The 95% interval of the difference begins here: over users and seeds, or over users where a
    model that learns has one seed."""
    high: float
    p: float
    """p-value of the paired test."""
    win: float
    """The share of users for whom the first model is better."""
    tie: float
    loss: float
    users: int

    @property
    def significant(self) -> bool:
        """Whether p is below .05."""
        return self.p < LEVEL

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.first:.4f} and {self.second:.4f}: difference "
            f"{self.difference:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}), "
            f"p = {self.p:.2g}; of {self.users:,} users {self.win:.1%} better, "
            f"{self.tie:.1%} equal, {self.loss:.1%} worse"
        )


def pair(
    client: MlflowClient,
    first: Sequence[str],
    second: Sequence[str],
    metric: str,
    part: str,
    test: str,
) -> Pair:
    """Compare two models by the ranks that their runs logged.

    ``first`` and ``second`` are run ids, or how they begin: the seeds of each model. ``part`` is
    test or valid; ``test`` is a key of ``statistics.TESTS``. Raises ReportError if a run has no
    result or no ranks, if the runs are of other data or of another protocol, and for an unknown
    metric, part or test; TrackingError if there is no such run.
    """
    if metric not in NAMES:
        raise ReportError(f"no metric is called {metric!r}; there are: {', '.join(NAMES)}")
    if part not in ("test", "valid"):
        raise ReportError(f"part is {part!r}: it has to be test or valid")
    if test not in statistics.TESTS:
        known = ", ".join(statistics.TESTS)
        raise ReportError(f"no test is called {test!r}; there are: {known}")
    if not first or not second:
        raise ReportError("two models are compared: name at least one run of each")
    rows = [Row([_trial(client, run) for run in runs]) for runs in (first, second)]
    every = [trial for row in rows for trial in row.records]
    if both := {trial.run_id for trial in rows[0].records} & {t.run_id for t in rows[1].records}:
        raise ReportError(f"run {min(both)} cannot be compared with itself")
    for trial in every[1:]:
        for tag, ours, theirs in every[0].basis.differences(trial.basis):
            raise ReportError(
                f"runs {every[0].run_id} and {trial.run_id} cannot be compared: other {tag}: "
                f"{ours or 'none'} and {theirs or 'none'}"
            )
    found = ranks(client, every, part)
    for trial in every:
        if trial.run_id not in found.tables:
            why = found.unreadable.get(trial.run_id, "it logged none")
            raise ReportError(f"run {trial.run_id} has no {part} ranks to compare: {why}")
    compared = compare(Ranking(metric, rows, []), found.tables, metric, test)
    if compared is None or compared.apart:
        raise ReportError(f"the {part} ranks of these runs are of other users or targets")
    values = compared.values(metric)  # [2, users]
    means = values.mean(axis=1)
    of: Difference = compared.beside_the_first[0]
    return Pair(
        metric=metric,
        first=float(means[0]),
        second=float(means[1]),
        difference=of.difference,
        low=of.interval[0],
        high=of.interval[1],
        p=of.p,
        win=of.win,
        tie=of.tie,
        loss=of.loss,
        users=values.shape[1],
    )


def _trial(client: MlflowClient, run: str) -> Record:
    trial = record(read_run(client, run))
    if not trial.complete or trial.published:
        raise ReportError(f"run {trial.run_id} is no trial with a result of seqrec's")
    return trial
