"""Put the best trial of an experiment into use: a model in MLflow's registry, as champion.

python -m benchmark.promote --experiment amazon-books
python -m benchmark.promote --experiment ml-1m --sweep hyper --force
mlflow models serve -m models:/amazon-books@champion --env-manager local
"""

import shlex

import click

import datasets
from benchmark import cli, report
from benchmark.metrics import SELECTION_METRIC
from benchmark.reporting.comparison import compare
from benchmark.reporting.formats import markdown
from benchmark.reporting.ranking import Ranking, Row
from benchmark.tracking import schema, server
from benchmark.tracking.reading import trials as stored_trials
from benchmark.tracking.reading.trials import Record
from benchmark.tracking.registry import registry
from benchmark.tracking.server import TrackingError


@click.command(context_settings=cli.CONTEXT)
@click.option("--experiment", required=True, help="The MLflow experiment: a data set's name.")
@click.option("--sweep", help="Only the trials of the sweep of that name.")
@click.option("--force", is_flag=True, help="Whatever the present champion is.")
@click.option("--data-dir", help="Folder of the raw data; before $SEQREC_DATA_DIR and ./data.")
def promote(experiment: str, sweep: str | None, force: bool, data_dir: str | None) -> None:
    """Register the model of the trial that is best on validation, as champion.

    One that is not significantly better on validation than the present champion, user by user, is
    refused.
    """
    promote_best(server.connect(), experiment, sweep, force, data_dir)


def promote_best(
    client, experiment: str, sweep: str | None, force: bool, data_dir: str | None
) -> None:
    """Raises TrackingError if the best trial cannot, or should not, be promoted."""
    ranking = report.ranked(client, (experiment,), sweep, False, SELECTION_METRIC)
    trial = max(ranking.best.records, key=lambda record: record.valid[SELECTION_METRIC])
    if trial.published:
        raise TrackingError(
            f"the best trial of {experiment} was published elsewhere "
            f"({trial.tags[schema.PUBLISHED]}): there are no weights to promote"
        )
    if not force:
        _check_better(client, experiment, trial)
    item_ids = _item_ids(trial, experiment, data_dir)
    title, card = report.dataset(ranking, experiment)
    content = report.content(client, ranking, title, card, report.CUT_OFFS, "t", drawn=False)
    text = markdown.render(content, "report")["report.md"]
    version = registry.register(client, experiment, trial, item_ids, text)
    synthetic = ", SYNTHETIC data" if trial.tags.get(schema.SYNTHETIC) == "true" else ""
    click.echo(
        f"{experiment}: champion is version {version}, {trial.name} (run {trial.run_id}): "
        f"valid {_score(trial)}{synthetic}"
    )
    uri = shlex.quote(f"models:/{experiment}@champion")
    click.echo(f"to serve: mlflow models serve -m {uri} --env-manager local")


def _check_better(client, experiment: str, trial: Record) -> None:
    """Raises TrackingError unless there is no champion, or the trial is significantly better."""
    present = registry.champion(client, experiment)
    if present is None:
        return
    its = f"{experiment} version {present.version} (run {present.run_id})"
    if present.run_id == trial.run_id:
        raise TrackingError(f"already champion: {its}; --force registers it anew")
    for name in (schema.DATA_DIGEST, schema.PROTOCOL):
        ours, theirs = trial.tags.get(name), present.tags.get(name)
        if ours != theirs:
            raise TrackingError(
                f"run {trial.run_id} cannot be compared with the champion, {its}: other {name}: "
                f"{ours} instead of {theirs}; --force promotes it all the same"
            )
    rows = [Row([trial]), Row([present.trial])] if present.trial else []
    tables = stored_trials.ranks(client, [row.records[0] for row in rows], "valid")
    if len(tables) < 2:
        raise TrackingError(
            f"run {trial.run_id} cannot be compared with the champion, {its}: one of them has no "
            "ranks of validation targets; --force promotes it all the same"
        )
    comparison = compare(Ranking(SELECTION_METRIC, rows, []), tables, SELECTION_METRIC, "t")
    if comparison.beaten_by(1) != [2]:
        raise TrackingError(
            f"run {trial.run_id} is not significantly better than the champion, {its}: valid "
            f"{_score(trial)} against {_score(present.trial)}, p = {comparison.pairs[0].p:.2g}; "
            "--force promotes it all the same"
        )


def _item_ids(trial: Record, experiment: str, data_dir: str | None) -> list[str]:
    """Raw ids by code, from the data set that the trial was trained on."""
    name, config = trial.params.get("dataset", experiment), trial.params.get("recbole_config", "")
    _, sequences = datasets.load(name, data_dir, config)
    trained_on = trial.tags.get(schema.DATA_DIGEST)
    if sequences.digest != trained_on:
        raise TrackingError(
            f"run {trial.run_id} was trained on data with digest {trained_on}, these have "
            f"{sequences.digest}: their items are not the model's"
        )
    return sequences.item_ids.tolist()


def _score(trial: Record) -> str:
    return f"{SELECTION_METRIC} {trial.valid[SELECTION_METRIC]:.4f}"


if __name__ == "__main__":
    cli.run(promote)
