"""`python -m benchmark.sweep` as a user runs it, kills it and starts it again."""

import os
import re
import signal
from pathlib import Path

import pytest

import models
from benchmark.tracking import schema
from benchmark.tracking.reading.trials import records
from benchmark.training import defaults
from models.baselines.slist import SLIST
from tests.conftest import TINY, until
from tests.forked import Process

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"


@pytest.fixture
def sweep(run_command, here):
    """``sweep("learning_rate choice [0.01]", "--seeds", "2")``: a sweep in a new process.

    It trains a tiny model on the demo data.
    """

    def sweep(space, *options, name="lr", **environment):
        words = words_for(space, *options, name=name)
        return run_command("python", *words, **environment)

    return sweep


@pytest.fixture
def sweep_here(run_verb, here):
    """The same as ``sweep``, but in this process."""

    def sweep(space, *options, name="lr"):
        _, _, *words = words_for(space, *options, name=name)
        return run_verb("sweep", *words)

    return sweep


def words_for(space, *options, name="lr"):
    Path(f"{name}.test").write_text(space)
    sizes = [
        word
        for option, size in zip(TINY[::2], TINY[1::2], strict=True)
        if option[2:].replace("-", "_") not in space
        for word in (option, size)
    ]
    return ["-m", "benchmark.sweep", f"{name}.test", "--dataset", "demo", *sizes, *options]


def start(space, *options):
    """Start a sweep in a process that the test can kill."""
    return Process(["tests.hasty", *words_for(space, *options)[1:]], {**os.environ})


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(process.stderr.read())


def runs(store, experiment="demo"):
    """The runs of sweeps, and the runs of their trials; both in the order in which they started."""
    found = store.get_experiment_by_name(experiment)
    every = store.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
    parents = [run for run in every if PARENT not in run.data.tags]
    return parents, [run for run in every if PARENT in run.data.tags]


def mean_of(trials, key):
    return sum(trial.data.metrics[key] for trial in trials) / len(trials)


def report(run_verb, *options, experiment="demo"):
    done = run_verb("report", "--experiment", experiment, "--output", "-", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def timeless(text):
    """The lines of a report without times, memory and run ids, which differ each time."""
    text = re.sub(r" *\d+(\.\d+)?(s/trial|trial/s)|\[\d[\d:]*<|[\d,.]+ s a trial", "", text)
    lines, left_out, in_table = [], [], False
    for line in text.splitlines():
        cells = [cell.strip().strip("-") for cell in line.split("|")] if line[:1] == "|" else [line]
        if line[:1] == "|" and not in_table:
            changing = ("seconds", "MB", "sequences/s", "run")
            left_out = [number for number, name in enumerate(cells) if name in changing]
        in_table = line[:1] == "|"
        lines.append([c for n, c in enumerate(cells) if not in_table or n not in left_out])
    return lines


@pytest.mark.process
def test_a_sweep_is_a_run_with_its_trials_nested_and_the_report_has_its_record(
    sweep, sweep_here, store, run_verb
):
    space = "# two\nlearning_rate choice [0.02, 0.003]\n"
    done = sweep(space, "--epochs", "2", "--seeds", "2", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert "trial 4 of 4: learning_rate=0.003 seed=6: valid ndcg@10" in done.stdout
    assert "\r" not in done.stdout + done.stderr
    (parent,), trials = runs(store)
    assert (parent.info.run_name, parent.info.status) == ("lr", "FINISHED")
    expected = [("0.02", "5"), ("0.02", "6"), ("0.003", "5"), ("0.003", "6")]
    assert [(t.data.params["learning_rate"], t.data.params["seed"]) for t in trials] == expected
    for trial in trials:
        assert trial.info.status == "FINISHED"
        assert trial.data.tags[PARENT] == parent.info.run_id
        assert trial.data.metrics["test/ndcg_at_10"] > 0

    best = max((trials[:2], trials[2:]), key=lambda pair: mean_of(pair, "best_valid/ndcg_at_10"))
    for key in ("best_valid/ndcg_at_10", "test/recall_at_10"):
        assert parent.data.metrics[key] == pytest.approx(mean_of(best, key))
    assert parent.data.params["epochs"] == "2"
    assert "learning_rate" not in parent.data.params
    assert parent.data.tags["best/learning_rate"] == best[0].data.params["learning_rate"]
    assert parent.data.tags["best/seeds"] == "5, 6"
    assert parent.data.tags["best/run"] == best[0].info.run_id
    assert len(parent.inputs.dataset_inputs) == 3
    note = parent.data.tags[NOTE]
    assert "\n- `learning_rate choice [0.02, 0.003]`\n" in note
    first, second = (line for line in note.splitlines() if line.startswith("| `"))
    assert first.startswith(f"| `learning_rate={best[0].data.params['learning_rate']}` | 0.")
    assert all(trial.info.run_id in first + second for trial in trials)

    text = report(run_verb)
    assert "  learning_rate choice [0.02, 0.003]\n" in text
    assert re.search(r"\| 4/4 \[\d\d:\d\d<00:00,", text)
    mean = sum(t.data.metrics["best_valid/ndcg_at_10"] for t in trials[:2]) / 2
    assert f"ndcg@10 : {round(mean, 4)} " in text
    table = [line for line in text.split("## Trials")[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    first, second = (dict(zip(cells[0], row, strict=True)) for row in cells[2:4])
    assert cells[0][2] == "learning_rate"
    assert {first["seeds"], second["seeds"]} == {"2"}
    assert re.fullmatch(r"0\.\d{4} ± 0\.\d{4}", first["valid ndcg@10"])

    again = sweep_here(space, "--epochs", "2", "--seeds", "2", "--seed", "5")
    assert again.returncode == 0, again.stderr
    assert "again\nbest point: learning_rate=" in again.stdout
    assert len(runs(store)[1]) == 4
    assert report(run_verb) == text  # the recorded sweep, with the same seconds

    more = sweep_here(space, "--epochs", "2", "--seeds", "3", "--seed", "5")
    _, _, rest = more.stdout.partition("trial 5 of 6 starts: learning_rate=0.02 seed=7\n")
    assert "trial 5 of 6: learning_rate=0.02 seed=7: valid ndcg@10" in rest
    run_id = runs(store)[0][0].info.run_id
    opens = f"to open sweep {run_id}: mlflow ui --backend-store-uri {store.tracking_uri}\n"
    assert rest.endswith(opens)


@pytest.mark.process
def test_a_killed_sweep_goes_on_to_the_report_of_one_that_was_not(
    sweep, run_command, store, run_verb
):
    options = ["--method", "tpe", "--trials", "3", "--epochs", "4", "--pruner", "halving"]
    space = "learning_rate loguniform -6, -3\ndropout uniform 0, 0.3\n"
    whole = sweep(space, *options, "--name", "whole")
    assert whole.returncode == 0, whole.stderr

    for moment in ("sweep", "epoch 2", "trial 2 of 3"):
        process = start(space, *options)
        wait_for(process, moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _, before = runs(store)
    assert "RUNNING" in {run.info.status for run in runs(store)[0]}
    done = run_command("python", "-m", "tests.hasty", *words_for(space, *options)[1:])
    assert done.returncode == 0, done.stderr
    parents, trials = runs(store)
    assert [run.info.status for run in parents] == ["FINISHED", "FINISHED"]
    assert [run.info.status for run in trials] == ["FINISHED"] * 6
    assert {run.info.run_id for run in before} <= {run.info.run_id for run in trials}
    for name in ("train/loss", "valid/ndcg_at_10"):
        for uncut, cut in zip(trials[:3], trials[3:], strict=True):
            first, second = (
                [(m.step, m.value) for m in store.get_metric_history(run.info.run_id, name)]
                for run in (uncut, cut)
            )
            assert first == second
    texts = [timeless(report(run_verb, "--sweep", name)) for name in ("whole", "lr")]
    assert texts[0] == texts[1]


@pytest.mark.process
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_running(store, here, sent, code):
    process = start("learning_rate choice [0.01, 0.02]", "--epochs", "30")
    wait_for(process, "epoch 1")
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert " -m benchmark.sweep lr.test --dataset demo " in said.split("to resume: ")[1]
    (parent,), (trial,) = runs(store)
    assert (parent.info.status, trial.info.status) == ("KILLED", "KILLED")


@pytest.mark.process
def test_a_trial_that_fails_is_on_record_and_the_sweep_goes_on(sweep, sweep_here, store, run_verb):
    space = "learning_rate choice [1000, 0.01]\n"
    done = sweep(space, "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    _, trials = runs(store)
    assert [run.info.status for run in trials] == ["FAILED", "FINISHED"]
    assert "the loss is nan in epoch 1" in trials[0].data.tags["failure"]
    assert "failed: TrainingError: the loss is nan" in done.stdout
    text = report(run_verb)
    assert text.count("| failed: ") == 1
    assert "learning_rate:0.01\n" in text
    kept = store.download_artifacts(trials[0].info.run_id, "traceback.txt")
    assert "TrainingError" in Path(kept).read_text()

    again = sweep_here(space, "--epochs", "1")
    assert again.returncode == 0, again.stderr
    assert len(runs(store)[1]) == 2


@pytest.mark.process
def test_a_sweep_without_any_result_fails(sweep, store):
    done = sweep("learning_rate choice [1000]", "--epochs", "1")
    assert done.returncode == 1
    assert "Error: no trial has finished: BERT4Rec learning_rate=1000.0" in done.stderr
    assert runs(store)[0][0].info.status == "FAILED"


@pytest.mark.process
def test_two_processes_do_not_work_on_one_sweep(sweep, store):
    space = "learning_rate choice [0.01]"
    process = start(space, "--epochs", "200")
    try:
        wait_for(process, "epoch 1")
        done = sweep(space, "--epochs", "200")
        assert done.returncode == 1
        assert "Error: another process works on sweep 'lr'" in done.stderr
    finally:
        process.kill()
        process.communicate()
    assert len(runs(store)[1]) == 1


@pytest.mark.process
def test_a_process_whose_sweep_was_taken_over_leaves_it_alone(store, here):
    process = start("learning_rate choice [0.01, 0.02]", "--epochs", "8")
    wait_for(process, "epoch 1")
    (parent,), _ = runs(store)
    store.set_tag(parent.info.run_id, schema.OWNER, "elsewhere:/home 1")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    taken = f"another process has taken over run {parent.info.run_id}: it runs in elsewhere:/home"
    assert said.endswith(f"Error: {taken}\n")
    (parent,), trials = runs(store)
    assert parent.info.status == "RUNNING"
    assert len(trials) == 1


@pytest.mark.process
def test_another_sweep_of_the_same_name_is_refused(sweep_here, store, monkeypatch):
    assert sweep_here("learning_rate choice [0.01]", "--epochs", "1").returncode == 0
    for space, option, message in (
        ("learning_rate choice [0.01, 0.02]", "1", "with other space: ['learning_rate choice [0"),
        (
            "learning_rate choice [0.01]",
            "2",
            "with other settings: {'epochs': 1} there, {'epochs': 2} here; ",
        ),
    ):
        done = sweep_here(space, "--epochs", option)
        assert done.returncode == 1
        assert "Error: there is another sweep 'lr' in this experiment (run " in done.stderr
        assert message in done.stderr
        assert "--name" in done.stderr
    (trial,) = runs(store)[1]
    with monkeypatch.context() as patch:
        patch.setattr(models.MODELS["BERT4Rec"], "version", 2)
        done = sweep_here("learning_rate choice [0.01]", "--epochs", "1")
    assert done.returncode == 1
    assert "has trials that differ from new ones: model_version is 1 there, and 2" in done.stderr
    assert f"mlflow runs delete --run-id {trial.info.run_id}" in done.stderr
    store.set_tag(trial.info.run_id, "protocol", "of another version")
    done = sweep_here("learning_rate choice [0.01]", "--epochs", "1")
    assert done.returncode == 1
    assert "has trials under another protocol, which cannot be compared" in done.stderr
    assert "of another version there, leave-one-out; every item a candidate; " in done.stderr
    done = sweep_here("learning_rate choice [0.02]", "--epochs", "1", "--name", "other")
    assert done.returncode == 0, done.stderr


def test_trials_by_other_defaults_or_beside_another_slist_are_refused(
    run_verb, store, here, monkeypatch
):
    (here / "lr.test").write_text("learning_rate choice [0.01]")
    words = ["lr.test", "--dataset", "demo", "--hidden-size", "8", "--inner-size", "8"]
    words += ["--heads", "1", "--layers", "1", "--epochs", "1"]
    done = run_verb("sweep", *words)
    assert done.returncode == 0, done.stderr
    for owner, name, value, why in (
        (SLIST, "version", 9, "linear_version is SLIST 4 there, and SLIST 9 today"),
        (defaults, "MOST_PAIRS", 0, "blend is slist there, and none by today's defaults"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            done = run_verb("sweep", *words, "--seeds", "2")
        assert done.returncode == 1
        assert why in done.stderr
        assert len(runs(store)[1]) == 1
    assert {run.info.status for run in runs(store)[0]} == {"FINISHED"}
    done = run_verb("sweep", *words, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    # Versions before 0.15 did not log the version of SLIST: a trial of theirs counts as another.
    now = {"linear_version": "SLIST 4"}
    assert "linear_version is of before" in models.changed_version({"model": "SASRec"}, now)
    assert not models.changed_version({"linear_version": "SLIST 4"}, now)
    assert not models.changed_version({"model": "SASRec"}, {})


@pytest.mark.process
def test_a_trial_under_another_version_is_refused_and_stays_as_it_is(
    sweep_here, store, monkeypatch
):
    """It can be resumed by its own version, after each refusal."""
    process = start("learning_rate choice [0.01]", "--epochs", "60")
    until(process, "epoch 2:")
    process.kill()
    process.communicate(timeout=60)
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(models.MODELS["BERT4Rec"], "version", 2)
            done = sweep_here("learning_rate choice [0.01]", "--epochs", "60")
        assert done.returncode == 1
        assert "model_version is 1 there, and 2 today; give this one another --name" in done.stderr
        (trial,) = runs(store)[1]
        assert trial.info.status in ("RUNNING", "KILLED")
    done = sweep_here("learning_rate choice [0.01]", "--epochs", "60")
    assert done.returncode == 0, done.stderr
    assert "trial 1 of 1 resumes" in done.stdout


def test_a_sweep_that_continues_shows_its_new_best_point(run_verb, store, here):
    """Of counted models, which take no time."""
    (here / "models.test").write_text("model choice [Popularity, RepeatLast]\n")
    words = ["models.test", "--dataset", "demo", "--method", "random", "--trials"]
    done = run_verb("sweep", *words, "1")
    assert done.returncode == 0, done.stderr
    (before,), (only,) = runs(store)
    assert run_verb("report", "--experiment", "demo").returncode == 0
    done = run_verb("sweep", *words, "2")
    assert done.returncode == 0, done.stderr
    sweeps, trials = runs(store)
    (after,) = (run for run in sweeps if schema.HEARTBEAT in run.data.tags)
    (kept,) = (run for run in sweeps if schema.REPORT in run.data.tags)
    best = max(trials, key=lambda run: run.data.metrics["best_valid/ndcg_at_10"])
    assert before.data.metrics["test/mrr_at_10"] == only.data.metrics["test/mrr_at_10"]
    assert after.data.metrics["test/mrr_at_10"] == best.data.metrics["test/mrr_at_10"]
    assert after.data.tags["best/run"] == best.info.run_id
    assert after.data.tags["best/model"] == best.data.params["model"]
    note = after.data.tags[NOTE]
    assert note.startswith("Best of 2 points: ")
    assert note.count("| `model=") == 2
    assert f"[The report](#/experiments/1/runs/{kept.info.run_id})" in note
    assert len(records(store, "demo")) == 2  # the sweep, whose run has a result, is no trial


@pytest.mark.process
def test_pruned_trials_are_marked(sweep_here, store, run_verb):
    rates = "0.05, 0.04, 0.03, 0.02, 0.01, 1e-6"
    done = sweep_here(
        f"learning_rate choice [{rates}]", "--epochs", "2", "--pruner", "median", "--seeds", "2"
    )
    assert done.returncode == 0, done.stderr
    _, trials = runs(store)
    last = trials[-1]
    assert last.data.params["learning_rate"] == "1e-06"
    assert last.data.params["seed"] == "1"  # a pruned trial gets no second seed
    assert last.info.status == "FINISHED"
    assert "test/ndcg_at_10" not in last.data.metrics
    assert "pruned after epoch 1" in done.stdout
    assert last.info.run_name.endswith("seed=1 (pruned)")
    note = last.data.tags["mlflow.note.content"]
    assert "Stopped by the pruner after epoch 1, before test." in note
    assert "| pruned after epoch 1" in report(run_verb)


@pytest.mark.parametrize(
    ("space", "options", "code", "message"),
    [
        ("learning_rat choice [1]", [], 1, "lr.test:1: learning_rat: no such setting"),
        ("", [], 1, "the search space is empty"),
        (
            "layers choice [two]",
            [],
            1,
            "lr.test:1: layers cannot be 'two': it should be an integer",
        ),
        ("heads choice [1, 3]", [], 1, "heads=3: hidden_size 8 cannot be divided among 3 heads"),
        ("epochs choice [1]", ["--epochs", "2"], 1, "epochs: both searched and given"),
        ("dropout uniform 0, 0.5", ["--method", "grid"], 1, "dropout: a grid needs choices"),
        (
            f"epochs choice {list(range(1, 200))}\nbatch_size choice {list(range(1, 99))}",
            [],
            1,
            "a grid of 19,502 points is too large: --method random or tpe",
        ),
        (
            "epochs choice [1]",
            ["--trials", "2"],
            2,
            "--method grid tries all points: --trials is for --method random or tpe",
        ),
        ("epochs choice [1]", ["--cpus-per-trial", "2"], 2, "--cpus-per-trial is for --executor"),
        ("epochs choice [1]", ["--pruner", "secateurs"], 2, "'secateurs' is not one of"),
        ("epochs choice [1]", ["--data-dir", "no", "--dataset", "ml-1m"], 1, "no: the data folder"),
    ],
)
def test_a_mistake_is_said_before_any_trial_starts(
    sweep_here, store, space, options, code, message
):
    done = sweep_here(space, *options)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not store.get_experiment_by_name("demo")


@pytest.mark.process
def test_a_space_that_is_not_there_is_said(run_command, here):
    done = run_command("python", "-m", "benchmark.sweep", "none.test", "--dataset", "demo")
    assert done.returncode == 1
    expected = "Error: none.test: the search space cannot be read: No such file or directory\n"
    assert done.stderr == expected


def test_models_can_be_searched_and_each_has_its_own_settings(run_verb, store, here):
    Path("models.yaml").write_text("model: [Markov, Popularity]\n")
    done = run_verb("sweep", "models.yaml", "--dataset", "demo")
    assert done.returncode == 0, done.stderr
    assert "best point: model=Markov: valid ndcg@10" in done.stdout
    _, trials = runs(store)
    assert [run.data.params["model"] for run in trials] == ["Markov", "Popularity"]
    words = ["--dataset", "demo", "--method", "random", "--trials", "9", "--name", "random"]
    more = run_verb("sweep", "models.yaml", *words)
    assert more.returncode == 0, more.stderr
    assert "the search space has 2 points, and all of them were tried\n" in more.stdout

    Path("mixed.yaml").write_text("model: [gru4rec, Markov]\nlearning_rate: [0.01, 0.02]\n")
    tiny = ["--dataset", "demo", "--hidden-size", "8", "--inner-size", "8", "--epochs", "1"]
    done = run_verb("sweep", "mixed.yaml", *tiny)
    assert done.returncode == 0, done.stderr
    assert "model: [gru4rec, Markov]\nlearning_rate: [0.01, 0.02]\n" in done.stdout
    _, trials = runs(store)
    found = [(t.data.params["model"], t.data.params.get("learning_rate")) for t in trials[4:]]
    assert found == [("GRU4Rec", "0.01"), ("GRU4Rec", "0.02"), ("Markov", None)]
    assert "| Markov " in report(run_verb, "--sweep", "mixed")

    done = run_verb("sweep", "mixed.yaml", *tiny, "--heads", "2")
    assert done.returncode == 1
    assert "Error: heads: none of the searched models has this setting\n" in done.stderr


def test_a_space_of_which_nothing_fits_makes_no_run(sweep_here, store):
    done = sweep_here("hidden_size choice [9, 11]\n", "--method", "tpe", "--heads", "2")
    assert done.returncode == 1
    assert "Error: no point of the search space can be tried: hidden_size=" in done.stderr
    assert "cannot be divided among 2 heads" in done.stderr
    assert not store.get_experiment_by_name("demo")


def test_a_dry_run_lists_the_trials_and_writes_nothing(run_verb, store, own_data):
    Path("two.yaml").write_text("model: [Markov, Popularity]\n")
    words = ["sweep", "two.yaml", "--dataset", own_data]
    done = run_verb(*words, "--dry-run", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:] == [
        "model=Markov seed=1: new",
        "model=Markov seed=2: new",
        "model=Popularity seed=1: new",
        "model=Popularity seed=2: new",
    ]
    assert not store.get_experiment_by_name("mine")
    assert run_verb(*words).returncode == 0
    before = [run.to_dictionary() for run in runs(store, "mine")[1]]
    done = run_verb(*words, "--dry-run", "--seeds", "2")
    assert "model=Markov seed=1: finished\nmodel=Markov seed=2: new\n" in done.stdout
    assert [run.to_dictionary() for run in runs(store, "mine")[1]] == before
    Path("two.yaml").write_text("model: [Markov, RepeatLast]\n")
    done = run_verb(*words, "--dry-run")
    assert done.returncode == 1
    assert "Error: there is another sweep 'two' in this experiment" in done.stderr

    Path("rates.yaml").write_text("learning_rate: {uniform: [0.001, 0.1]}\n")
    rates = ["sweep", "rates.yaml", "--dataset", own_data, "--trials", "3", "--dry-run"]
    done = run_verb(*rates)
    assert done.stdout.endswith("\nup to 3 more points, which follow from the results\n")
    done = run_verb(*rates, "--method", "random")
    assert done.stdout.count("learning_rate=0.") == 3


def test_a_sweep_ends_when_its_time_is_up_and_goes_on_with_more(run_verb, store, own_data):
    Path("two.yaml").write_text("model: [Markov, Popularity]\n")
    words = ["sweep", "two.yaml", "--dataset", own_data]
    done = run_verb(*words, "--timeout", "0.001s")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 points were not tried: the time is up; " in done.stdout
    done = run_verb(*words, "--timeout", "1h")
    assert done.returncode == 0, done.stderr
    assert "not tried" not in done.stdout
    assert [run.data.params["model"] for run in runs(store, "mine")[1]] == ["Markov", "Popularity"]
    done = run_verb(*words, "--timeout", "soon")
    assert done.returncode == 2
    assert "'soon' is no time: give a time, such as 2h, 90m or 1h30m" in done.stderr


def test_resources_belong_to_an_executor(sweep_here, here):
    done = sweep_here("learning_rate choice [0.01]", "--jobs", "2", "--executor", "ray")
    assert done.returncode == 2
    assert "--jobs is for --executor here" in done.stderr
