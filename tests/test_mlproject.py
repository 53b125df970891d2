"""The three steps of the README, and trials and sweeps that `mlflow run` starts."""

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from mlflow import MlflowClient

from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import Settings
from models import versions
from tests.conftest import ROOT, TINY, command, free_port
from tests.forked import Process

pytestmark = pytest.mark.process

# A stand-in for conda, with the few commands that MLflow needs. It creates an environment as conda
# does: it installs the pip section from a requirements file beside the YAML. Every environment uses
# the interpreter of the tests.
CONDA = """#!{python}
import json, subprocess, sys, pathlib, yaml
if sys.argv[1:3] == ["env", "list"]:
    print(json.dumps({{"envs": []}}))
elif sys.argv[1:3] == ["env", "create"]:
    path = pathlib.Path(sys.argv[sys.argv.index("--file") + 1])
    wanted = yaml.safe_load(path.read_text())["dependencies"]
    assert "python=3.11.7" in wanted and "pip" in wanted, wanted
    listed = path.with_name("condaenv.requirements.txt")
    listed.write_text("\\n".join(next(d["pip"] for d in wanted if isinstance(d, dict))))
    pip = [{python!r}, "-m", "pip", "install", "--no-deps", "-r", str(listed)]
    done = subprocess.run(pip, cwd=path.parent, capture_output=True, text=True, check=True)
    pathlib.Path("conda.log").write_text(done.stdout)
"""


@pytest.fixture
def conda(project, monkeypatch):
    """Put a stand-in for conda on the PATH: not every machine can reach conda's channels."""
    folder = project / "conda-bin"
    folder.mkdir()
    (folder / "conda").write_text(CONDA.format(python=sys.executable))
    (folder / "activate").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    for name in ("conda", "activate"):
        (folder / name).chmod(0o755)
    monkeypatch.delenv("CONDA_EXE", raising=False)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return project


@pytest.fixture
def amazon_books(tmp_path_factory):
    """The address of a local HTTP server with a synthetic archive in the layout of Amazon-Books."""
    folder = tmp_path_factory.mktemp("mirror")
    rng = np.random.default_rng(0)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(30):
        for step in range(15):
            row = (f"A{user:013}", f"{rng.integers(20):010}", 3 + step % 3, 1_490_000_000 + step)
            lines.append("\t".join(map(str, row)))
        lines += [f"A{user:013}\t0\t2\t1490000099", f"A{user:013}\t0\t5\t1489999999"]
    with zipfile.ZipFile(folder / "Amazon_Books.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Amazon_Books/Amazon_Books.inter", "\n".join(lines) + "\n")
        archive.writestr("Amazon_Books/Amazon_Books.item", "item_id:token\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=folder)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_three_steps_as_written(conda, amazon_books, store):
    done = command("mlflow", "run", ".", "-P", "learning_rate=0.0003", SEQREC_MIRROR=amazon_books)
    assert done.returncode == 0, done.stderr
    assert "Amazon-Books: 30 users, 20 items, 450 interactions" in done.stdout
    assert "already satisfied: torch==2.13.0" in (conda / "conda.log").read_text()

    uri = f"http://127.0.0.1:{free_port()}"
    # Four workers and a job queue would load for half a minute.
    ui = Process(
        ["mlflow", "ui", "--port", uri.rsplit(":", 1)[1], "--workers", "1"],
        os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        log=Path("ui.log"),
        own=False,
    )
    try:
        for _ in range(600):
            try:
                assert "MLflow" in requests.get(uri, timeout=1).text
                break
            except requests.RequestException:
                time.sleep(0.1)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("amazon-books")
        (run,) = client.search_runs([experiment.experiment_id])
    finally:
        ui.terminate()
        ui.wait(30)
    last = done.stdout.splitlines()[-1]
    opens = f"mlflow ui --backend-store-uri {store.tracking_uri}"
    assert last == f"to open trial {run.info.run_id}: {opens}"
    assert run.data.params["learning_rate"] == "0.0003"
    assert run.data.metrics["test/ndcg_at_10"] > 0

    done = command("python", "-m", "benchmark.report", "--experiment", "amazon-books")
    assert done.returncode == 0, done.stderr
    page = Path("reports/amazon-books.md").read_text()
    assert "- **Dataset**: [Amazon-Books](amazon-books-dataset.md)" in page
    assert Path("reports/amazon-books-dataset.md").read_text().startswith("# Amazon-Books\n")
    assert "best params:  {'learning_rate': 0.0003}" in page

    (launcher,) = store.search_runs(["0"])
    assert launcher.info.status == "FINISHED"
    note = f"This run only started trial {run.info.run_id} in experiment amazon-books."
    assert launcher.data.tags["mlflow.note.content"] == note


def run_project(*options):
    words = ["mlflow", "run", ".", "--env-manager", "local", *options]
    return command(*words)


def test_the_command_in_the_report_repeats_the_trial(project, store):
    """Typed into a shell, whatever the names of its files: data_dir, spaces, quotes, backquotes."""
    folder = project / "raw  files"
    folder.mkdir()
    rows = [f"u{n % 40},i{n * n % 23},{n}\n" for n in range(600)]
    (folder / "mine.csv").write_text("user,item,time\n" + "".join(rows))
    (project / "it's `mine`|ours.yaml").write_text(
        "title: Mine\nsources: [{file: mine.csv, reader: csv, columns: "
        "{user: user, item: item, timestamp: time}}]\nsplit: leave-one-out\n"
    )
    words = ["--dataset", "it's `mine`|ours.yaml", "--model", "ItemKNN"]
    done = command("python", "-m", "benchmark.train", *words, "--data-dir", "raw  files")
    assert done.returncode == 0, done.stderr
    (experiment,) = [e for e in store.search_experiments() if e.name != "Default"]
    report = ("python", "-m", "benchmark.report", "--experiment", experiment.name)
    assert command(*report).returncode == 0
    text = next(path for path in Path("reports").glob("*.md") if "dataset" not in path.name)
    cell = next(line for line in text.read_text().splitlines() if "mlflow run ." in line)
    again = re.search(r"``(mlflow run .*?)``", cell)[1].replace("\\|", "|")
    repeated = command("sh", "-c", again.replace("run .", "run . --env-manager local"))
    assert repeated.returncode == 0, repeated.stderr
    first, second = store.search_runs([experiment.experiment_id], "params.model = 'ItemKNN'")
    assert first.data.params == second.data.params
    for key, value in first.data.metrics.items():
        if key.startswith(("best_valid/", "test/")):
            assert second.data.metrics[key] == value
    assert first.data.tags["data_digest"] == second.data.tags["data_digest"]
    assert first.data.tags["command"] == second.data.tags["command"]


def as_parameters(values: dict) -> list[str]:
    return [word for key, value in values.items() for word in ("-P", f"{key}={value}")]


def tiny(**changes) -> list[str]:
    sizes = dict(zip(TINY[::2], TINY[1::2], strict=True))
    sizes = {key.strip("-").replace("-", "_"): value for key, value in sizes.items()}
    return as_parameters({"dataset": "demo", **sizes, "epochs": 1, **changes})


def test_with_an_experiment_name_the_launchers_run_is_the_trial(project, store, run_verb):
    named = ["--experiment-name", "mine", "--run-name", "a name"]
    done = run_project(*named, *tiny(learning_rate="3e-3"))
    assert done.returncode == 0, done.stderr
    assert store.get_experiment_by_name("demo") is None
    experiment = store.get_experiment_by_name("mine")
    (run,) = store.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a name")
    assert run.data.tags["mlflow.project.entryPoint"] == "main"
    assert set(Settings().as_dict()) <= set(run.data.params)
    done = run_verb("report", "--experiment", "mine")
    assert done.returncode == 0, done.stderr
    assert "learning_rate:0.003\n" in Path("reports/mine.md").read_text()


def test_every_setting_can_be_reached(project, store):
    """One `mlflow run` sets every setting to a value that is not its default."""
    shutil.copy("datasets/demo.yaml", "my data.yaml")
    Path("card.yaml").write_text("seed: 9\n")
    wanted = {
        "dataset": "my data.yaml",
        "recbole_config": "card.yaml",
        "model": "BERT4Rec",
        "recipe": "paper",
        "learning_rate": 0.002,
        "muon_ratio": 5.0,
        "schedule": "cosine",
        "warmup_steps": 7,
        "seed": 5,
        "epochs": 2,
        "batch_size": 64,
        "max_length": 12,
        "windows": "sampled",
        "hidden_size": 8,
        "layers": 1,
        "heads": 1,
        "inner_size": 16,
        "positions": "rotary",
        "neighbours": 2,
        "norm": "pre",
        "head": "linear",
        "repeats": "learned",
        "embeddings": "slist",
        "blend": "slist",
        "initialisation": "glorot",
        "dropout": 0.3,
        "attention_dropout": 0.1,
        "mask_ratio": 0.3,
        "last_share": 0.5,
        "causal_share": 0.5,
        "history_dropout": 0.2,
        "negatives": 100,
        "temperature": 0.1,
        "history": "masked",
        "evaluate_users": 1000,
        "ema_decay": 0.9,
        "patience": 4,
        "precision": "bf16",
        "device": "cpu",
    }
    # BERT4Rec refuses calibration, which only gSASRec has.
    assert set(SETTINGS) - set(wanted) == {"calibration"}
    Path("some where").mkdir()
    done = run_project(*as_parameters({**wanted, "data_dir": "some where"}))
    assert done.returncode == 0, done.stderr
    (run,) = store.search_runs([store.get_experiment_by_name("my data").experiment_id])
    logged = wanted | versions("BERT4Rec", wanted)
    assert run.data.params == {key: str(value) for key, value in logged.items()}

    done = run_project(*as_parameters({"resume": run.info.run_id}))
    assert done.returncode == 1
    assert "has finished: there is nothing to resume" in done.stderr


def run_sweep(*options):
    return run_project("-e", "sweep", *options, *tiny())


def test_a_sweep_is_started_and_gone_on_with_by_mlflow_run(project, store, run_verb):
    done = run_sweep("--run-name", "a name")
    assert done.returncode == 0, done.stderr
    assert "trial 5 of 5: learning_rate=0.005 seed=1" in done.stdout
    (launcher,) = store.search_runs(["0"])
    experiment = store.get_experiment_by_name("demo")
    runs = store.search_runs([experiment.experiment_id])
    (sweep,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert sweep.info.run_name == "a name"
    note = f"This run only started sweep {sweep.info.run_id} in experiment demo."
    assert launcher.data.tags["mlflow.note.content"] == note
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"to open sweep {sweep.info.run_id}: mlflow ui --backend-store-uri ")
    page = run_verb("report", "--experiment", "demo")
    assert page.returncode == 0, page.stderr
    published = "learning_rate choice [0.0003, 0.0005, 0.001, 0.003, 0.005]"
    assert published in Path("reports/demo.md").read_text()


def test_with_an_experiment_name_the_launchers_run_is_the_sweep(project, store, run_verb):
    Path("two.yaml").write_text("learning_rate: [0.01, 0.02]\n")
    for promote in ("false", "true"):
        words = ["-P", "space=two.yaml", "-P", f"promote={promote}"]
        done = run_sweep("--experiment-name", "mine", *words)
        assert done.returncode == 0, done.stderr
        assert ("mine: champion is version 1, " in done.stdout) == (promote == "true")
    experiment = store.get_experiment_by_name("mine")
    runs = store.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert len(runs) == 4
    sweep, trials, second = runs[0], runs[1:3], runs[3]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {sweep.info.run_id}
    assert second.data.tags["started_run"] == sweep.info.run_id
    done = run_verb("report", "--experiment", "mine")
    assert "not ranked" not in done.stdout
    assert "learning_rate choice [0.01, 0.02]" in Path("reports/mine.md").read_text()


def test_a_mistake_in_a_parameter_is_said_and_fails(project, store):
    done = run_project(*tiny(learningrate=1))
    assert done.returncode != 0
    assert "No such option '--learningrate'" in done.stderr
    (launcher,) = store.search_runs(["0"])
    assert launcher.info.status == "FAILED"


def test_one_file_pins_the_environment_of_every_manager():
    from mlflow.utils.environment import _PythonEnv

    environment = _PythonEnv.from_conda_yaml(ROOT / "conda.yaml")
    assert environment.python == "3.11.7"
    assert environment.dependencies == ["-r requirements.txt"]
    requirements = (ROOT / "requirements.txt").read_bytes()
    name = yaml.safe_load((ROOT / "conda.yaml").read_text())["name"]
    assert name.endswith(hashlib.sha256(requirements).hexdigest()[:8])
    pinned = [line for line in requirements.decode().splitlines() if line[0] != "#"]
    assert all("==" in line for line in pinned)
    assert "torch==2.13.0" in pinned
    assert yaml.safe_load((ROOT / "MLproject").read_text())["conda_env"] == "conda.yaml"


def test_mlflows_lazy_imports_work_beside_a_folder_called_datasets():
    """`datasets` is also the name of a package that MLflow imports where it is installed."""
    code = f"""
import sys, numpy, pandas, datasets
assert datasets.__file__.startswith({str(ROOT)!r}), datasets.__file__
import mlflow, mlflow.data, mlflow.pyfunc, mlflow.pytorch, mlflow.sklearn, mlflow.models
from mlflow.data import huggingface_dataset_source, meta_dataset
frame = pandas.DataFrame({{"x": [1.0, 2.0]}})
mlflow.data.from_pandas(frame).to_dict()
mlflow.data.from_numpy(numpy.ones(2)).to_dict()
mlflow.models.infer_signature(frame)
from mlflow.models.evaluation import evaluator_registry
mlflow.sklearn.autolog(disable=True)
assert sys.modules["datasets"] is datasets
from datasets.prepare import load
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
