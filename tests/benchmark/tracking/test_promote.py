"""`python -m benchmark.promote` as a user runs it, and the versions in MLflow's registry."""

import json
import os
import re
import socket
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException

from benchmark.tracking import schema
from benchmark.tracking.registry import unfinished
from benchmark.training import checkpoint
from datasets.prepare import load
from tests import published
from tests.benchmark.reporting import test_comparison
from tests.benchmark.sweeps.test_sweep import words_for
from tests.conftest import ROOT, TINY

GOOD = [*TINY, "--learning-rate", "0.01", "--epochs", "4", "--warmup-steps", "50"]


@pytest.fixture
def promote(run_verb):
    return lambda *options: run_verb("promote", "--experiment", *options)


def refused(done, message):
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line, line


@pytest.mark.process
def test_a_trial_becomes_champion_and_only_a_better_one_takes_its_place(
    run_verb, promote, store, here
):
    assert run_verb("train", "--dataset", "demo", "--model", "Popularity").returncode == 0
    done = promote("demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("demo: champion is version 1, Popularity seed=1 (run ")
    assert "SYNTHETIC data" in done.stdout
    first = store.get_model_version_by_alias("demo", "champion")
    refused(promote("demo"), f"already champion: demo version 1 (run {first.run_id})")

    assert run_verb("train", "--dataset", "demo", *GOOD).returncode == 0
    done = promote("demo")
    assert done.returncode == 0, done.stderr
    version = store.get_model_version_by_alias("demo", "champion")
    run = store.get_run(version.run_id)
    assert (str(version.version), run.data.params["model"]) == ("2", "BERT4Rec")
    for name in ("data_digest", "protocol", "synthetic"):
        assert version.tags[name] == run.data.tags[name]
    holds_what_is_needed_to_serve_it(version, run)

    (here / "data").rename(here / "elsewhere")  # prepared again, with the same digest
    done = promote("demo", "--force")
    assert done.returncode == 0, done.stderr
    assert int(store.get_model_version_by_alias("demo", "champion").version) == 3
    store.set_tag(version.run_id, "data_digest", "0123")
    store.set_tag(first.run_id, "data_digest", "0123")
    refused(promote("demo", "--force"), "was trained on data with digest 0123, these have ")


def holds_what_is_needed_to_serve_it(version, run):
    folder = Path(mlflow.artifacts.download_artifacts("models:/demo@champion"))
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    (package,) = (folder / "code").glob("seqrec_*")
    sources = (path.relative_to(ROOT).as_posix() for path in (ROOT / "models").rglob("*.py"))
    code = {f"code/{package.name}/{name}" for name in sources}
    code.add(f"code/{package.name}/__init__.py")
    assert files - code - {"registered_model_meta"} == {  # added by the download
        *("MLmodel", "recommender.py", "report.md", "conda.yaml", "python_env.yaml"),
        *("requirements.txt", "input_example.json", "serving_input_example.json"),
        *("artifacts/items.json", "artifacts/weights.safetensors"),
    }
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = (folder / "requirements.txt").read_text().splitlines()
    assert [line.split("==")[0] for line in wanted] == [
        *("mlflow-skinny", "numpy", "pandas", "safetensors", "torch")
    ]
    assert {line.replace("-skinny", "") for line in wanted} <= set(pinned)
    assert len(json.loads((folder / "artifacts/items.json").read_text())) == 200
    assert f"`{run.data.tags['command']}`" in (folder / "report.md").read_text()
    about = yaml.safe_load((folder / "MLmodel").read_text())
    assert about["run_id"] == version.run_id
    assert about["flavors"]["python_function"]["config"]["model"] == "BERT4Rec"
    params = {p["name"]: p["default"] for p in json.loads(about["signature"]["params"])}
    assert params == {"k": 10, "exclude_seen": False}


@pytest.mark.process
def test_the_best_of_a_sweep_can_be_promoted_by_it(run_command, store, here):
    words = words_for("learning_rate choice [0.001, 0.01]", "--epochs", "1", "--promote")
    done = run_command("python", *words)
    assert done.returncode == 0, done.stderr
    assert "to serve: mlflow models serve -m models:/demo@champion" in done.stdout
    version = store.get_model_version_by_alias("demo", "champion")
    best = done.stdout.split("best point: learning_rate=")[1].split(":")[0]
    assert store.get_run(version.run_id).data.params["learning_rate"] == best
    assert store.get_run(version.run_id).data.tags["sweep"] == "lr"


def test_ids_come_from_the_data_that_a_recbole_configuration_describes(
    run_verb, promote, store, here
):
    content = yaml.safe_load((ROOT / "datasets/demo.yaml").read_text())
    content["synthetic"]["users"] = 300  # so few that some items have few interactions
    Path("small.yaml").write_text(yaml.safe_dump(content))
    core = {f"{who}_inter_num_interval": "[10,inf)" for who in ("user", "item")}
    Path("few.yaml").write_text(yaml.safe_dump(core))
    words = ["--recbole-config", "few.yaml", "--model", "Popularity"]
    done = run_verb("train", "--dataset", "small.yaml", *words)
    assert done.returncode == 0, done.stderr
    done = promote("small")
    assert done.returncode == 0, done.stderr
    version = store.get_model_version_by_alias("small", "champion")
    folder = Path(mlflow.artifacts.download_artifacts(version.source))
    ids = json.loads((folder / "artifacts/items.json").read_text())
    _, sequences = load("small.yaml", recbole_config="few.yaml")
    assert ids == sequences.item_ids.tolist()
    assert 0 < len(ids) < 200
    words = ["--model", "models:/small@champion", "--dataset", "small.yaml", "--output"]
    done = run_verb("recommend", *words, "o.parquet", "--recbole-config", "few.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_verb("recommend", *words, "o.parquet")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: the model was trained on other data (digest ")
    assert re.search(r": it knows [\d,]+ of the [\d,]+ ids \(9\d\.\d%\) of the histories; ", line)


def test_weights_of_another_version_are_refused_and_leave_no_champion(
    run_verb, promote, store, here
):
    assert run_verb("train", "--dataset", "demo", *TINY, "--epochs", "1").returncode == 0
    (run,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    path = Path(store.download_artifacts(run.info.run_id, schema.BEST, here))
    tensors, values = checkpoint.load(path)
    tensors["former"] = tensors.pop("item_bias.weight")
    checkpoint.save(path, tensors, values)
    store.log_artifact(run.info.run_id, path, str(Path(schema.BEST).parent))
    message = "its weights do not fit BERT4Rec in this version of seqrec: Error(s) in loading"
    refused(promote("demo"), f"run {run.info.run_id} cannot be registered as 'demo': {message}")
    with pytest.raises(MlflowException):
        store.get_model_version_by_alias("demo", "champion")


@pytest.fixture
def log(store):
    """``log("A", ranks)`` logs a finished run with these ranks in both splits; returns its id."""

    def log(model, ranks, **tags):
        run_id = test_comparison.log(store, model, ranks, **tags)
        with tempfile.TemporaryDirectory() as folder:
            test = store.download_artifacts(run_id, "ranks/test.parquet", folder)
            path = Path(folder, "valid.parquet")
            pd.read_parquet(test).to_parquet(path)
            store.log_artifact(run_id, path, "ranks")
        return run_id

    return log


def crown(store, run_id, **changes):
    """Make the model of a run the champion, as if it had been promoted. ``changes`` are tags."""
    tags = {k: store.get_run(run_id).data.tags[k] for k in ("data_digest", "protocol")} | changes
    store.create_registered_model("e")
    source = f"{store.get_run(run_id).info.artifact_uri}/ranks"
    version = store.create_model_version("e", source, run_id, tags)
    store.set_registered_model_alias("e", "champion", version.version)


@pytest.fixture
def ranks():
    """Ranks of a champion, of a trial that is hardly better, and of one that is much better."""
    rng = np.random.default_rng(0)
    worse = rng.integers(1, 60, 400)
    little = worse.copy()
    little[:2] = 1
    return worse, little, np.maximum(1, worse // 2)


def test_who_is_not_significantly_better_is_refused(promote, log, store, ranks):
    worse, little, better = ranks
    crown(store, log("A", worse))
    run_id = log("B", little)
    refused(promote("e"), f"run {run_id} is not significantly better than the champion, e version")
    log("C", better)  # is better; but its data set does not exist
    refused(promote("e"), "no data set is called 'e'")


def test_a_best_trial_from_elsewhere_does_not_block_the_others(run_verb, promote, store, here):
    """Its data set is unknown here: why is said, and what can be promoted instead."""
    for model in ("RepeatLast", "Popularity", "Markov"):
        assert run_verb("train", "--dataset", "demo", "--model", model).returncode == 0
    best, second = (
        store.search_runs(["1"], f"params.model = '{model}'")[0].info.run_id
        for model in ("Markov", "Popularity")
    )
    original = store.download_artifacts(best, schema.CONFIG, here)
    elsewhere = store.create_run("1", run_name="elsewhere")
    best_run = store.get_run(best)
    for name, value in best_run.data.metrics.items():
        store.log_metric(elsewhere.info.run_id, name, value + 0.1 * ("best_valid" in name))
    for name, value in best_run.data.params.items():
        store.log_param(elsewhere.info.run_id, name, "theirs" if name == "dataset" else value)
    for name in ("data_digest", "protocol"):
        store.set_tag(elsewhere.info.run_id, name, best_run.data.tags[name])
    store.log_artifact(elsewhere.info.run_id, original)
    store.set_terminated(elsewhere.info.run_id)
    done = promote("demo")
    refused(done, f"run {elsewhere.info.run_id} cannot be promoted: the model needs the item ids")
    refused(done, "no data set is called 'theirs'")
    refused(done, "the best that can be promoted here is Markov")
    refused(done, f"--run {best}")

    done = promote("demo", "--run", best[:8])
    assert done.returncode == 0, done.stderr
    assert store.get_model_version_by_alias("demo", "champion").run_id == best
    done = promote("demo", "--model", "Popularity", "--name", "other")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("other: champion is version 1, Popularity ")
    assert "mlflow models serve -m models:/other@champion " in done.stdout
    assert store.get_model_version_by_alias("other", "champion").run_id == second
    refused(promote("demo", "--model", "SASRec"), "no ranked trial of 'demo' has model SASRec; ")
    refused(promote("demo", "--run", "0" * 32), "has no finished trial with run id 0000")


def test_what_a_killed_promotion_left_is_removed_by_the_next(run_verb, promote, store, here):
    assert run_verb("train", "--dataset", "demo", "--model", "Popularity").returncode == 0
    where = store.get_experiment_by_name("demo").experiment_id
    (run,) = store.search_runs([where])
    dead = {unfinished.PROMOTING: f"{socket.gethostname()} {2**40}"}
    alive = {unfinished.PROMOTING: f"{socket.gethostname()} {os.getpid()}"}
    for tags in (dead, dead, alive):
        store.create_logged_model(where, "recommender", run.info.run_id, tags)
    uploaded, _, at_work = store.search_logged_models([where], PROMOTED, order_by=BY_TIME)
    store.finalize_logged_model(uploaded.model_id, "READY")
    store.create_registered_model("demo")
    source = f"models:/{uploaded.model_id}"
    store.create_model_version("demo", source, run.info.run_id, model_id=uploaded.model_id)

    assert promote("demo").returncode == 0
    version = store.get_model_version_by_alias("demo", "champion")
    left = store.search_logged_models([where], PROMOTED, order_by=BY_TIME)
    new = left[-1].model_id
    assert [model.model_id for model in left] == [at_work.model_id, new]
    assert version.source == f"models:/{new}"
    assert unfinished.PROMOTING not in left[-1].tags
    (only,) = store.search_model_versions("name = 'demo'")
    assert only.version == version.version

    # killed after the alias had moved: the next one finishes it
    store.set_logged_model_tags(new, dead)
    assert promote("demo", "--force").returncode == 0
    former = store.get_logged_model(new)
    assert unfinished.PROMOTING not in former.tags
    assert len(store.search_model_versions("name = 'demo'")) == 2


PROMOTED = "name = 'recommender'"  # the trial has a model, too
BY_TIME = [{"field_name": "creation_timestamp"}]


def test_an_experiment_of_any_name_can_be_promoted_and_answers_as_evaluated(
    run_verb, promote, store, here
):
    mine = "/Users/me@x.org/ml"
    words = ["--dataset", "demo", "--model", "Popularity", "--history", "masked"]
    assert run_verb("train", *words).returncode == 0
    store.rename_experiment(store.get_experiment_by_name("demo").experiment_id, mine)
    refused(promote(mine), f"python -m benchmark.promote --experiment {mine} --name NAME gives it")
    done = promote(mine, "--name", "ml")
    assert done.returncode == 0, done.stderr
    assert "\nanswers leave out the items of the user's history, as the evaluation " in done.stdout
    assert store.get_model_version_by_alias("ml", "champion").version
    refused(promote(mine, "--name", "ml"), "already champion: ml version 1 (run ")
    pd.DataFrame({"history": [["i1", "i2"]]}).to_parquet("h.parquet")
    words = ["--model", "models:/ml@champion", "--histories", "h.parquet", "--output", "o.parquet"]
    done = run_verb("recommend", *words, "--k", "200")
    assert done.returncode == 0, done.stderr
    (items,) = pd.read_parquet("o.parquet")["items"]
    assert len(items) == 198 == len({*items} - {"i1", "i2"})


@pytest.mark.parametrize("name", ["data_digest", "protocol"])
def test_a_champion_on_other_data_is_not_compared_with(promote, log, store, ranks, name):
    crown(store, log("A", ranks[0]), **{name: "another"})
    log("B", ranks[2])
    refused(promote("e"), f"the champion, e version 1 (run {best_run(store)[0]}): other {name}: ")


def best_run(store):
    return [run.info.run_id for run in store.search_runs(["1"], order_by=["start_time ASC"])]


def test_ranks_that_are_missing_are_said_so(promote, log, store, ranks):
    crown(store, log("A", ranks[0]))
    test_comparison.log(store, "B", ranks[2])
    refused(
        promote("e"), "one of them has no ranks of the same validation targets; --force promotes it"
    )


def test_a_published_trial_cannot_be_promoted(promote, run_verb, store):
    done = run_verb("published", str(ROOT / "tests/published_page.md"))
    assert done.returncode == 0, done.stderr
    message = "was published elsewhere (published_page.md): there are no weights to promote"
    refused(promote("amazon-books"), f"the best trial of amazon-books {message}")


def test_what_is_not_there_is_one_line(promote, store):
    refused(promote("nowhere"), "there is no experiment 'nowhere'")
    published.log(store, "amazon-books")
    done = promote("amazon-books", "--data-dir", "nowhere")
    refused(done, "nowhere: the data folder does not exist")
    with pytest.raises(MlflowException):
        store.get_registered_model("amazon-books")
