"""The connection to the tracking server, without one."""

import base64
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from benchmark.tracking import server
from benchmark.tracking.server import TrackingError
from tests.conftest import ROOT, place
from tests.proxy import proxied


def test_an_address_kept_without_its_password_gets_it_from_the_environment(here, monkeypatch):
    with proxied("nowhere") as stub:
        stub.ways = ["503"]
        secret = stub.uri.replace("://", "://me:s3cret@")
        kept = server.without_credentials(secret)
        assert kept == stub.uri
        monkeypatch.setenv("MLFLOW_TRACKING_URI", secret)
        with pytest.raises(TrackingError, match=r"http://\*\*\*@127.0.0.1:\d+ fails: status 503$"):
            server.connect(kept)
        assert stub.users == {f"Basic {base64.b64encode(b'me:s3cret').decode()}"}


def test_a_run_opens_at_its_address_or_by_the_command_that_starts_a_server(here):
    for uri, opens in (
        ("http://me:s3cret@host:5000/", "http://host:5000/#/experiments/7/runs/r"),
        ("https://host/mlflow", "https://host/mlflow/#/experiments/7/runs/r"),
        ("sqlite:////a b/mlflow.db", "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"),
    ):
        assert server.in_ui(MlflowClient(uri), "7", "r") == opens
    assert server.in_ui(MlflowClient("http://host"), "7") == "http://host/#/experiments/7"


@pytest.mark.parametrize("way", ["fail", "503", "html", "empty", "close"])
def test_a_request_that_fails_is_one_line_that_names_the_server(here, way):
    with proxied("nowhere") as stub:
        stub.ways = [way]
        client = server.Client(server._client(stub.uri), wait=0)
        with pytest.raises(TrackingError, match=f"^the tracking server {stub.uri} ") as error:
            client.get_run("r")
        assert len(str(error.value)) < 150
        assert stub.count == 1


def test_artifacts_lie_beside_an_sqlite_database_wherever_a_command_runs(
    new_database, tmp_path, run_verb, monkeypatch
):
    """`mlflow run git://...` runs a project in a temporary clone, with the launcher's database."""
    store = tmp_path / "launched-here"
    store.mkdir()
    uri = place(new_database, store / "mlflow.db")
    clone = tmp_path / "clone"
    clone.mkdir()
    monkeypatch.chdir(clone)
    words = ["--dataset", "demo", "--model", "Popularity"]
    done = run_verb("train", *words, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    assert list(store.glob("mlruns/demo/*/artifacts/ranks/test.parquet"))
    assert not list(clone.rglob("*.parquet"))


def test_a_missing_package_or_a_defect_is_no_outage(here, monkeypatch):
    with pytest.raises(TrackingError, match="needs a package that is not installed: No module"):
        server.connect("mysql+pymysql://127.0.0.1:1/db")

    def defect(tracking_uri):
        raise TypeError

    monkeypatch.setattr(server, "_client", defect)
    with pytest.raises(TypeError):
        server.connect("http://127.0.0.1:1")


@pytest.mark.process
def test_a_process_that_is_killed_while_it_makes_a_database_leaves_none(here):
    code = "from benchmark.tracking import server; server.connect('sqlite:///mlflow.db')"
    with subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}) as making:
        while not any(part.stat().st_size for part in here.glob(".mlflow.db.*.part")):
            assert making.poll() is None
            time.sleep(0.01)
        making.kill()
    assert not (here / "mlflow.db").exists()
    assert server.connect("sqlite:///mlflow.db").search_experiments()
    assert not list(here.glob(".mlflow.db.*.part*"))
