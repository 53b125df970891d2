"""The parts of a data set as inputs of a run, read with MLflow's own functions."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Dataset
from mlflow.types import Schema

from benchmark.data import Data
from benchmark.tracking.inputs import inputs


def of_parts(name: str, data_dir: str | None = None) -> dict[str, Dataset]:
    """The data set of each context, as MLflow stores it."""
    found = inputs(Data.load(name, data_dir))
    return {message.context: Dataset(**message.dataset) for message in found}


@pytest.fixture
def web(here):
    """The address of a web server for the working directory."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(here))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_part_has_a_context_a_digest_a_schema_and_counts(own_data):
    found = of_parts(own_data)
    assert list(found) == ["training", "validation", "test"]
    assert {dataset.name for dataset in found.values()} == {"mine"}
    assert len({dataset.digest for dataset in found.values()}) == 3
    assert found["training"].digest == Data.load(own_data).sequences.digest
    profiles = {part: json.loads(dataset.profile) for part, dataset in found.items()}
    assert profiles["validation"] == {"num_rows": 60, "queries": 60, "users": 60}
    assert profiles["training"]["num_rows"] == 600 - 120
    assert profiles["training"]["interactions"] == 600
    for dataset in found.values():
        columns = Schema.from_json(json.dumps(json.loads(dataset.schema)["mlflow_colspec"]))
        assert columns.input_names() == ["user", "item", "timestamp"]


def test_a_file_on_this_machine_is_found_by_mlflow(own_data, here):
    (here / "data").rename(here / "elsewhere")
    for dataset in of_parts(own_data, str(here / "elsewhere")).values():
        assert mlflow.data.get_source(dataset).load() == str(here / "elsewhere/mine.csv")


def test_a_download_is_downloaded_by_mlflow(own_data, here, web):
    text = (here / own_data).read_text()
    (here / own_data).write_text(
        text.replace("file: mine.csv", f"file: x.csv, url: {web}/data/mine.csv")
    )
    dataset = of_parts(own_data)["test"]
    loaded = Path(mlflow.data.get_source(dataset).load())
    assert loaded.read_text() == (here / "data/mine.csv").read_text()


def test_files_of_a_split_are_those_of_their_parts(here):
    (here / "data/mine").mkdir(parents=True)
    for part, rows in (("train", "u,a\nu,b\nv,a\n"), ("valid", "u,c\n"), ("test", "u,d\n")):
        (here / f"data/mine/{part}.csv").write_text(f"user,item\n{rows}")
    (here / "mine.yaml").write_text(
        "title: Mine\nsources: [{file: mine, reader: csv, columns: {user: user, item: item}}]\n"
        "split: {train: train.csv, valid: valid.csv, test: test.csv}\n"
    )
    sources = {
        context: Path(mlflow.data.get_source(dataset).load()).name
        for context, dataset in of_parts("mine.yaml").items()
    }
    assert sources == {"training": "train.csv", "validation": "valid.csv", "test": "test.csv"}


def test_generated_data_name_their_code():
    source = mlflow.data.get_source(of_parts("demo")["training"])
    assert source.to_dict() == {"tags": {"mlflow.source.name": "demo"}}
