"""The functions for notebooks and scripts, over the same code as the commands.

    import seqrec                                  # installed
    from benchmark import api as seqrec            # in a clone

Data sets, tracking and results are where the commands have them: ./data, the tracking server that
`mlflow.set_tracking_uri` or $MLFLOW_TRACKING_URI names, else ./mlflow.db. An error that the user
can correct is a UserError or a DataError, whose message is one line. docs/python.md has examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__, durations, keywords
from benchmark.data import Data
from benchmark.errors import UserError
from benchmark.keywords import as_user_error, note
from benchmark.outcomes import Promoted, Swept, Trained
from benchmark.serving.champion import Champion
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings, checked
from datasets import DataError

# All functions import late: torch, MLflow and pandas load for seconds, and the command `seqrec`
# imports this file first.
if TYPE_CHECKING:
    import pandas as pd

    from benchmark.attempt import OnEpoch
    from benchmark.reporting.pair import Pair
    from datasets.frames import ArrowStream

__all__ = [
    "Champion",
    "Data",
    "DataError",
    "Promoted",
    "Swept",
    "Trained",
    "UserError",
    "__version__",
    "champion",
    "compare",
    "from_frame",
    "load",
    "promote",
    "resume",
    "sweep",
    "train",
    "trials",
]


def load(name: str | Path, *, data_dir: str | Path | None = None, recbole_config: str = "") -> Data:
    """The data set of that name, or of the YAML file at that path, prepared now or before.

    ``data_dir`` is the first folder in which raw files are searched for. ``recbole_config`` is the
    path of a RecBole configuration file, whose filters and split replace the data set's own, and
    whose settings are defaults of the trials. Raises DataError if the data are not found, cannot be
    downloaded, or cannot be used.
    """
    if not isinstance(name, str | Path):
        raise UserError(
            f"a data set is given by its name or the path of its YAML file, not by a "
            f"{type(name).__name__}; seqrec.from_frame(frame, name) makes one of a frame"
        )
    return Data.load(str(name), None if data_dir is None else str(data_dir), recbole_config)


def from_frame(
    frame: ArrowStream | pd.DataFrame,
    name: str,
    *,
    columns: Mapping[str, str] | None = None,
    timestamp_unit: str | None = None,
    filters: Mapping[str, Any] | None = None,
    split: str | Mapping[str, Any] | None = None,
    ties: str | None = None,
    targets: str | None = None,
) -> Data:
    """A data set from a pandas, polars or Arrow frame with a row for each interaction.

    ``name`` is that of the data set and of its experiment. ``columns`` gives the frame's name of
    user, item and, if any, rating and timestamp, such as {"user": "customer", "item": "product"};
    None: these names themselves. The other arguments are the keys of a data set's YAML file
    (docs/datasets.md).

    The interactions are kept in ./data/frames, so that trials can be resumed and repeated. Values
    are checked, and the digest is computed, as for a file. Raises DataError as ``load`` does.
    """
    from datasets import frames

    keys = {
        "timestamp_unit": timestamp_unit,
        "filters": dict(filters) if isinstance(filters, Mapping) else filters,
        "split": dict(split) if isinstance(split, Mapping) else split,
        "ties": ties,
        "targets": targets,
    }
    return load(frames.keep(frame, name, columns, keys))


def train(
    data: Data | str | Path, *, on_epoch: OnEpoch | None = None, **settings: Value
) -> Trained:
    """Train one trial to its end, and track it, as the command train does.

    ``data`` is a data set, or what ``load`` takes. ``on_epoch`` is called with each epoch
    (number, train_loss, valid, improved, ...; train_loss is None where nothing was trained), in
    place of the line that is printed; an exception of it ends the trial as failed. ``settings`` are
    those of the command line (docs/training.md#settings), such as model="SASRec", seed=2.

    Raises UserError for a setting that there is not or that the model does not have, for a value
    outside its limits, and if the tracking server does not answer. After Ctrl-C, ``resume``
    continues the trial.
    """
    from benchmark import attempt
    from benchmark.tracking import server
    from benchmark.tracking.writing import trial as tracked

    _check_called(on_epoch)
    client = server.connect()
    data = data if isinstance(data, Data) else load(data)
    wanted = keywords.settings(data, settings)
    trainer = data.trainer(wanted)
    trial = tracked.start(client, wanted, data.spec)
    result = attempt.complete(trial, trainer, data, new=True, on_epoch=on_epoch)
    return Trained(trial.run_id, trial.experiment, trainer.settings, result)


def resume(
    run_id: str | Trained, *, data_dir: str | Path | None = None, on_epoch: OnEpoch | None = None
) -> Trained:
    """Continue an interrupted trial from its last state, to the same result.

    ``run_id`` may be the first characters of the id, or a trial. Raises UserError if there is no
    such run, if it has finished, or if data or protocol are not those it was started with.
    """
    from benchmark import attempt
    from benchmark.tracking import server
    from benchmark.tracking.reading.run_ids import whole_run_id
    from benchmark.tracking.writing import trial as tracked

    _check_called(on_epoch)
    client = server.connect()
    trial, settings = tracked.resume(client, whole_run_id(client, _run_id(run_id)))
    try:
        data = Data.of(settings, None if data_dir is None else str(data_dir))
        trainer = attempt.resumed(settings, data, attempt.state_to_resume(trial, settings, data))
        result = attempt.complete(trial, trainer, data, new=False, on_epoch=on_epoch)
    finally:
        trial.release()
    return Trained(trial.run_id, trial.experiment, trainer.settings, result)


def sweep(
    data: Data | str | Path,
    space: Mapping[str, Any] | str | Path,
    *,
    name: str | None = None,
    method: str | None = None,
    trials: int | None = None,
    seeds: int = 1,
    pruner: str = "none",
    timeout: str | None = None,
    executor: str = "here",
    jobs: int = 1,
    cpus_per_trial: float = 1,
    gpus_per_trial: float = 0,
    **settings: Value,
) -> Swept:
    """Try the points of a search space, each as a tracked trial, as the command sweep does.

    ``space`` is the path of a hyper.test or YAML file, or a mapping such as
    {"learning_rate": [0.001, 0.003], "dropout": {"uniform": [0.1, 0.5]}}. ``name`` is that of the
    sweep; for a file, its name without suffix is the default. ``method`` is grid, random or tpe;
    None: grid if all dimensions are choices, else tpe. ``trials`` is the number of points of a
    method that does not try all; None: 20. ``timeout`` is a time such as "2h": no point is started
    that is expected to end later. ``settings`` are what all trials share. ``jobs`` is the number of
    trials at once on this machine.

    A sweep of the same name and content resumes: finished trials are kept. Raises UserError for a
    space that cannot be read or tried, and if no trial has finished.
    """
    from benchmark.recbole import config as recbole
    from benchmark.sweeps import space as spaces
    from benchmark.sweeps.definition import Definition
    from benchmark.sweeps.executors import EXECUTORS
    from benchmark.sweeps.options import RESOURCES
    from benchmark.sweeps.plan import Effort
    from benchmark.sweeps.search import search
    from benchmark.sweeps.suggest import METHODS
    from benchmark.sweeps.tasks import Resources
    from benchmark.tracking import server

    model = str(settings.get("model", Settings.model))
    if isinstance(space, Mapping):
        searched = as_user_error(lambda: spaces.of(space, model))
    else:
        searched = as_user_error(lambda: spaces.read(Path(space), model))
        name = name or Path(space).stem
    if not name:
        raise UserError("a sweep of a mapping needs a name: name=...")
    if executor not in EXECUTORS:
        raise UserError(f"no executor is called {executor!r}; there are: {', '.join(EXECUTORS)}")
    resources = Resources(jobs, cpus_per_trial, gpus_per_trial)
    if unread := resources.given - EXECUTORS[executor].resources:
        names = [name for name, resource in RESOURCES.items() if resource in unread]
        raise UserError(f"{', '.join(names)}: not for executor {executor!r}")
    client = server.connect_patiently(server.connect().tracking_uri)
    data = data if isinstance(data, Data) else load(data)
    models = searched["model"].values if "model" in searched else ()
    given = keywords.given(data, settings, map(str, models))
    config = recbole.read(given)
    method = method or ("grid" if spaces.only_choices(searched) else "tpe")
    definition = as_user_error(lambda: Definition(searched, method, pruner, given, config.settings))
    base = as_user_error(lambda: definition.base)
    note(config.notes(base, given))
    as_user_error(lambda: checked("seed", base.seed + seeds - 1))
    definition.check()
    note(definition.never_tried())
    if trials is not None and METHODS[method].exhaustive:
        raise UserError(f"a {method} tries all points: leave out trials, or name another method")
    seconds = None if timeout is None else as_user_error(lambda: durations.seconds(timeout))
    effort = as_user_error(lambda: Effort(20 if trials is None else trials, seeds, seconds=seconds))
    found = search(client, data, definition, name, effort, executor, resources)
    return Swept(found.run_id, found.experiment, found.name, found.best.values, found.best.score)


def trials(experiment: str | Data, *, sweep: str | None = None) -> pd.DataFrame:
    """The trials of an experiment, a row each, the best by validation first.

    A data set stands for the experiment of its name.

    Columns: run_id, name, status, sweep; each setting, under its name; "valid ndcg@10", "test
    ndcg@10" and so on; best_epoch, last_epoch, seconds; data_digest and protocol, in which results
    must agree to be compared; started. ``sweep`` is the name of a sweep: its trials alone. Raises
    UserError if there is no such experiment or sweep.
    """
    from benchmark.reporting.frame import frame
    from benchmark.reporting.gather import of_sweep
    from benchmark.tracking import server
    from benchmark.tracking.reading.trials import records

    found = records(server.connect(), _experiment(experiment))
    return frame(of_sweep(found, sweep) if sweep else found)


def compare(
    first: str | Trained | Sequence[str | Trained],
    second: str | Trained | Sequence[str | Trained],
    *,
    metric: str = "ndcg@10",
    part: str = "test",
    test: str = "t",
) -> Pair:
    """Compare two models user by user, as the report does.

    Each is a trial, a run id (or how it begins), or a list of them: the seeds of one model, whose
    mean counts. ``part`` is test or valid, ``test`` the paired test over users: t, randomisation or
    wilcoxon. Returns both means, their difference with its 95% interval, p, and the shares of users
    for whom the first model is better, equal or worse.

    Raises UserError if a run has no result, or if the runs are of other data or another protocol.
    """
    from benchmark.reporting.pair import pair
    from benchmark.tracking import server

    client = server.connect()
    return pair(client, _run_ids(first), _run_ids(second), metric, part, test)


def promote(
    experiment: str | Data,
    *,
    name: str | None = None,
    sweep: str | None = None,
    model: str | None = None,
    run: str | Trained | None = None,
    force: bool = False,
    data_dir: str | Path | None = None,
) -> Promoted:
    """Register the best trial of an experiment by validation as champion, as the command promote.

    ``name`` is that of the registered model; None: the experiment's. ``sweep``, ``model`` and
    ``run`` restrict the trials. Raises UserError if it is not significantly better than the present
    champion; ``force`` promotes it all the same.
    """
    from benchmark.serving import promotion
    from benchmark.tracking import server

    experiment = _experiment(experiment)
    trial, version = promotion.promote_best(
        server.connect(),
        experiment,
        name=name,
        sweep=sweep,
        model=model,
        run=None if run is None else _run_id(run),
        force=force,
        data_dir=None if data_dir is None else str(data_dir),
    )
    return Promoted(name or experiment, version, trial.run_id)


def champion(name: str) -> Champion:
    """The champion of that name, or the registered model at a URI such as models:/demo/3, loaded.

    Raises UserError if there is no such model.
    """
    from benchmark.tracking import server
    from benchmark.tracking.registry.loading import load_recommender

    if not isinstance(name, str):
        raise UserError(f"a champion is given by its name, not by a {type(name).__name__}")
    uri = name if name.startswith("models:/") else f"models:/{name}@champion"
    return Champion(uri, load_recommender(server.connect(), uri))


def _check_called(on_epoch: object) -> None:
    """Before a run is made: the first epoch would end it as failed."""
    if on_epoch is not None and not callable(on_epoch):
        raise UserError(f"on_epoch is a function of an epoch, not a {type(on_epoch).__name__}")


def _run_ids(runs: str | Trained | Sequence[str | Trained]) -> list[str]:
    if isinstance(runs, str) or not isinstance(runs, Iterable):
        return [_run_id(runs)]
    return [_run_id(run) for run in runs]


def _run_id(run: object) -> str:
    if isinstance(run, Trained):
        return run.run_id
    if not isinstance(run, str):
        raise UserError(
            f"a run is given by its id, or by what train returned, not by a {type(run).__name__}"
        )
    return run


def _experiment(given: object) -> str:
    if isinstance(given, Data):
        return given.spec.name
    if not isinstance(given, str):
        raise UserError(
            f"an experiment is given by its name or its data set, not by a {type(given).__name__}"
        )
    return given
