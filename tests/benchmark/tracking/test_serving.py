"""A promoted model in use: `mlflow models serve` over real HTTP, and `benchmark.recommend`."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from mlflow import MlflowClient
from mlflow.models import Model

import models
from benchmark.settings.settings import Settings
from benchmark.tracking.registry.export import export
from benchmark.training import checkpoint
from datasets.prepare import load
from datasets.splitting.splits import leave_one_out
from models.networks.scorer import MEMORY
from tests.benchmark.tracking.test_promote import GOOD
from tests.conftest import ROOT, command, free_port, place, serve, wait_for

pytestmark = pytest.mark.process

URI = "models:/demo@champion"
HISTORY = ["i5", "i17", "i3"]


def without_this_repository(tracking_uri) -> dict[str, str]:
    """Environment variables for a process that has the model, but not this repository."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return kept | {"PATH": path, "MLFLOW_TRACKING_URI": tracking_uri}


@contextmanager
def scoring_server(folder, tracking_uri):
    """Run a real `mlflow models serve` of the champion, and give its address."""
    where = f"http://127.0.0.1:{free_port()}"
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", URI]
    words += ["--env-manager", "local", "--port", where.rsplit(":", 1)[1]]
    (folder / "empty").mkdir()  # outside this repository, which has a package models, too
    with open(folder / "scoring.log", "w") as log:
        process = subprocess.Popen(
            words,
            env=without_this_repository(tracking_uri),
            cwd=folder / "empty",
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(f"{where}/ping", folder / "scoring.log", tries=3000)
        yield where
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def served(tmp_path_factory, new_database):
    """A trained, promoted and served model: its folder, tracking server and scoring server."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in list(os.environ):
            if name.startswith(("MLFLOW_", "SEQREC_")):
                patch.delenv(name)
        with serve(folder, place(new_database, folder / "server.db")) as tracking_uri:
            words = ["python", "-m", "benchmark.train", "--dataset", "demo", *GOOD]
            words += ["--repeats", "frequency"]  # so that times matter
            done = command(*words, MLFLOW_TRACKING_URI=tracking_uri)
            assert done.returncode == 0, done.stderr
            words = ["python", "-m", "benchmark.promote", "--experiment", "demo"]
            done = command(*words, MLFLOW_TRACKING_URI=tracking_uri)
            assert done.returncode == 0, done.stderr
            with scoring_server(folder, tracking_uri) as where:
                yield SimpleNamespace(folder=folder, tracking_uri=tracking_uri, where=where)


@pytest.fixture
def post(served):
    """``post(body)``: the server's response. ``body`` is bytes, or an object to send as JSON."""

    def post(body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"content-type": kind}
        return requests.post(f"{served.where}/invocations", data, headers=headers, timeout=60)

    return post


@pytest.fixture
def ask(post):
    """``ask([HISTORY], k=3)``: the items and scores for each history."""

    def ask(histories, **params):
        body = {"dataframe_records": [{"history": h} for h in histories], "params": params}
        done = post(body)
        assert done.status_code == 200, done.text
        return [(row["items"], row["scores"]) for row in done.json()["predictions"]]

    return ask


@pytest.fixture
def tested(served, monkeypatch):
    """Histories of the test split, and the ranks that the trial logged for their targets."""
    monkeypatch.chdir(served.folder)
    _, sequences = load("demo")
    targets = leave_one_out(sequences).test
    spans = zip(targets.starts, targets.positions, strict=True)
    raw = sequences.item_ids[sequences.items]
    histories = [raw[start:end].tolist() for start, end in spans]
    client = MlflowClient(served.tracking_uri)
    run_id = client.get_model_version_by_alias("demo", "champion").run_id
    ranks = pd.read_parquet(client.download_artifacts(run_id, "ranks/test.parquet"))
    return histories, ranks


def test_what_is_served_is_the_ranking_of_the_evaluation(ask, tested):
    histories, ranks = tested
    exact = 0
    for first in range(0, 1000, 500):
        answers = ask(histories[first : first + 500], k=1000)  # the whole catalogue
        for (items, scores), target in zip(
            answers, ranks[first : first + 500].itertuples(), strict=True
        ):
            assert len(items) == len(set(items)) == 200
            scores = np.array(scores)
            assert (np.diff(scores) <= 0).all()
            own = scores[items.index(target.item)]
            # The last digit of a score depends on the other users of its batch.
            above, not_below = (scores > own + 1e-5).sum(), (scores >= own - 1e-5).sum()
            assert above < target.rank <= not_below
            exact += items.index(target.item) + 1 == target.rank
    assert exact > 990
    assert (ranks["rank"] <= 10).mean() > 0.2  # the model has learned something


def test_histories_of_every_kind_have_an_answer(ask):
    (alone,) = ask([HISTORY])
    known, empty, unknown, mixed = ask([HISTORY, [], ["no such item"], ["?", *HISTORY, "?"]])
    assert known[0] == mixed[0] == alone[0]
    assert len(known[0]) == 10
    assert empty == unknown
    long = [f"i{n % 200}" for n in range(5000)]
    read = 50 + MEMORY  # max_length, and items before these whose repeats count
    ((items, _), (last, _)) = ask([long, long[-read:]])
    assert items == last


def test_items_with_equal_times_are_one_basket(post):
    def scores(times):
        records = [{"history": HISTORY, "times": times}]
        done = post({"dataframe_records": records, "params": {"k": 200}})
        (row,) = done.json()["predictions"]
        return [row["scores"][row["items"].index(item)] for item in HISTORY]

    assert scores([1, 2, 2.5]) == scores(None) != scores([1, 1, 1])


def test_k_and_what_the_user_had(ask, post):
    ((whole, _),) = ask([HISTORY], k=10**9)
    assert len(whole) == 200
    ((three, scores),) = ask([HISTORY], k=3)
    assert three == whole[:3]
    assert scores == sorted(scores, reverse=True)
    ((others, _),) = ask([HISTORY], k=200, exclude_seen=True)
    assert others == [item for item in whole if item not in HISTORY]
    everything = [f"i{n}" for n in range(200)]
    assert ask([everything], exclude_seen=True) == [([], [])]
    done = post({"dataframe_split": {"columns": ["history"], "data": []}})
    assert done.json() == {"predictions": []}


def test_an_answer_counts_the_ids_that_are_unknown(post):
    histories = [HISTORY, [], ["?", "i5", None, "i5", 5]]
    done = post({"dataframe_records": [{"history": history} for history in histories]})
    assert [row["unknown"] for row in done.json()["predictions"]] == [0, 0, 3]


def test_ids_that_are_numbers_are_text_of_the_same_digits(model_with_numbers):
    """As the records of JSON, and as pandas and parquet have them."""
    text, *others = (
        model_with_numbers.predict(pd.DataFrame({"history": [history]}), params={"k": 3})
        for history in (["7", "12"], [7, 12], np.array([7, 12], np.uint8), ["7", 12])
    )
    for other in others:
        pd.testing.assert_frame_equal(other, text)
    assert text["unknown"].tolist() == [0]


def exported(titles=None, **changes):
    """A model of the items 0 to 19, as `promote` exports it: in the folder m, and loaded."""
    settings = Settings.of(model="Popularity", **changes)
    weights = models.build("Popularity", 20, {}).state_dict()
    checkpoint.save(Path("weights.safetensors"), weights, {})
    ids = [str(n) for n in range(20)]
    export(Path("m"), Model(), settings, Path("weights.safetensors"), ids, titles)
    return mlflow.pyfunc.load_model("m")


def test_answers_have_the_titles_of_their_items(here):
    """An item without a title has its id; without any title there is no such column."""
    request = pd.DataFrame({"history": [["7"], []]})
    titled = exported({"0": "Ä, b", "2": "c"})
    found = titled.predict(request, params={"k": 3})
    assert found["items"].tolist() == [["0", "1", "2"]] * 2
    assert found["titles"].tolist() == [["Ä, b", "1", "c"]] * 2
    assert titled.metadata.signature.outputs.input_names() == [
        "items", "scores", "unknown", "titles",
    ]  # fmt: skip
    shutil.rmtree("m")
    plain = exported().predict(request, params={"k": 3})
    pd.testing.assert_frame_equal(plain, found.drop(columns="titles"))


@pytest.fixture
def model_with_numbers(here):
    return exported()


@pytest.mark.parametrize("history", ["ranked", "masked", "novel"])
def test_what_the_user_had_is_left_out_if_the_evaluation_did_so(history, run_verb, store):
    """From Python as over HTTP, which passes the same params, and from the command."""
    model = exported(history=history)
    masked = history != "ranked"
    past = ["0", "1", "2", "3"]
    pd.DataFrame({"history": [past]}).to_parquet("h.parquet")

    def answered(**params) -> bool:
        found = model.predict(pd.DataFrame({"history": [past]}), params={"k": 20, **params})
        return not set(found["items"][0]) & set(past)

    def written(*options: str) -> bool:
        words = ["--model", "m", "--histories", "h.parquet", "--output", "o.parquet", "--k", "20"]
        done = run_verb("recommend", *words, *options)
        assert done.returncode == 0, done.stderr
        return not set(pd.read_parquet("o.parquet")["items"][0]) & set(past)

    assert answered() == written() == masked
    assert answered(exclude_seen=True)
    assert written("--exclude-seen")
    assert not answered(exclude_seen=False)
    assert not written("--include-seen")
    assert model.metadata.metadata["history"] == history


ONE = {"dataframe_records": [{"history": HISTORY}]}


@pytest.mark.parametrize(
    "same",
    [
        {"dataframe_records": [{"history": HISTORY, "user": 1}, {"history": ["i3"]}]},
        {"inputs": {"history": [HISTORY, ["i3"]], "times": [[1, 1.5, 2], None]}},
        {"dataframe_split": {"columns": ["user", "history"], "data": [[1, HISTORY], [2, ["i3"]]]}},
        {"inputs": {"history": [HISTORY, ["i3"]]}},
        {"inputs": [{"history": HISTORY}, {"history": ["i3"]}]},
        {"instances": [{"history": HISTORY}, {"history": ["i3"]}]},
    ],
)
def test_every_format_of_mlflow_is_answered_alike(post, ask, same):
    done = post(same)
    assert done.status_code == 200, done.text
    rows = [(row["items"], row["scores"]) for row in done.json()["predictions"]]
    assert rows == ask([HISTORY, ["i3"]])


def unfolding() -> bytes:
    """Parquet of a million histories of one item in 4 kB."""
    n = 1_000_000
    ids = pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), ["i5"])
    history = pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32), ids)
    body = io.BytesIO()
    pq.write_table(pa.table({"history": history}), body, compression="zstd")
    return body.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{bad", "the request is not JSON that can be read: Expecting property name"),
        (b"\xff\xfe", "the request is not JSON that can be read: "),
        (b"[" * 100_000, "the request is not JSON that can be read: maximum recursion depth"),
        (b" " * 4_000_001, "the request has 4,000,001 bytes, more than 4,000,000"),
        ([HISTORY], "a request looks like "),
        ({"histories": [HISTORY]}, "a request has params and one of dataframe_records, "),
        ({"dataframe_records": [{"items": HISTORY}]}, "no column history in each row of"),
        ({"dataframe_records": [{f"{n}": 1} for n in range(9999)]}, "no column history in each"),
        ({"inputs": {"history": [[]] * 10_001}}, "the request has 10,001 rows, more than 10,000"),
        ({"dataframe_records": [{"history": [1.5]}]}, "history of row 0 has 1.5: ids are text or"),
        ({"dataframe_records": [{"history": [True]}]}, "history of row 0 has True: ids are text"),
        ({"dataframe_records": [{"history": "i5"}]}, "history of row 0 is 'i5': a list of item"),
        ({"dataframe_records": [{"history": None}]}, "history of row 0 is None: a list of item"),
        ({"dataframe_records": [{"history": [HISTORY]}]}, "history of row 0 has ['i5', 'i17', "),
        (
            {"dataframe_records": [{"history": HISTORY, "times": [2, 3, 1]}]},
            "times of row 0 has 1 after 3: a history is ordered by time, oldest first",
        ),
        (ONE | {"params": {"k": 0}}, "k is 0: it has to be 1 or more"),
        (ONE | {"params": {"k": -1}}, "k is -1: it has to be 1 or more"),
        (ONE | {"params": {"k": None}}, "k is None: it has to be 1 or more"),
        (ONE | {"params": {"k": "ten"}}, "Can not safely convert"),
        (ONE | {"params": {"exclude_seen": 1}}, "Can not safely convert"),
        (ONE | {"params": {"exclude_seen": None}}, "exclude_seen is null: it has to be true or"),
        (ONE | {"params": {"K": 3}}, "no such parameter: 'K'; there are k and exclude_seen"),
        (ONE | {"params": [3]}, "params are [3]: a mapping is expected"),
        (ONE | {"param": {"k": 3}}, "a request has params and one of dataframe_records, "),
        (
            json.dumps(ONE | {"params": {"k": 7}}).replace("7}", "7" * 5000 + "}").encode(),
            "the request is not JSON that can be read: Exceeds the limit (4300 digits)",
        ),
        (
            {"dataframe_records": [{"history": []}] * 6000, "params": {"k": 200}},
            "6,000 rows of 200 items are more than 1,000,000 items in one answer",
        ),
    ],
)
def test_a_clients_mistake_is_a_400_that_says_what_it_is(post, ask, body, message):
    done = post(body)
    assert done.status_code == 400, done.text[:500]
    assert message in done.json()["message"]
    assert ask([HISTORY], k=1)


@pytest.mark.parametrize("kind", ["application/vnd.apache.parquet", "text/csv", ""])
def test_nothing_but_json_is_parsed(post, kind):
    """The parquet would take MLflow a minute and a gigabyte."""
    done = post(unfolding(), kind)
    assert done.status_code == 400, done.text[:500]
    assert f"content type '{kind}': application/json is expected" in done.json()["message"]


def test_the_largest_request_is_answered(ask):
    ((items, _),) = ask([["i5", "no such item"] * 150_000 + HISTORY])
    assert len(items) == 10


def test_a_hundred_clients_at_once_get_each_their_own_answer(ask, post, tested):
    histories = tested[0][:100]
    expected = [items[0] for items, _ in ask(histories)]
    with ThreadPoolExecutor(100) as clients:
        bad = clients.map(post, [b"{bad"] * 20)
        answers = list(clients.map(lambda history: ask([history])[0], histories * 3))
        assert {done.status_code for done in bad} == {400}
    assert [items[0] for items, _ in answers] == expected * 3


def places_of_packages() -> list[str]:
    """Folders in which pip is set to look for packages, if any; uv does not read pip's settings."""
    words = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    lines = re.findall("find-links='(.*)'", said)
    return sorted({place for line in lines for place in line.split()})


def test_it_answers_alike_in_an_environment_built_from_what_it_recorded(served, ask, here):
    """MLflow builds the environment with uv. Nothing comes from this repository's environment."""
    (here / "in.json").write_text(json.dumps(ONE | {"params": {"k": 3}}))
    words = [sys.executable, "-m", "mlflow", "models", "predict", "-m", URI]
    words += ["-i", "in.json", "-o", "out.json", "--env-manager", "uv"]
    environment = without_this_repository(served.tracking_uri)
    environment["UV_FIND_LINKS"] = ",".join(places_of_packages())
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Creating a new environment in " in done.stderr
    ((items, scores),) = ask([HISTORY], k=3)
    (row,) = json.loads(Path("out.json").read_text())["predictions"]
    assert row["items"] == items
    np.testing.assert_allclose(row["scores"], scores, atol=1e-5)


@pytest.fixture
def recommend(served, here):
    """``recommend(*options)`` runs in an empty folder, with the tracking server of ``served``."""

    def recommend(*options, **environment):
        words = ["python", "-m", "benchmark.recommend", "--model", URI, *options]
        return command(*words, MLFLOW_TRACKING_URI=served.tracking_uri, **environment)

    return recommend


def test_a_file_of_histories_is_filled_by_the_code_of_the_model(recommend, ask, tested, here):
    """`recommend` runs the code stored with the model, even if the repository has other code."""
    for name in ("benchmark", "datasets", "models"):
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    (here / "models/__init__.py").write_text("raise ImportError('another version')\n")
    histories = [*tested[0], [], None]
    users = np.arange(len(histories))
    pd.DataFrame({"user": users, "history": histories}).to_parquet("h.parquet")
    done = recommend("--histories", "h.parquet", "--output", "new/o.parquet", "--k", "5")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3,002 users: new/o.parquet\n"
    assert not done.stderr  # no progress bar outside a terminal
    found = pd.read_parquet("new/o.parquet")
    assert os.listdir("new") == ["o.parquet"]
    assert list(found) == ["user", "items", "scores"]
    assert (found["user"] == users).all()
    served = ask([*tested[0][:500], []], k=5)
    same = 0
    for (items, scores), row in zip(served, [*range(500), -1], strict=True):
        np.testing.assert_allclose(found["scores"].iloc[row], scores, atol=1e-5)
        same += found["items"].iloc[row].tolist() == items
    assert same > 495
    assert found["items"].iloc[-2].tolist() == found["items"].iloc[-1].tolist()


def test_all_users_of_a_data_set_are_served(recommend, here):
    done = recommend("--dataset", "demo", "--output", "o.parquet", "--exclude-seen")
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet("o.parquet")
    _, sequences = load("demo")
    assert found["user"].tolist() == sequences.user_ids.tolist()
    for user in range(0, 3000, 100):
        past = sequences.items[sequences.offsets[user] : sequences.offsets[user + 1]]
        assert not set(sequences.item_ids[past]) & set(found["items"].iloc[user])
        assert len(found["items"].iloc[user]) == 10


def test_a_row_for_each_item_in_parquet_and_csv(run_verb, served, here):
    histories = {"user": ["a", 'b"'], "age": [7, 8], "history": [["i1"], ["i5", "i2"]]}
    pd.DataFrame(histories).to_parquet("h.parquet")
    words = ["--model", URI, "--histories", "h.parquet", "--k", "3"]
    for options in (["o.parquet"], ["long.parquet", "--long"], ["o.csv"]):
        done = run_verb(
            "recommend", *words, "--output", *options, MLFLOW_TRACKING_URI=served.tracking_uri
        )
        assert done.returncode == 0, done.stderr
    lists = pd.read_parquet("o.parquet")
    assert list(lists) == ["user", "age", "items", "scores"]
    long = pd.read_parquet("long.parquet")
    assert list(long) == ["user", "age", "rank", "item", "score"]
    assert long["user"].tolist() == ["a"] * 3 + ['b"'] * 3
    assert long["rank"].tolist() == [1, 2, 3] * 2
    assert long["item"].tolist() == [*lists["items"][0], *lists["items"][1]]
    pd.testing.assert_frame_equal(
        pd.read_csv("o.csv"), long, check_dtype=False, check_exact=False, rtol=1e-5
    )

    pd.DataFrame(histories | {"tags": [["x"], []]}).to_parquet("h.parquet")
    done = run_verb(
        "recommend", *words, "--output", "o.csv", MLFLOW_TRACKING_URI=served.tracking_uri
    )
    assert done.returncode == 1
    assert "Error: column tags of the histories has lists, which CSV has not: " in done.stderr
    pd.DataFrame(histories | {"rank": [1, 2]}).to_parquet("h.parquet")
    done = run_verb(
        "recommend", *words, "--output", "o.csv", MLFLOW_TRACKING_URI=served.tracking_uri
    )
    assert done.returncode == 1
    assert "the recommendations have a column rank, too: give that of the histories" in done.stderr


def test_ids_that_the_model_does_not_know_are_counted(run_verb, served, here):
    pd.DataFrame({"history": [["i1", "?"], [], ["i5", "i1"]]}).to_parquet("h.parquet")
    Path("bystander").write_text("theirs")
    Path("o.parquet.part").symlink_to("bystander")
    words = ["--model", URI, "--histories", "h.parquet", "--output", "o.parquet"]
    done = run_verb("recommend", *words, MLFLOW_TRACKING_URI=served.tracking_uri)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "warning: the model knows 3 of the 4 ids (75.0%) of the histories; the others are left "
        "out\n"
    )
    assert pq.read_table("o.parquet").num_rows == 3
    assert Path("bystander").read_text() == "theirs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "models:/demo@nobody"], "Registered model alias nobody not found"),
        (["--histories", "no.parquet"], "no.parquet: no such file"),
        (["--histories", "text.parquet"], "text.parquet: cannot be read as a parquet file: "),
        (["--histories", "pipe"], "pipe: is not a file"),
        (["--histories", "other.parquet"], "other.parquet: no column history; there are: user"),
        (["--histories", "numbers.parquet"], "history is list<element: double>: it has to be"),
        (["--histories", "twice.parquet"], "columns of the same name: history, user, user"),
        (["--histories", "long.parquet"], "column user has more than 1,073,741,824 bytes in 2,000"),
        (["--histories", "unknown.parquet"], "champion knows none of the 2 ids of the histories: "),
        (["--output", "text.parquet/o"], "text.parquet/o: cannot be written: "),
        (["--output", "o.xlsx"], "o.xlsx: give a name that ends in .parquet or .csv"),
        (["--output", "good.parquet"], "good.parquet: is the file of histories: give the output"),
        (["--histories", "items.parquet"], "the recommendations have a column items, too: give"),
        (["--model", "good"], "; a registered model is models:/good@champion"),
    ],
)
def test_a_mistake_is_one_line(run_verb, served, here, options, message):
    Path("text.parquet").write_text("no parquet")
    os.mkfifo("pipe")
    pd.DataFrame({"user": ["a"]}).to_parquet("other.parquet")
    pd.DataFrame({"history": [[1.5, 2]]}).to_parquet("numbers.parquet")
    pd.DataFrame({"history": [["i1"]]}).to_parquet("good.parquet")
    pd.DataFrame({"history": [["i1"]], "items": [1]}).to_parquet("items.parquet")
    pd.DataFrame({"history": [[7, 8]]}).to_parquet("unknown.parquet")
    histories = pa.array([["i1"]] * 2000)
    one = pa.DictionaryArray.from_arrays(np.zeros(2000, np.int32), ["x" * 1_000_000])
    twice = pa.Table.from_arrays([histories, one, one], ["history", "user", "user"])
    pq.write_table(twice, "twice.parquet", store_schema=False)
    pq.write_table(twice.select([0, 1]), "long.parquet", store_schema=False)
    given = {"--model": URI, "--histories": "good.parquet", "--output": "o.parquet"}
    given |= dict([options])
    words = [word for pair in given.items() for word in pair]
    done = run_verb("recommend", *words, MLFLOW_TRACKING_URI=served.tracking_uri)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(here.glob("o.parquet*"))
