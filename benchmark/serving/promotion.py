"""Make the best trial of an experiment its champion, if it is significantly better."""

import shlex
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient

from benchmark.measures.metrics import CUT_OFFS, SELECTION_METRIC
from benchmark.reporting.comparison import compare
from benchmark.reporting.content import assemble, compare_leading, dataset_of
from benchmark.reporting.formats import FORMATS
from benchmark.reporting.gather import gather
from benchmark.reporting.problems import ROUNDING
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row
from benchmark.tracking import schema
from benchmark.tracking.reading.basis import Basis
from benchmark.tracking.reading.ranks import ranks
from benchmark.tracking.reading.record import Record
from benchmark.tracking.reading.run_ids import whole_run_id
from benchmark.tracking.registry.registry import RegisteredChampion, find_champion, register
from benchmark.tracking.server import TrackingError
from datasets import DataError
from datasets.prepare import load
from datasets.sequences import Sequences
from datasets.specs.spec import Spec
from datasets.titles import read as read_titles


def promote_best(
    client: MlflowClient,
    experiment: str,
    *,
    name: str | None = None,
    sweep: str | None = None,
    model: str | None = None,
    run: str | None = None,
    force: bool = False,
    data_dir: str | None = None,
) -> tuple[Record, str]:
    """Register the trial that is best on validation as champion of the model ``name``, which
    defaults to the experiment's; the trial, and the new version.

    ``sweep``, ``model`` (a setting) and ``run`` (an id, or how one begins) restrict the trials;
    ``force`` promotes whatever the present champion is. Raises TrackingError if the best trial
    cannot, or should not, be promoted.
    """
    name = name or experiment
    if "/" in name or ":" in name:
        command = f"python -m benchmark.promote --experiment {shlex.quote(experiment)}"
        raise TrackingError(
            f"MLflow allows no / and no : in the name of a registered model, such as {name!r}: "
            f"{command} --name NAME gives it another"
        )
    ranking = gather(
        client, (experiment,), metric=SELECTION_METRIC, sweeps=(sweep,) if sweep else ()
    )
    run = whole_run_id(client, run) if run else None
    candidates = _candidates(ranking, experiment, model, run)
    trial = candidates[0]
    if trial.published:
        raise TrackingError(
            f"the best trial of {experiment} was published elsewhere "
            f"({trial.tags[schema.PUBLISHED]}): there are no weights to promote"
        )
    if trial.scored:
        raise TrackingError(
            f"run {trial.run_id} was scored from a file ({trial.tags[schema.SCORED]}): another "
            "library trained it, and there are no weights to promote"
        )
    present = None if force else find_champion(client, name)
    if present:
        _check_better(client, name, trial, present)
    data = DataHere(experiment, data_dir)
    try:
        item_ids = data.item_ids(trial)
        titles = data.titles(trial)
    except (TrackingError, DataError) as error:
        raise TrackingError(
            f"run {trial.run_id} cannot be promoted: the model needs the item ids of its data, and "
            "their titles if its YAML file names any: "
            f"{error}; {_instead(client, candidates[1:], data)}"
        ) from None
    dataset = dataset_of(ranking, experiment)
    compared = compare_leading(client, ranking)
    content = assemble(client, (experiment,), compared, dataset, k=CUT_OFFS)
    text = str(FORMATS["markdown"].render(content, "report")["report.md"])
    return trial, register(client, name, trial, item_ids, text, titles)


def _candidates(
    ranking: Ranking, experiment: str, model: str | None, run: str | None
) -> list[Record]:
    """The trials to choose from, best first. Raises TrackingError if there is none."""
    if run is not None:
        found = [record for record in _everything(ranking) if record.run_id == run]
        if not found or not found[0].complete:
            raise TrackingError(
                f"experiment {experiment!r} has no finished trial with run id {run}"
            )
        return found
    own = ranking.own.rows
    rows = [row for row in own if row.model.lower() == (model or row.model).lower()]
    if not rows:
        known = ", ".join(dict.fromkeys(row.model for row in own))
        raise TrackingError(f"no ranked trial of {experiment!r} has model {model}; {known} have")
    return [trial for row in rows for trial in sorted(row.records, key=score, reverse=True)]


def _everything(ranking: Ranking) -> list[Record]:
    return ranking.records + [record for record, _ in ranking.not_ranked]


def _instead(client: MlflowClient, others: list[Record], data: "DataHere") -> str:
    """Which trial can be promoted here, for a message."""
    for trial in others:
        with suppress(TrackingError, DataError):
            data.item_ids(trial)
            if client.list_artifacts(trial.run_id, str(Path(schema.BEST).parent)):
                return (
                    f"the best that can be promoted here is {trial.name} (valid {SELECTION_METRIC} "
                    f"{score(trial):.4f}): --run {trial.run_id}"
                )
    return "promote it where its data are, or give them with --data-dir"


def describe(name: str, trial: Record, version: str) -> str:
    """What was promoted, and the command that serves it; ``name`` is the registered model's."""
    synthetic = ", SYNTHETIC data" if trial.tags.get(schema.SYNTHETIC) == "true" else ""
    uri = shlex.quote(f"models:/{name}@champion")
    history = trial.params.get("history", "ranked")
    seen = (
        f"answers leave out the items of the user's history, as the evaluation did (history "
        f"{history}), unless a request has exclude_seen false\n"
    )
    return (
        f"{name}: champion is version {version}, {trial.name} (run {trial.run_id}): "
        f"valid {SELECTION_METRIC} {score(trial):.4f}{synthetic}\n"
        f"{'' if history == 'ranked' else seen}"
        f"to serve: mlflow models serve -m {uri} --env-manager local --port 5077"
    )


def score(trial: Record) -> float:
    """The validation metric that trials are selected by; -1 without one, as of a scored file."""
    return (trial.valid or {}).get(SELECTION_METRIC, -1.0)


def _check_better(
    client: MlflowClient, name: str, trial: Record, present: RegisteredChampion
) -> None:
    """Raises TrackingError unless the trial is significantly better than the champion."""
    champion = f"{name} version {present.version} (run {present.run_id})"
    if present.run_id == trial.run_id:
        raise TrackingError(f"already champion: {champion}; --force registers it again")
    for tag, ours, theirs in trial.basis.differences(Basis.of(present.tags)):
        raise TrackingError(
            f"run {trial.run_id} cannot be compared with the champion, {champion}: other {tag}: "
            f"{ours or 'none'} instead of {theirs or 'none'}; --force promotes it all the same"
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


class DataHere:
    """The data sets that trials of an experiment were trained on, where they are at hand."""

    def __init__(self, experiment: str, data_dir: str | None):
        self.experiment = experiment
        self.data_dir = data_dir
        self.loaded: dict[tuple[str, str], tuple[Spec, Sequences] | DataError] = {}

    def item_ids(self, trial: Record) -> list[str]:
        """The raw item ids in the order of their codes, from the data that the trial was trained
        on.

        Raises DataError if the data set is not at hand, TrackingError if it has another digest now.
        """
        _, sequences = self._load(trial)
        trained_on = trial.tags.get(schema.DATA_DIGEST)
        if sequences.digest != trained_on:
            raise TrackingError(
                f"run {trial.run_id} was trained on data with digest {trained_on}, these have "
                f"{sequences.digest}: their items are not the model's"
            )
        ids: list[str] = sequences.item_ids.tolist()
        return ids

    def titles(self, trial: Record) -> dict[str, str] | None:
        """The titles of the items of the trial's data, by raw id; None if its YAML file names none.

        Raises DataError if their file is not found or cannot be read.
        """
        described, sequences = self._load(trial)
        found = read_titles(described, self.data_dir)
        if found is None:
            return None
        return {item: found[item] for item in sequences.item_ids.tolist() if item in found}

    def _load(self, trial: Record) -> tuple[Spec, Sequences]:
        """Each data set once, also one that is not there: a download that fails takes long."""
        name = str(trial.params.get("dataset", self.experiment))
        recbole_config = str(trial.params.get("recbole_config", ""))
        if (name, recbole_config) not in self.loaded:
            try:
                self.loaded[name, recbole_config] = load(name, self.data_dir, recbole_config)
            except DataError as error:
                self.loaded[name, recbole_config] = error
        found = self.loaded[name, recbole_config]
        if isinstance(found, DataError):
            raise found
        return found
