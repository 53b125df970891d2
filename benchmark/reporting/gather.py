"""The trials to report, read from the tracking server and ranked."""

from dataclasses import replace
from itertools import chain

from mlflow import MlflowClient

from benchmark.reporting.ranking import Ranking, ReportError, order
from benchmark.tracking import schema
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.sweeps import SweepUnreadable, sweep_record
from benchmark.tracking.reading.trials import records


def gather(
    client: MlflowClient,
    experiments: tuple[str, ...],
    *,
    metric: str,
    sweeps: tuple[str, ...] = (),
    runs: tuple[str, ...] = (),
    with_published: bool = False,
) -> Ranking:
    """Rank the trials of the experiments by ``metric`` on validation.

    ``sweeps`` restricts them to the sweeps of these names. ``runs`` restricts them to the runs of
    these ids, and makes each run a row. Published trials are ranked with ``with_published``, or if
    there are no others. Raises ReportError if no trial has finished, if
    an experiment has no trial that can be compared with the others', or if there is no such sweep;
    TrackingError if there is no such experiment.
    """
    if runs:
        return _of_runs(client, experiments, runs, metric)
    by_experiment = {name: records(client, name) for name in experiments}
    found = sorted(chain(*by_experiment.values()), key=lambda record: record.started)
    chosen = _chosen(found, sweeps, with_published)
    ranking = order(chosen, metric)
    if not sweeps:
        _check_comparable(ranking, by_experiment)
    left_out = 0 if sweeps else len(found) - len(chosen)
    ranking = replace(ranking, left_out=left_out)
    try:
        own = sweep_record(client, ranking.own.records, found)
    except SweepUnreadable as error:
        problem = f"The sweep's search space is not known, so the values tried are shown: {error}."
        return replace(ranking, problems=[problem])
    problems = (
        [f"The page contradicts itself: {line}." for line in own.contradictions] if own else []
    )
    return replace(ranking, sweep=own, problems=problems)


def _of_runs(
    client: MlflowClient, experiments: tuple[str, ...], runs: tuple[str, ...], metric: str
) -> Ranking:
    """Raises ReportError unless all of these runs can be compared."""
    found = {r.run_id: r for name in experiments for r in records(client, name, runs)}
    if missing := [run for run in runs if run not in found]:
        raise ReportError(f"run {missing[0]} is no trial: it is of a sweep, a report or a launcher")
    ranking = order([found[run] for run in runs], metric, pooled=False)
    for record, why in ranking.not_ranked:
        raise ReportError(f"the runs cannot be compared: {record.name} ({record.run_id}): {why}")
    return ranking


def _check_comparable(ranking: Ranking, by_experiment: dict[str, list[Record]]) -> None:
    """Raises ReportError unless each experiment has a ranked trial, or no finished one."""
    reasons = {record.run_id: why for record, why in ranking.not_ranked if record.complete}
    for name, found in by_experiment.items():
        complete = [record for record in found if record.complete]
        if complete and all(record.run_id in reasons for record in complete):
            others = ", ".join(repr(other) for other in by_experiment if other != name)
            why = reasons[complete[0].run_id]
            raise ReportError(f"experiment {name!r} cannot be compared with {others}: {why}")


def _chosen(found: list[Record], sweeps: tuple[str, ...], with_published: bool) -> list[Record]:
    chosen = [record for record in found if not record.published] or found
    if sweeps:
        chosen = [record for name in sweeps for record in of_sweep(found, name)]
    ids = {record.run_id for record in chosen}
    return [r for r in found if r.run_id in ids or (with_published and r.published)]


def of_sweep(found: list[Record], name: str) -> list[Record]:
    chosen = [record for record in found if record.tags.get(schema.SWEEP) == name]
    if not chosen:
        known = dict.fromkeys(r.tags[schema.SWEEP] for r in found if schema.SWEEP in r.tags)
        raise ReportError(
            f"no trial belongs to a sweep {name!r}; there are: {', '.join(known) or 'none'}"
        )
    return chosen
