"""Commands whose server fails after some requests: one line, and nothing is lost or replaced.

``bench/faults.py`` tries every command, every fault and every request.
"""

import numpy as np
import pytest
from mlflow import MlflowClient

from benchmark.tracking import server as connection
from tests.benchmark.reporting.test_comparison import log
from tests.conftest import ROOT
from tests.proxy import proxied

pytestmark = pytest.mark.process


@pytest.fixture
def proxy(server, monkeypatch):
    monkeypatch.setattr(connection, "SHORTEST_WAIT", 0.0)
    with proxied(server) as made:
        yield made


def is_one_line(done) -> bool:
    return (
        done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    )


def test_a_report_or_a_page_is_whole_or_one_line_of_error(server, proxy, run_verb, here):
    store = MlflowClient(server)
    for model in ("A", "B"):
        log(store, model, np.random.default_rng(len(model)).integers(1, 30, 50), command="train")
    options = ("report", "--experiment", "e", "--tracking-uri", proxy.uri)
    assert run_verb(*options).returncode == 0
    needed, whole = proxy.count, (here / "reports/e.md").read_bytes()
    assert b"95% interval" in whole

    ways = ("503", "html", "halve", "close")
    for way, spared in zip(ways, np.linspace(1, needed - 6, len(ways)).astype(int), strict=True):
        proxy.ways, proxy.spared, proxy.count = [way], int(spared), 0
        done = run_verb(*options)
        assert is_one_line(done), (way, spared, done.stderr)
        assert (here / "reports/e.md").exists()

    (here / "reports/e.md").write_bytes(whole)
    proxy.ways, proxy.spared, proxy.count, proxy.only = ["503"], 0, 0, "/mlflow-artifacts/"
    done = run_verb(*options)
    assert is_one_line(done)
    assert "artifact store of " in done.stderr
    assert done.stderr.endswith(" fails: status 503\n")
    assert (here / "reports/e.md").read_bytes() == whole

    proxy.ways, proxy.spared, proxy.count, proxy.only = ["503"], 20, 0, ""
    page = ("published", str(ROOT / "tests/published_page.md"), "--tracking-uri", proxy.uri)
    assert is_one_line(run_verb(*page))
    proxy.ways = []
    done = run_verb(*page)
    assert done.returncode == 0, done.stderr
    done = run_verb("report", "--experiment", "amazon-books", "--tracking-uri", server)
    assert done.stdout.count("(published)") == 5


def test_a_run_whose_creation_was_not_confirmed_is_not_created_twice(server, proxy):
    client = connection.connect(proxy.uri)
    where = client.create_experiment("e")
    client.wait = 60
    proxy.ways, proxy.count = ["forget", "forward"], 1
    run = client.create_run(where, run_name="r", tags={"a": "b"})
    proxy.ways = []
    assert [found.info.run_id for found in client.search_runs([where])] == [run.info.run_id]
    assert run.data.tags["a"] == "b"
    assert "forget" in proxy.did
