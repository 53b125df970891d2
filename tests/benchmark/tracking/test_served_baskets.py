"""Interactions at the same time are one basket, in what is served as in the evaluation."""

import json
import re
import shutil
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc.scoring_server import invocations
from mlflow.types import Schema

import models
from benchmark.settings.settings import Settings
from benchmark.tracking.registry.export import INPUTS, export
from benchmark.tracking.registry.recommender import checked_body
from benchmark.training import checkpoint
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from datasets.splitting.splits import leave_one_out
from models import ranking

JSON = "application/json"
SMALL = {"hidden_size": 8, "inner_size": 8, "heads": 1, "layers": 1, "max_length": 12}
SETTINGS = {
    "PersonalFrequency": {},
    "SASRec": SMALL | {"epochs": 1, "learning_rate": 0.01, "batch_size": 16},
}


@pytest.fixture
def shop(here):
    """120 users who buy baskets of different items, described by shop.yaml.

    Most items are among the six that the user likes.
    """
    chance = np.random.default_rng(0)
    rows = []
    for user in range(120):
        liked = chance.integers(40, size=6)
        for day in range(chance.integers(4, 8)):
            basket = np.where(chance.random(4) < 0.8, chance.choice(liked, 4), chance.integers(40))
            basket = np.unique(basket[: chance.integers(1, 5)])
            rows += [f"u{user:03},i{item:02},{1000 + day}\n" for item in chance.permutation(basket)]
    (here / "data").mkdir()
    (here / "data/shop.csv").write_text("user,item,day\n" + "".join(rows))
    columns = {"user": "user", "item": "item", "timestamp": "day"}
    source = {"file": "shop.csv", "reader": "csv", "columns": columns}
    (here / "shop.yaml").write_text(yaml.safe_dump({"title": "Shop", "sources": [source]}))
    return load("shop.yaml")[1]


@pytest.fixture(params=SETTINGS)
def trainer(request, shop):
    """A trial that has ended, whose model is also in the folder m, as `promote` exports it."""
    settings = Settings.of(model=request.param, **SETTINGS[request.param])
    trainer = Trainer(settings, shop, leave_one_out(shop))
    for _ in trainer.epochs():
        pass
    trainer.result()
    weights = Path("weights.safetensors")
    checkpoint.save(weights, *trainer.best_state())
    export(Path("m"), Model(), trainer.settings, weights, shop.item_ids.tolist())
    return trainer


def of_users(values: np.ndarray, sequences) -> list[list]:
    return [part.tolist() for part in np.split(values, sequences.offsets[1:-1])]


def test_the_ten_best_are_those_of_the_evaluation(trainer, run_verb, store):
    """From `recommend` on a data set and on a file, from Python, and over HTTP."""
    shop = trainer.sequences
    best, _ = ranking.recommend(
        trainer.averaged, trainer.interactions, shop.offsets[:-1], shop.offsets[1:], 10
    )
    evaluated = shop.item_ids[best].tolist()
    histories = pd.DataFrame(
        {
            "history": of_users(shop.item_ids[shop.items], shop),
            "times": of_users(shop.timestamps, shop),
        }
    )

    def written(*options: str) -> list[list[str]]:
        done = run_verb("recommend", "--model", "m", *options, "--output", "o.parquet")
        assert (done.returncode, done.stderr) == (0, "")
        found = pd.read_parquet("o.parquet")
        assert list(found)[-2:] == ["items", "scores"]
        return [items.tolist() for items in found["items"]]

    assert written("--dataset", "shop.yaml") == evaluated
    histories.to_parquet("h.parquet")
    assert written("--histories", "h.parquet") == evaluated

    model = mlflow.pyfunc.load_model("m")
    assert model.predict(histories)["items"].tolist() == evaluated
    split = histories.to_dict(orient="split", index=False)
    body = checked_body(json.dumps({"dataframe_split": split}).encode(), JSON)
    response = invocations(body, JSON, model, model.metadata.get_input_schema())
    served = json.loads(response.response)["predictions"]
    assert [row["items"] for row in served] == evaluated

    histories["times"] = None
    untimed = model.predict(histories)["items"].tolist()
    assert untimed == model.predict(histories[["history"]])["items"].tolist() != evaluated


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of the items 0 to 19 to which baskets matter, as `promote` exports it."""
    folder = tmp_path_factory.mktemp("exported")
    settings = Settings.of(model="PersonalFrequency")
    weights = models.build("PersonalFrequency", 20, {}).state_dict()
    weights["decay"].fill_(0.5)
    checkpoint.save(folder / "weights", weights, {})
    export(folder / "m", Model(), settings, folder / "weights", [str(n) for n in range(20)])
    return folder / "m"


@pytest.fixture(scope="module")
def model(folder):
    return mlflow.pyfunc.load_model(str(folder))


def first(model, history: list, times: object) -> list[str]:
    """The three best items."""
    row = pd.DataFrame({"history": [history], "times": [times]})
    return model.predict(row, params={"k": 3})["items"][0]


def test_ids_that_are_unknown_are_left_out_with_their_times(model):
    history = ["7", "5", "5", "3", "3", "?", "?"]
    one = first(model, history[:5], [1, 1, 1, 2, 2])
    assert one == ["3", "5", "7"]
    assert first(model, ["?", *history], [0, 1, 1, 1, 2, 2, 2, 9]) == one
    assert first(model, history, np.array([-1.5, -1.5, -1.5, 2, 2, 2, 2])) == one


def test_each_row_has_times_or_not(model):
    history = ["5", "5", "5", "7"]
    rows = pd.DataFrame({"history": [history, history, []], "times": [[1, 1, 1, 2], None, []]})
    timed, untimed, empty = model.predict(rows, params={"k": 3})["items"]
    assert timed == first(model, history, [1, 1, 1, 2])
    assert untimed == first(model, history, [1, 2, 3, 4]) == first(model, history, None) != timed
    assert len(empty) == 3


FORMATS = [
    {"dataframe_records": [{"history": ["7", "7", "5"], "times": [1, 1, 1]}, {"history": ["3"]}]},
    {
        "dataframe_split": {
            "columns": ["times", "user", "history"],
            "data": [[[1, 1, 1], "a", ["7", "7", "5"]], [None, "b", ["3"]]],
        }
    },
    {"inputs": {"history": [["7", "7", "5"], ["3"]], "times": [[1, 1, 1], None]}},
    {"inputs": [{"history": ["7", "7", "5"], "times": [1, 1, 1]}, {"history": ["3"]}]},
    {"instances": [{"history": ["7", "7", "5"], "times": [1, 1, 1]}, {"history": ["3"]}]},
]


@pytest.mark.parametrize("sent", FORMATS)
def test_times_are_read_in_every_format(sent):
    passed = json.loads(checked_body(json.dumps(sent).encode(), JSON))["dataframe_split"]
    assert passed == {
        "columns": ["history", "times"],
        "data": [[["7", "7", "5"], [1, 1, 1]], [["3"], None]],
    }


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (3, "times of row 0 is 3: a list of numbers is expected"),
        ("123", "times of row 0 is '123': a list of numbers is expected"),
        ([1, 2], "times of row 0 has 2 numbers, and its history 3 ids: each id has a time"),
        ([1, None, 2], "times of row 0 has None: times are numbers"),
        ([1, "2", 3], "times of row 0 has '2': times are numbers"),
        ([1, True, 3], "times of row 0 has True: times are numbers"),
        ([1, 2, float("nan")], "times of row 0 has nan: times are numbers"),
        ([1, 2, float("inf")], "times of row 0 has inf: times are numbers"),
        ([1, 2, 10**400], "times of row 0 has 1000"),
        ([1, 3, 2], "times of row 0 has 2 after 3: a history is ordered by time, oldest first"),
    ],
)
def test_times_that_do_not_fit_are_refused_in_one_line(model, times, message):
    """MLflow's server makes a 400 of the exception."""
    with pytest.raises(MlflowException, match=re.escape(message)) as refusal:
        first(model, ["7", "?", "5"], times)
    assert refusal.value.get_http_status_code() == 400
    assert len(refusal.value.message.splitlines()) == 1


@pytest.mark.parametrize("times", [[[1]], [[1], [1], [1]], 1, {"0": [1], "1": [1]}, "ab", []])
def test_a_column_of_times_has_a_value_for_each_history(times):
    sent = {"inputs": {"history": [["7"], ["3"]], "times": times}}
    with pytest.raises(MlflowException, match="a list, with one value for each history, is expec"):
        checked_body(json.dumps(sent).encode(), JSON)


def test_a_row_has_a_value_for_each_column():
    sent = {"dataframe_split": {"columns": ["history", "times"], "data": [[["7"], [1]], [["3"]]]}}
    with pytest.raises(MlflowException, match="do not have a value for each of its columns"):
        checked_body(json.dumps(sent).encode(), JSON)


EARLIER = """

class Recommender(Recommender):
    def best(self, ids, lengths, k, exclude_seen):
        return super().best(ids, lengths, k, exclude_seen)


set_model(Recommender())
"""


def test_a_model_of_an_earlier_version_is_asked_without_times(model, folder, run_verb, store):
    timed, untimed = (first(model, ["7", "7", "5"], times) for times in ([1, 1, 1], None))
    assert timed != untimed
    shutil.copytree(folder, "m")
    with open("m/recommender.py", "a") as code:
        code.write(EARLIER)
    about = Model.load("m")
    signature = about.signature
    history = Schema([column for column in INPUTS if column.name == "history"])
    about.signature = ModelSignature(history, signature.outputs, signature.params)
    about.save("m/MLmodel")
    pd.DataFrame({"history": [["7", "7", "5"]], "times": [[1, 1, 1]]}).to_parquet("h.parquet")
    words = ["--model", "m", "--histories", "h.parquet", "--output", "o.parquet", "--k", "3"]
    done = run_verb("recommend", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert pd.read_parquet("o.parquet")["items"][0].tolist() == untimed
