"""Make the best trial of an experiment its champion, if it is significantly better."""

import shlex

from mlflow import MlflowClient

from benchmark.metrics import SELECTION_METRIC
from benchmark.reporting.comparison import compare
from benchmark.reporting.content import assemble, dataset_of
from benchmark.reporting.formats import FORMATS
from benchmark.reporting.gather import gather
from benchmark.reporting.problems import ROUNDING
from benchmark.reporting.ranking import Ranking, Row
from benchmark.tracking import schema
from benchmark.tracking.reading.ranks import ranks
from benchmark.tracking.reading.trials import Record
from benchmark.tracking.registry.registry import Champion, find_champion, register
from benchmark.tracking.server import TrackingError
from datasets.prepare import load

CUT_OFFS = [1, 5, 10, 20, 50]  # of the report that the model keeps


def promote_best(
    client: MlflowClient,
    experiment: str,
    *,
    sweep: str | None = None,
    force: bool = False,
    data_dir: str | None = None,
) -> tuple[Record, str]:
    """Register the trial that is best on validation as champion; the trial, and the new version.

    ``sweep`` restricts the trials to one sweep; ``force`` promotes whatever the present champion
    is. Raises TrackingError if the best trial cannot, or should not, be promoted.
    """
    ranking = gather(client, (experiment,), metric=SELECTION_METRIC, sweep=sweep)
    trial = max(ranking.best.records, key=score)
    if trial.published:
        raise TrackingError(
            f"the best trial of {experiment} was published elsewhere "
            f"({trial.tags[schema.PUBLISHED]}): there are no weights to promote"
        )
    present = None if force else find_champion(client, experiment)
    if present:
        _check_better(client, experiment, trial, present)
    item_ids = _item_ids(trial, experiment, data_dir)
    content = assemble(client, ranking, dataset_of(ranking, experiment), k=CUT_OFFS)
    text = str(FORMATS["markdown"].render(content, "report")["report.md"])
    return trial, register(client, experiment, trial, item_ids, text)


def describe(experiment: str, trial: Record, version: str) -> str:
    """What was promoted, and the command that serves it."""
    synthetic = ", SYNTHETIC data" if trial.tags.get(schema.SYNTHETIC) == "true" else ""
    uri = shlex.quote(f"models:/{experiment}@champion")
    return (
        f"{experiment}: champion is version {version}, {trial.name} (run {trial.run_id}): "
        f"valid {SELECTION_METRIC} {score(trial):.4f}{synthetic}\n"
        f"to serve: mlflow models serve -m {uri} --env-manager local"
    )


def score(trial: Record) -> float:
    """The validation metric that trials are selected by."""
    return (trial.valid or {})[SELECTION_METRIC]


def _check_better(client: MlflowClient, experiment: str, trial: Record, present: Champion) -> None:
    """Raises TrackingError unless the trial is significantly better than the champion."""
    champion = f"{experiment} version {present.version} (run {present.run_id})"
    if present.run_id == trial.run_id:
        raise TrackingError(f"already champion: {champion}; --force registers it again")
    for name in (schema.DATA_DIGEST, schema.PROTOCOL):
        ours = trial.tags.get(name)
        theirs = present.tags.get(name)
        if ours != theirs:
            raise TrackingError(
                f"run {trial.run_id} cannot be compared with the champion, {champion}: other "
                f"{name}: {ours} instead of {theirs}; --force promotes it all the same"
            )
    rows = [Row([trial]), Row([present.trial])] if present.trial and present.trial.valid else []
    tables = ranks(client, [row.records[0] for row in rows], "valid").tables
    comparison = None
    if len(tables) == 2:
        comparison = compare(Ranking(SELECTION_METRIC, rows, []), tables, SELECTION_METRIC, "t")
    if comparison is None or comparison.apart or present.trial is None:
        raise TrackingError(
            f"run {trial.run_id} cannot be compared with the champion, {champion}: one of them has "
            "no ranks of the same validation targets; --force promotes it all the same"
        )
    given = float(comparison.values(SELECTION_METRIC)[0].mean())
    if abs(given - score(trial)) > ROUNDING:
        raise TrackingError(
            f"run {trial.run_id} logged valid {SELECTION_METRIC} {score(trial):.4f}, but its ranks "
            f"give {given:.4f}; --force promotes it all the same"
        )
    if comparison.beaten_by(1) != [2]:
        raise TrackingError(
            f"run {trial.run_id} is not significantly better than the champion, {champion}: valid "
            f"{SELECTION_METRIC} {score(trial):.4f} against {score(present.trial):.4f}, "
            f"p = {comparison.pairs[0].p:.2g}; --force promotes it all the same"
        )


def _item_ids(trial: Record, experiment: str, data_dir: str | None) -> list[str]:
    """The raw item ids in the order of their codes, from the data that the trial was trained on.

    Raises TrackingError if the data set has another digest now.
    """
    name = str(trial.params.get("dataset", experiment))
    config = str(trial.params.get("recbole_config", ""))
    _, sequences = load(name, data_dir, config)
    trained_on = trial.tags.get(schema.DATA_DIGEST)
    if sequences.digest != trained_on:
        raise TrackingError(
            f"run {trial.run_id} was trained on data with digest {trained_on}, these have "
            f"{sequences.digest}: their items are not the model's"
        )
    ids: list[str] = sequences.item_ids.tolist()
    return ids
