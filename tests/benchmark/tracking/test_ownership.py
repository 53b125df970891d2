"""Which run a trial or sweep writes to, and which process may write to it."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.tracking import heartbeat, schema
from benchmark.tracking.outbox.messages import Discard, Status
from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.outbox.recovery import own, reopen
from benchmark.tracking.writing.status import end
from models.blend import VARIANTS
from tests.benchmark.sweeps.test_sweep import words_for
from tests.conftest import SLIST, TINY, until
from tests.forked import Process

EPOCHS = 5
LARGE_BATCHES = ["--batch-size", "1024", "--patience", "99", *SLIST]  # epochs of a second


def runs(store: MlflowClient, experiment: str = "demo") -> list:
    """The runs of an experiment, in the order in which they started."""
    where = store.get_experiment_by_name(experiment).experiment_id
    return store.search_runs([where], order_by=["attributes.start_time ASC"])


def steps(store: MlflowClient, run_id: str) -> list[int]:
    return [metric.step for metric in store.get_metric_history(run_id, "train_seconds")]


def folder(store: MlflowClient, run_id: str) -> Path:
    """The folder of a run's artifacts."""
    return Path(store.get_run(run_id).info.artifact_uri.removeprefix("file://"))


def content(store: MlflowClient, run_id: str) -> tuple:
    """All that the store has of a run, and its files with their times."""
    run = store.get_run(run_id)
    files = folder(store, run_id).rglob("*")
    times = {str(path): path.stat().st_mtime_ns for path in files if path.is_file()}
    return run.to_dictionary(), times


@pytest.mark.parametrize("what", ["train", "sweep"])
def test_a_run_that_has_ended_is_left_as_it_is(run_verb, store, what):
    words = ["--dataset", "demo", "--model", "Popularity"]
    assert run_verb("train", *words).returncode == 0
    (first,) = runs(store)
    before = content(store, first.info.run_id)
    if what == "sweep":
        Path("one.test").write_text("model choice [Markov]\n")
        words = ["one.test", "--dataset", "demo"]
    done = run_verb(what, *words, MLFLOW_RUN_ID=first.info.run_id)
    assert done.returncode == 0, done.stderr
    said = f"run {first.info.run_id} (MLFLOW_RUN_ID) is left as it is: it has ended (FINISHED)\n"
    assert said in done.stderr
    assert content(store, first.info.run_id) == before
    assert len(runs(store)) == (3 if what == "sweep" else 2)


def test_two_trainings_in_one_launched_run_are_two_runs(run_verb, store):
    """As an entry point of `mlflow run --experiment-name mine` that starts two."""
    launched = store.create_run(store.create_experiment("mine"), run_name="adorable-ant-12")
    own = {"MLFLOW_RUN_ID": launched.info.run_id}
    for seed in ("1", "2"):
        words = ["--dataset", "demo", "--model", "Popularity", "--seed", seed]
        done = run_verb("train", *words, **own)
        assert done.returncode == 0, done.stderr
    assert "is left as it is: it has ended" in done.stderr
    first, second = runs(store, "mine")
    assert first.info.run_id == launched.info.run_id
    assert [run.data.params["seed"] for run in (first, second)] == ["1", "2"]
    assert [run.info.run_name for run in (first, second)] == [
        "Popularity seed=1",
        "Popularity seed=2",
    ]
    assert schema.STARTED not in first.data.tags


def test_a_trial_that_trains_is_not_taken_as_a_launched_run(run_verb, store):
    run = store.create_run(store.create_experiment("mine"))
    store.set_tag(run.info.run_id, schema.COMMAND, "of an earlier version")
    done = run_verb(
        "train", "--dataset", "demo", "--model", "Popularity", MLFLOW_RUN_ID=run.info.run_id
    )
    assert done.returncode == 0, done.stderr
    assert "is left as it is: it is the run of another trial or sweep" in done.stderr
    assert store.get_run(run.info.run_id).data.params == {}
    assert len(runs(store, "mine")) == 2


def test_mlflows_variables_name_experiment_and_run(run_verb, store):
    words = ["--dataset", "demo", "--model", "Popularity"]
    number = store.create_experiment("by number")
    for variables in (
        {"MLFLOW_EXPERIMENT_NAME": "by name", "MLFLOW_RUN_NAME": "mine"},
        {"MLFLOW_EXPERIMENT_ID": number, "MLFLOW_RUN_NAME": "mine"},
    ):
        done = run_verb("train", *words, **variables)
        assert done.returncode == 0, done.stderr
    for experiment in ("by name", "by number"):
        assert [run.info.run_name for run in runs(store, experiment)] == ["mine"]

    Path("two.test").write_text("model choice [Popularity, Markov]\n")
    sweep = ["two.test", "--dataset", "demo"]
    for _ in range(2):  # the second one finds the sweep of the first
        done = run_verb("sweep", *sweep, MLFLOW_EXPERIMENT_NAME="swept", MLFLOW_RUN_NAME="mine")
        assert done.returncode == 0, done.stderr
    names = [run.info.run_name for run in runs(store, "swept")]
    assert names == ["mine", "Popularity seed=1", "Markov seed=1"]
    assert runs(store, "swept")[0].data.tags[schema.SWEEP] == "two"

    done = run_verb("train", *words, MLFLOW_EXPERIMENT_ID="77")
    assert done.returncode == 1
    assert "Error: MLFLOW_EXPERIMENT_ID is 77: " in done.stderr
    assert store.get_experiment_by_name("demo") is None


def sweep_words(*options: str, space: str = "learning_rate choice [0.01, 0.02]\n") -> list[str]:
    Path("lr.test").write_text(space)
    return ["lr.test", "--dataset", "demo", *options]


COUNTED = "model choice [Popularity, Markov]\n"


def test_a_sweep_whose_file_cannot_be_read_is_left_as_it_is(run_verb, store, here):
    words = sweep_words(space=COUNTED)
    assert run_verb("sweep", *words).returncode == 0
    parent, *trials = runs(store)
    before = [content(store, run.info.run_id) for run in (parent, *trials)]
    (here / "mlruns").rename(here / "not mounted")
    done = run_verb("sweep", *sweep_words(space="model choice [Popularity, RepeatLast]\n"))
    assert done.returncode == 1
    assert f"Error: sweep.yaml of sweep 'lr' (run {parent.info.run_id}) cannot be" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here / "mlruns").exists()
    (here / "not mounted").rename(here / "mlruns")
    assert [content(store, run.info.run_id) for run in runs(store)] == before

    trial = trials[0].info.run_id  # only the files of one trial are missing
    store.update_run(trial, status="KILLED")
    shutil.rmtree(folder(store, trial))
    done = run_verb("sweep", *sweep_words(space=COUNTED))
    assert done.returncode == 1
    assert f"config.yaml of run {trial} is not in " in done.stderr


def test_a_sweep_that_was_killed_before_its_file_was_written_goes_on(run_verb, store, here):
    where = store.create_experiment("demo")
    store.create_run(where, tags={schema.SWEEP: "lr", schema.HEARTBEAT: "not yet"})
    store.set_terminated(runs(store)[0].info.run_id, "KILLED")
    done = run_verb("sweep", *sweep_words(space=COUNTED))
    assert done.returncode == 0, done.stderr
    assert len(runs(store)) == 3
    assert "sweep.yaml" in {file.path for file in store.list_artifacts(runs(store)[0].info.run_id)}


def test_runs_of_others_below_a_sweep_are_no_trials_of_it(run_verb, store):
    words = sweep_words(space=COUNTED)
    assert run_verb("sweep", *words).returncode == 0
    parent = runs(store)[0]
    for tags in ({}, {schema.NUMBER: "x"}, {schema.NUMBER: "0", schema.POINT: "no JSON"}):
        nested = {"mlflow.parentRunId": parent.info.run_id, **tags}
        made = store.create_run(parent.info.experiment_id, tags=nested)
        store.set_terminated(made.info.run_id, "KILLED")
    foreign = store.create_run(parent.info.experiment_id, tags=nested)
    done = run_verb("sweep", *words)
    assert done.returncode == 0, done.stderr
    assert len(runs(store)) == 7
    assert store.get_run(foreign.info.run_id).info.status == "RUNNING"
    done = run_verb("report", "--experiment", "demo", "--output", "-")
    assert done.returncode == 0, done.stderr
    assert "| 2/2 [" in done.stdout


def test_a_trial_that_finished_while_its_sweep_died_has_no_failure(run_verb, store):
    """The trial's last messages are still on disk when the next sweep closes its run."""
    words = sweep_words(space=COUNTED)
    assert run_verb("sweep", *words).returncode == 0
    trial = runs(store)[1].info.run_id
    outbox = reopen(store, trial)
    own(store, outbox)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "begin", lambda _: None)  # as if the process died before delivery
        left = Outbox(store, trial, Path("elsewhere"))
        left.owner = outbox.owner
        left.say(Status("FINISHED", 5))
        left.close(0)
    (Path("elsewhere") / trial / "owner").write_text(str(outbox.owner))
    outbox.close(0)
    shutil.move("elsewhere", "undelivered")
    end(store, trial, "KILLED", "its process died")
    done = run_verb("sweep", *words)
    assert done.returncode == 0, done.stderr
    assert f"run {trial}: 1 messages delivered" in done.stdout
    run = store.get_run(trial)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 5)
    assert schema.FAILURE not in run.data.tags


def test_a_finished_trial_keeps_its_best_weights_alone(train_here, store, here):
    done = train_here("--epochs", "2", *LARGE_BATCHES)
    assert done.returncode == 0, done.stderr
    (run,) = runs(store)
    kept = {file.path for file in store.list_artifacts(run.info.run_id, "checkpoints")}
    assert kept == {"checkpoints/best"}
    assert list(here.rglob("state-*.safetensors")) == []


def test_states_that_wait_are_not_delivered_once_the_trial_has_finished(store, here):
    run_id = store.create_run(store.create_experiment("e")).info.run_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "begin", lambda _: None)
        outbox = Outbox(store, run_id)
        for slot in (0, 1):
            outbox.keep(schema.LAST.format(slot=slot), lambda path: path.write_text("state"))
        outbox.keep(schema.BEST, lambda path: path.write_text("weights"))
        outbox.say(Discard("checkpoints/last"))
        outbox.close(0)
    assert [path.name for path in here.rglob("*.safetensors")] == ["model.safetensors"]


def start(folder: Path, *words: str) -> Process:
    folder.mkdir()
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{Path.cwd()}/mlflow.db"}
    return Process([*words[1:]], os.environ | store, folder)


def pause(process: Process) -> None:
    """Stop a process where it holds no lock of the SQLite database and delivers no message."""
    process.send_signal(signal.SIGSTOP)
    while Path("mlflow.db-journal").exists() or list(Path("one").glob("undelivered/*/*.json")):
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)


@pytest.mark.process
def test_a_trial_that_is_resumed_elsewhere_has_one_owner(run_verb, store, here):
    options = ["--dataset", "demo", *TINY, "--epochs", str(EPOCHS), *LARGE_BATCHES]
    first = start(here / "one", "-m", "benchmark.train", *options)
    until(first, "epoch 1")
    pause(first)
    (run,) = runs(store)
    run_id = run.info.run_id
    second = run_verb("train", "--resume", run_id)
    assert second.returncode == 0, second.stderr
    assert f"run {run_id} is taken over from " in second.stdout
    before = content(store, run_id)
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 1
    expected = f"Error: another process has taken over run {run_id}: it runs in "
    assert said.startswith(expected)
    assert said.endswith(f":{here}\n")
    assert said.count("\n") == 1
    assert not (here / "one" / "undelivered").exists()
    assert content(store, run_id) == before
    assert steps(store, run_id) == list(range(1, EPOCHS + len(VARIANTS) + 1))


@pytest.mark.process
def test_a_paused_sweep_that_was_taken_over_stops_its_trial(run_verb, store, here, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT", 0.5)
    monkeypatch.setattr(heartbeat, "DEAD_AFTER", 2.0)
    words = words_for("learning_rate choice [0.01, 0.02]", "--epochs", "4", *LARGE_BATCHES)
    first = start(here / "one", "-m", "benchmark.sweep", str(here / words[2]), *words[3:])
    until(first, "epoch 1")
    pause(first)
    second = run_verb("sweep", *words[2:])
    assert second.returncode == 0, second.stderr
    before = [content(store, run.info.run_id) for run in runs(store)]
    assert len(before) == 3
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 1
    assert said.startswith("Error: another process has taken over run ")
    assert said.count("\n") == 1
    assert [content(store, run.info.run_id) for run in runs(store)] == before
    for run in runs(store)[1:]:
        assert run.info.status == "FINISHED"
        assert steps(store, run.info.run_id) == list(range(1, 4 + len(VARIANTS) + 1))


def test_a_sweep_that_ends_while_it_is_watched_is_not_called_dead(run_verb, store, monkeypatch):
    """The quick one ends between two looks at its heart."""
    other = store.create_experiment("demo")
    tags = {schema.SWEEP: "quick", schema.HEARTBEAT: "someone 0"}
    quick = store.create_run(other, tags=tags).info.run_id
    dead = store.create_run(other, tags=tags | {schema.SWEEP: "dead"}).info.run_id

    def ends(client: MlflowClient, watched: list) -> set[str]:
        store.set_terminated(quick)
        return set()

    monkeypatch.setattr(heartbeat, "living", ends)
    Path("models.test").write_text("model choice [Popularity]\n")
    done = run_verb("sweep", "models.test", "--dataset", "demo")
    assert done.returncode == 0, done.stderr
    assert store.get_run(quick).info.status == "FINISHED"
    assert store.get_run(dead).info.status == "KILLED"
