"""A model outside this repository is trained, searched, resumed, reported and served as others."""

import re
import sys
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from benchmark.settings.settings import Settings, declared
from models import outside
from tests.benchmark.reporting.test_report import printed
from tests.conftest import ROOT

PAGE = (ROOT / "docs/models.md").read_text()
EXAMPLE = re.search(r"<!-- new: mean.py -->\n```python\n(.*?)```\n", PAGE, re.DOTALL)[1]
TWO = ["--epochs", "2", "--hidden-size", "8", "--blend", "none", "--embeddings", "random"]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    """Each command of a test would be a process of its own."""
    monkeypatch.setattr(outside, "_loaded", {})
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def mean(tmp_path) -> str:
    """The example of docs/models.md in a folder outside the repository; its name for --model."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mean.py").write_text(EXAMPLE)
    return f"{folder}/mean.py:MeanOfLast"


def runs(store):
    return store.search_runs([store.get_experiment_by_name("mine").experiment_id])


def test_the_example_of_the_page_is_trained_and_reported(
    run_verb, store, own_data, mean, monkeypatch
):
    words = ["train", "--dataset", own_data, "--model", mean, *TWO, "--decay", "0.5"]
    for seed in ("1", "2"):
        done = run_verb(*words, "--seed", seed)
        assert done.returncode == 0, done.stderr
    source = Path(mean.rpartition(":")[0])
    source.write_text(EXAMPLE.replace("std=0.02", "std=0.03"))
    outside._loaded.clear()
    assert run_verb(*words, "--seed", "3").returncode == 0
    newest, _, first = runs(store)
    params = first.data.params
    assert (params["model"], params["decay"], params["max_length"]) == (mean, "0.5", "10")
    assert params["model_source"] != newest.data.params["model_source"]
    assert f"-P model={mean} -P" in first.data.tags["command"]
    assert first.info.run_name.startswith("MeanOfLast lr=")
    done = run_verb("report", "--experiment", "mine")
    assert done.returncode == 0, done.stderr
    models = [row["model"] for row in printed(done.stdout)]
    assert models == ["MeanOfLast"] * 2, done.stdout  # the seeds of one source are one row
    assert str(source) not in done.stdout


def test_a_trial_resumes_with_the_source_that_it_started_with(run_verb, store, own_data, mean):
    source = Path(mean.rpartition(":")[0])
    stops = EXAMPLE.replace(
        "        none = ",
        "        import os\n"
        "        if os.path.exists('stop'):\n"
        "            raise KeyboardInterrupt\n"
        "        none = ",
    )
    source.write_text(stops)
    words = ["train", "--dataset", own_data, "--model", mean, *TWO]
    assert run_verb(*words).returncode == 0
    Path("stop").touch()
    done = run_verb(*words)
    assert done.returncode == 130
    assert "to resume: python -m benchmark.train --resume" in done.stderr
    Path("stop").unlink()
    source.unlink()
    outside._loaded.clear()
    done = run_verb("train", "--resume", runs(store)[0].info.run_id)
    assert done.returncode == 0, done.stderr
    resumed, whole = runs(store)
    metrics = [name for name in whole.data.metrics if name.startswith("test/")]
    assert metrics
    assert {m: resumed.data.metrics[m] for m in metrics} == {
        m: whole.data.metrics[m] for m in metrics
    }


def test_its_settings_are_searched_beside_those_of_other_models(run_verb, store, own_data, mean):
    Path("space.yaml").write_text(f"model: ['{mean}', Popularity]\ndecay: [0.5, 1]\n")
    words = ["sweep", "space.yaml", "--dataset", own_data, "--epochs", "1"]
    done = run_verb(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" starts: ") == 3  # decay is of one model alone
    source = Path(mean.rpartition(":")[0])
    source.write_text(EXAMPLE + "\n")
    outside._loaded.clear()
    done = run_verb(*words)
    assert done.returncode == 1
    assert "with other model sources: " in done.stderr
    Path("space.yaml").write_text("model: ['none.py:A']\nseed: [1]\n")
    done = run_verb(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: space.yaml: model: none.py (relative paths begin at ")
    assert len(done.stderr.splitlines()) == 1
    Path("space.yaml").write_text("decay: [0.5, none]\n")
    done = run_verb("sweep", "space.yaml", "--dataset", own_data, "--model", mean)
    assert done.returncode == 1
    assert "decay cannot be 'none': it should be a finite number" in done.stderr


def test_a_wrong_model_is_one_line_and_starts_no_run(run_verb, store, own_data, here, mean):
    for file, name in (("a", "data_dir"), ("b", "resume"), ("c", "help"), ("d", "run_id")):
        (here / f"{file}.py").write_text(EXAMPLE.replace("decay: ", f"{name}: str = '', decay: "))
    (here / "e.py").write_text(EXAMPLE.replace("super().__init__(", "len("))
    for model, code, message in (
        ("none.py:A", 1, "No such file or directory"),
        ("e.py:MeanOfLast", 1, "MeanOfLast cannot be built: "),
        ("a.py:MeanOfLast", 1, "data_dir is another option: give the setting another name"),
        ("b.py:MeanOfLast", 1, "resume is another option: give the setting another name"),
        ("c.py:MeanOfLast", 1, "help is another option: give the setting another name"),
        ("d.py:MeanOfLast", 1, "run_id is another option: give the setting another name"),
        (f"{mean}2", 1, "has no class MeanOfLast2; its models are: MeanOfLast"),
    ):
        done = run_verb("train", "--dataset", own_data, "--model", model)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = run_verb("train", "--dataset", own_data, "--model", mean, "--decay", "much")
    assert done.returncode == 2
    assert "'much' is not a valid float" in done.stderr
    done = run_verb("train", "--dataset", own_data, "--model", "SASRec", "--decay", "1")
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert store.get_experiment_by_name("mine") is None


def test_an_error_in_its_code_keeps_its_traceback(run_verb, store, own_data, mean):
    Path(mean.rpartition(":")[0]).write_text(
        EXAMPLE.replace("self.mean(items) @", "self.nothing @")
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'") as caught:
        run_verb("train", "--dataset", own_data, "--model", mean, *TWO)
    (note,) = caught.value.__notes__
    assert note == f"to look for a mistake in the model: python -m benchmark.check {mean}"
    (run,) = runs(store)
    assert run.data.tags["failure"].startswith("AttributeError: ")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ("{} * float('nan')", "the scores of targets are not numbers (NaN)"),
        ("{}.tolist()", "scores should be a tensor, not list"),
        ("{}.long()", "scores are torch.int64 of shape "),
        ("F.pad({}, (0, 1))", "they should be float of shape [batch, "),
    ],
)
def test_scores_that_no_model_may_give_are_one_line(
    run_verb, store, own_data, mean, scores, message
):
    given = re.search(r"def scores.*\n +return (.*)", EXAMPLE)[1]
    Path(mean.rpartition(":")[0]).write_text(EXAMPLE.replace(given, scores.format(f"({given})")))
    done = run_verb("train", "--dataset", own_data, "--model", mean, *TWO)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: MeanOfLast: ")
    assert message in done.stderr
    (run,) = runs(store)
    assert run.info.status == "FAILED"


CONSTRUCTORS = """
from typing import Annotated, Literal
from models.counted import Counted

class Base(Counted):
    def count(self, items, users): pass
    def queries(self, histories): pass
    def scores(self, queries, first, last): pass

class Good(Base):
    def __init__(
        self,
        n_items,
        hidden_size: int = 16,
        share: Annotated[float, "Share of all."] = 1,
        kind: Literal["a", "b"] = "a",
        k=3,
    ):
        super().__init__(n_items)

class NoDefault(Base):
    def __init__(self, n_items, k): super().__init__(n_items)

class Boolean(Base):
    def __init__(self, n_items, k=True): super().__init__(n_items)

class Logged(Base):
    def __init__(self, n_items, model_source=""): super().__init__(n_items)

class NoChoice(Base):
    def __init__(self, n_items, kind: Literal["a", "b"] = "c"): super().__init__(n_items)

class OutOfLimits(Base):
    def __init__(self, n_items, dropout: float = 2.0): super().__init__(n_items)
"""


def test_settings_are_the_arguments_of_the_constructor(here):
    (here / "a.py").write_text(CONSTRUCTORS)
    own = declared("a.py:Good")
    share = own["share"]
    assert (share.default, share.kind, share.help) == (1, float, "Share of all.")
    assert (own["kind"].choices, own["k"].kind) == (("a", "b"), int)
    settings = Settings.of(model="a.py:Good", k=5)
    assert settings.hidden_size == 16  # the constructor's, not seqrec's
    given = {"hidden_size": 16, "share": 1, "kind": "a", "k": 5}
    assert {name: settings.as_dict()[name] for name in given} == given
    assert "k" not in Settings.of().as_dict()
    assert Settings.stored(settings.as_dict()) == settings
    for values, message in (
        ({"k": 2.5}, "k cannot be 2.5: it should be an integer, at most 1,000,000"),
        ({"kind": "c"}, "kind cannot be 'c': it should be one of a, b"),
        ({"decay": 1}, "has no setting decay"),
        ({"dropout": 0.1}, "has no setting dropout"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            Settings.of(model="a.py:Good", **values)
    for name, message in (
        ("NoDefault", "NoDefault: argument k of its constructor needs a default"),
        ("Boolean", "its default is True, but a setting is a text, an integer or a float"),
        ("Logged", "argument model_source: runs log something else as model_source"),
        ("NoChoice", "kind cannot be 'c': it should be one of a, b"),
        ("OutOfLimits", "dropout cannot be 2.0: it should be a finite number, at least 0 and"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            Settings.of(model=f"a.py:{name}")


def test_help_shows_the_settings_of_the_model_that_is_named(run_verb, mean):
    assert "--decay" not in run_verb("train", "--help").stdout
    done = run_verb("train", f"--model={mean}", "--help")
    assert "--decay FLOAT" in done.stdout
    assert "<=None" not in done.stdout
    assert "Weight of an item, as a multiple of the next one's." in " ".join(done.stdout.split())


def test_a_champion_answers_without_its_source(run_verb, store, own_data, mean, monkeypatch):
    assert run_verb("train", "--dataset", own_data, "--model", mean, *TWO).returncode == 0
    Path(mean.rpartition(":")[0]).unlink()
    outside._loaded.clear()
    done = run_verb("promote", "--experiment", "mine")
    assert done.returncode == 0, done.stderr
    assert "mine: champion is version 1, MeanOfLast lr=" in done.stdout
    outside._loaded.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    found = mlflow.pyfunc.load_model("models:/mine@champion")
    (answer,) = found.predict(pd.DataFrame({"history": [["i0", "i2"]]}), params={"k": 3})["items"]
    assert len(answer) == 3
    assert not outside._loaded  # all of its code is the model's own copy
    where = type(found.unwrap_python_model().model).__module__
    assert re.fullmatch(r"seqrec_[0-9a-f]{12}\.outside\.file", where)
