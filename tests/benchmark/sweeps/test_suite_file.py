"""The file of a suite: what it means, and what is refused with one line."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from benchmark.errors import UserError
from benchmark.settings.settings import Settings
from benchmark.sweeps import suite_file
from benchmark.sweeps.budget import Budget
from benchmark.sweeps.contenders import SPACES, Own, contenders
from benchmark.sweeps.space import Choice
from benchmark.sweeps.suite_file import SUITES
from datasets import DataError

GOOD = {
    "title": "Good",
    "seeds": 2,
    "budget": "2h",
    "settings": {"epochs": 5, "learning_rate": "1e-3"},
    "datasets": ["demo", {"dataset": "demo", "history": "masked", "epochs": 7}],
    "models": {
        "sasrec": None,
        "BERT4Rec": {"settings": {"epochs": 9}, "space": {"dropout": [0.1, 0.2]}},
    },
    "baselines": ["Popularity"],
}


def write(folder: Path, **changes) -> str:
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    path = folder / "good.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


def test_settings_of_a_model_go_before_those_of_a_data_set_and_of_the_suite(tmp_path):
    suite = suite_file.read(write(tmp_path))
    assert (suite.name, suite.title, suite.seeds) == ("good", "Good", 2)
    assert suite.budget == Budget(seconds=7200)
    assert suite.models == ["SASRec", "BERT4Rec", "Popularity"]
    first, second = map(suite.request, suite.datasets)
    assert (first.name, second.name) == ("good-demo", "good-demo-masked")
    epochs, found = [], []
    for request in (first, second):
        baselines, learned = request._contenders(request.counted)
        assert baselines.definition.space["model"].values == ("Popularity",)
        for contender in learned:
            base = contender.definition.base
            epochs.append((contender.name, base.history, base.epochs, base.learning_rate))
            found.append(contender.definition.space.keys())
    assert epochs == [
        ("SASRec", "ranked", 5, 0.001),
        ("BERT4Rec", "ranked", 9, 0.001),
        ("SASRec", "masked", 7, 0.001),
        ("BERT4Rec", "masked", 9, 0.001),
    ]
    assert found[1] == found[3] == {"dropout"}
    assert {"dropout", "hidden_size"} <= found[0]


def test_baselines_are_all_counted_models_or_those_listed_or_none(tmp_path):
    def read(**changes):
        return suite_file.read(write(tmp_path, **changes))

    assert list(read(baselines=...).counted) == models.counted_models()
    assert read(baselines=False).counted == ()
    assert read(models=..., settings=..., datasets=["demo"]).models == ["Popularity"]
    owned = {"SASRec": Own(space={"dropout": Choice((0.1,))})}
    none, (sasrec,) = contenders(["SASRec"], [], {}, Settings.of, SPACES, owned)
    assert none is None
    assert list(sasrec.definition.space) == ["dropout"]


@pytest.mark.parametrize("name", sorted(path.stem for path in SUITES.glob("*.yaml")))
def test_the_suites_of_this_project_can_be_read(name):
    suite = suite_file.read(name)
    assert {"BERT4Rec", "SASRec", "EASE", "Popularity"} <= set(suite.models)
    assert suite.seeds == 3
    if name == "quick":
        synthetic = [entry.name for entry in suite.datasets if entry.spec.synthetic]
        assert synthetic == ["demo"]
        assert "synthetic" in suite.title


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": ...}, "datasets should be a list with at least one data set"),
        ({"datasets": "demo"}, "datasets should be a list, not 'demo'"),
        ({"datasets": ["nowhere"]}, "datasets, entry 1: no data set is called 'nowhere'"),
        ({"datasets": ["demo", 3]}, "datasets, entry 2 should name a data set, not 3"),
        ({"datasets": [{"dataset": "demo", "histry": "masked"}]}, "entry 1: 'histry': no model"),
        ({"datasets": [{"dataset": "demo", "history": "hidden"}]}, "history cannot be 'hidden'"),
        ({"datasets": ["demo", "demo"]}, "entry 2: 'demo' is there twice"),
        ({"models": {"SasRecc": None}}, "models: no model is called 'SasRecc'"),
        ({"models": {"EASE": None}}, "models: EASE is a counted model: name it under baselines"),
        ({"models": {"SASRec": None, "sasrec": None}}, "models: SASRec is there twice"),
        ({"models": {"SASRec": {"spaces": {}}}}, "models: SASRec: unknown key 'spaces'"),
        ({"models": {"SASRec": {"settings": {"history": "masked"}}}}, "'history': cannot be given"),
        (
            {"models": {"SASRec": {"settings": {"mask_ratio": 0.1}}}},
            "SASRec: 'mask_ratio': no model",
        ),
        ({"models": {"SASRec": {"space": {"dropout": []}}}}, "SASRec: space: dropout: no value"),
        ({"models": {"SASRec": {"space": {"epochs": [1, 2]}}}}, "epochs: both searched and given"),
        ({"baselines": ["SASRec"]}, "baselines: SASRec is a learned model"),
        ({"models": ..., "baselines": False}, "no model is named under models"),
        ({"settings": {"epochs": 0}}, "settings: epochs cannot be 0"),
        ({"settings": {"dataset": "demo"}}, "settings: 'dataset': cannot be given here"),
        ({"models": ..., "settings": {"epochs": 1}}, "'epochs': no model of this part"),
        ({"seeds": 0}, "seeds should be a whole number from 1 to 1,000, not 0"),
        ({"budget": "2x"}, "budget: '2x' is neither a number of points"),
        ({"budget": "1:30"}, "budget: '1:30' is neither a number of points"),
        ({"budget": None}, "budget should be a number of points, such as 8, or a time, such as 2h"),
        ({"budget": True}, "(at most a year), not True"),
        ({"title": ["a"]}, "title should be one line of text"),
        ({"modles": {}}, "unknown key 'modles'"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path, changes, message):
    path = write(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        suite_file.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_suite_is_named_with_those_that_there_are(run_verb):
    done = run_verb("suite", "quik")
    assert done.returncode == 1
    known = "no suite is called 'quik': choose one of defaults, literature, quick, or give the path"
    assert known in done.stderr


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["space", "settings"]), inner)
    ),
    max_leaves=5,
)


@settings(max_examples=150)
@given(key=st.sampled_from([*GOOD, "other"]), value=VALUES)
def test_no_content_gives_a_traceback(tmp_path_factory, key, value):
    path = write(tmp_path_factory.mktemp("suite"), **{key: value})
    lines = []
    try:
        suite_file.read(path)
    except (UserError, DataError) as error:
        lines = str(error).splitlines()
    assert len(lines) <= 1
