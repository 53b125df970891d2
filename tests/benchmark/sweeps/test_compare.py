"""`python -m benchmark.compare` as a user runs it, interrupts it and starts it again."""

import os
import signal
from pathlib import Path

import pytest

import models
from benchmark.durations import spoken
from benchmark.settings.settings import Settings
from benchmark.sweeps import suggest
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.contenders import SPACES, contenders, search_space, that_fit
from benchmark.sweeps.forecast import Forecast
from benchmark.sweeps.plan import Effort
from benchmark.sweeps.space_files import SpaceError
from benchmark.sweeps.suggest import Point
from benchmark.tracking import schema
from benchmark.tracking.reading.trials import records
from benchmark.training.estimate import Estimate
from benchmark.training.trainer import Trainer, TrainingError
from tests.benchmark.sweeps.test_sweep import runs
from tests.conftest import TINY, until
from tests.forked import Process
from tests.test_mlproject import as_parameters, run_project

SHORT = [*TINY, "--epochs", "2", "--dropout", "0.1"]


@pytest.fixture
def one_counted(monkeypatch):
    """Popularity is the only counted model, to save time."""
    monkeypatch.setattr(models, "counted_models", lambda: ["Popularity"])


@pytest.mark.process
def test_a_comparison_is_interrupted_and_resumed_to_its_report(project, own_data, store):
    """By hand, Ctrl-C in the first learned model, and then by `mlflow run`."""
    words = ["--models", "BERT4Rec,GRU4Rec", "--budget", "2", "--seeds", "2", *SHORT]
    words = ["--dataset", own_data, *words]
    process = Process(["benchmark.compare", *words], {**os.environ})
    until(process, "trial 1 of 3: learning_rate=0.002")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f" -m benchmark.compare --dataset {own_data} " in said.split("to resume: ")[1]
    before = {run.info.run_id for run in runs(store, "mine")[1]}

    options = {
        name[2:].replace("-", "_"): v for name, v in zip(words[::2], words[1::2], strict=True)
    }
    done = run_project("-e", "compare", *as_parameters(options))
    assert done.returncode == 0, done.stderr
    assert "| GRU4Rec  |" in done.stdout.split("expected of the learned models")[1]
    assert "baselines: sweep " in done.stdout
    assert ", again\n" in done.stdout
    assert " used, about " in done.stdout
    parents, trials = runs(store, "mine")
    sweeps = [run for run in parents if "sweep" in run.data.tags]
    names = ["compare-baselines", "compare-BERT4Rec", "compare-GRU4Rec"]
    assert [(run.info.run_name, run.info.status) for run in sweeps] == [
        (name, "FINISHED") for name in names
    ]
    assert before < {run.info.run_id for run in trials}
    assert {run.info.status for run in trials} == {"FINISHED"}
    of_model = {name: [] for name in [*models.counted_models(), "BERT4Rec", "GRU4Rec"]}
    for run in trials:
        of_model[run.data.params["model"]].append(run.data.params)
    assert [len(of_model[name]) for name in models.counted_models()] == [1] * (len(of_model) - 2)
    for name in ("BERT4Rec", "GRU4Rec"):
        first, second, more = of_model[name]
        assert first["learning_rate"] == str(Settings.of(model=name).learning_rate)
        assert {key for key in first if first[key] != second[key]} <= {
            "learning_rate",
            "batch_size",
            "history_dropout",
            "patience",  # by the batch size
        }
        assert [p["seed"] for p in (first, second, more)] == ["1", "1", "2"]
        assert {**more, "seed": "1"} in (first, second)
    (launcher,) = store.search_runs(["0"])
    note = launcher.data.tags["mlflow.note.content"].splitlines()
    assert [line.split()[5].strip(".") for line in note] == [run.info.run_id for run in sweeps]
    text = Path("reports/mine-compare.md").read_text()
    assert "points tried" in text
    assert "tuned equally" not in text  # no warning


def test_without_time_each_model_is_tried_with_its_defaults(run_verb, own_data, store, one_counted):
    words = [
        "--dataset",
        own_data,
        "--models",
        "sasrec",
        "--budget",
        "0.001s",
        "--seeds",
        "2",
        *SHORT,
    ]
    done = run_verb("compare", *words)
    assert done.returncode == 0, done.stderr
    assert "for each model are too short for the defaults with 2 seeds: SASRec" in done.stdout
    assert "SASRec: best of 1 point: learning_rate=0.002" in done.stdout
    parents, trials = runs(store, "mine")
    assert len(trials) == 3
    assert "untuned" in Path("reports/mine-compare.md").read_text()
    (comparison,) = (run for run in parents if schema.COMPARISON in run.data.tags)
    (kept,) = (run for run in parents if schema.REPORT in run.data.tags)
    assert (comparison.info.run_name, comparison.info.status) == ("compare", "FINISHED")
    assert len(comparison.inputs.dataset_inputs) == 3
    sweep = comparison.data.tags["best/sweep"]
    (best,) = (run for run in parents if run.data.tags.get("sweep") == f"compare-{sweep}")
    for key in ("best_valid/ndcg_at_10", "test/ndcg_at_10"):
        assert comparison.data.metrics[key] == best.data.metrics[key]
    note = comparison.data.tags["mlflow.note.content"]
    assert note.startswith(f"Best on validation of 2 sweeps: {sweep}.")
    for run in (kept, *(run for run in parents if "sweep" in run.data.tags)):
        assert f"/runs/{run.info.run_id})" in note
    assert {trial.run_id for trial in records(store, "mine")} == {r.info.run_id for r in trials}

    # A model that has no trial to come is not measured, and one that has is.
    again = run_verb("compare", *words)
    assert again.returncode == 0, again.stderr
    assert "expected of the learned models" not in again.stdout
    assert "SASRec: best of 1 point: learning_rate=0.002" in again.stdout
    assert len(records(store, "mine")) == len(trials)

    # It is refused before a model that stands first in the list starts.
    words = [w.replace("sasrec", "GRU4Rec,sasrec") for w in words[:-2]]
    more = run_verb("compare", *words, "--dropout", "0.2")
    assert more.returncode == 1
    assert "there is another sweep 'compare-SASRec' in this experiment" in more.stderr
    assert "GRU4Rec" not in more.stdout
    assert len(records(store, "mine")) == len(trials)


def test_a_model_without_any_result_does_not_stop_the_others(
    run_verb, own_data, store, one_counted, monkeypatch
):
    train_epoch = Trainer.train_epoch

    def fails(self):
        if self.settings.model == "SASRec":
            raise TrainingError("the loss is nan")
        return train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", fails)
    words = ["--dataset", own_data, "--models", "SASRec,GRU4Rec", "--budget", "1", "--seeds", "1"]
    done = run_verb("compare", *words, *SHORT)
    assert done.returncode == 1
    assert "SASRec cannot be measured: the loss is nan" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: SASRec: no trial has finished: SASRec learning_rate=0.002 ")
    assert "GRU4Rec: best of 1 point: " in done.stdout
    assert "| GRU4Rec" in Path("reports/mine-compare.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "2x"], "'2x' is neither a number of points, such as 8, nor a time"),
        (["--models", "EASE"], "'EASE': no such learned model; there are BERT4Rec, "),
        (["--gpus-per-trial", "1"], "--gpus-per-trial is for --executor ray"),
        (["--models", "SASRec", "--mask-ratio", "0.3"], "none of these models has a setting mask"),
        (["--recipe", "paper"], "has no recipe 'paper'"),
        (["--seed", str(2**63 - 1)], "seed cannot be 9223372036854775809"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(run_verb, own_data, store, options, message):
    done = run_verb("compare", "--dataset", own_data, *options)
    assert done.returncode in (1, 2)
    assert message in done.stderr.splitlines()[-1]
    assert store.get_experiment_by_name("mine") is None


def test_budgets_are_points_or_times():
    assert Budget.read("8") == Budget(points=8)
    times = {"2h": 7200, "90m": 5400, "1h30m": 5400, "1.5h": 5400, "45s": 45, "1D": 86_400}
    assert {text: Budget.read(text).seconds for text in times} == times
    for text in ("", "0", "-1", "2 h", "h", "nan", "1e3", "9" * 5000, "0s", "10001", "9999d"):
        with pytest.raises(ValueError, match="neither a number of points"):
            Budget.read(text)
    assert [spoken(seconds) for seconds in (4, 119, 720, 9000)] == [
        "4 s",
        "119 s",
        "12 min",
        "2.5 h",
    ]


def test_time_is_shared_out_equally_after_the_counted_models():
    effort = Budget.read("1h").effort(seeds=3, models=4, used=600)
    assert (effort.seconds, effort.seeds_of_best) == (750, 3)
    assert Budget.read("8").effort(seeds=3, models=4, used=600) == Effort(8, seeds_of_best=3)


def test_every_learned_model_has_a_space_that_can_be_tried():
    learned = models.learned_models()
    _, found = contenders(learned, ["Popularity"], {}, Settings.of, SPACES)
    assert [contender.name for contender in found] == learned
    for contender in found:
        assert {"learning_rate", "dropout"} <= contender.definition.space.keys()


def test_a_setting_that_is_given_is_not_searched_and_counts_where_it_exists():
    given = {"mask_ratio": 0.3, "dropout": 0.4}
    baselines, (bert, gru) = contenders(
        ["BERT4Rec", "GRU4Rec"], ["Popularity"], given, Settings.of, SPACES
    )
    assert "dropout" not in bert.definition.space.keys() | gru.definition.space.keys()
    assert (bert.definition.base.mask_ratio, gru.definition.base.dropout) == (0.3, 0.4)
    assert baselines.definition.given == {}


def test_a_folder_without_a_space_is_named(here):
    with pytest.raises(SpaceError, match=r"default\.yaml: no such file"):
        search_space("SASRec", {}, here)


def test_counted_models_that_refuse_the_catalogue_are_named(monkeypatch):
    monkeypatch.setattr("models.baselines.ease.LARGEST_CATALOGUE", 10)
    fitting, refused = that_fit(models.counted_models(), 11, {"history": "masked"})
    assert "for at most 10 items; these data have 11" in refused["EASE"]
    assert "Popularity" in fitting
    assert sorted([*fitting, *refused]) == sorted(models.counted_models())


def test_a_default_outside_its_dimension_is_no_obstacle(here):
    """Defaults may follow from the data, and a search space cannot know them."""
    (here / "default.yaml").write_text("dropout: [0.1, 0.2]\nhidden_size: {uniform: [8, 16]}\n")
    space = search_space("SASRec", {}, here)
    past = [Point({"dropout": 0.7, "hidden_size": 64}, suggest.TrialState.COMPLETE, 0.5)]
    found = suggest.suggest(space, "tpe", 1, past)
    assert found is not None
    assert found.keys() == {"dropout", "hidden_size"}


def test_the_forecast_follows_what_sweeps_really_took():
    _, learned = contenders(["SASRec", "GRU4Rec"], ["Popularity"], {}, Settings.of, SPACES)
    forecast = Forecast({"SASRec": Estimate(2, 30, 60, 500), "GRU4Rec": Estimate(1, 30, 30, 400)})
    points = Budget(points=4).effort(3, 2, 0)
    assert [row["a trial"] for row in forecast.table(learned, points)] == ["30 s to 60 s", "30 s"]
    assert forecast.left(learned, points) == "6 min to 9 min"
    forecast.done(learned[0], points, 720)  # twice as long as expected
    assert forecast.left(learned[1:], points) == "6 min"
    time = Budget(seconds=400).effort(3, 2, 0)
    assert [row["points"] for row in forecast.table(learned, time)] == ["1 to 4", "4"]
    assert list(forecast.warnings(learned, time)) == []
    (warning,) = forecast.warnings(learned, Budget(seconds=170).effort(3, 2, 0))
    assert warning.startswith("85 s for each model are too short for the defaults with 3 seeds: S")
    assert forecast.left(learned, Budget(seconds=170).effort(3, 2, 0)) == "3 min"
