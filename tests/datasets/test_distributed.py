"""A Ray cluster prepares the same sequences as one machine."""

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets import DataError, source
from datasets.machines import cluster, shares
from datasets.prepare import RAY, prepare
from datasets.specs import spec
from tests import clusters
from tests.conftest import ROOT, command, free_port
from tests.forked import Process


def described(folder: Path, parts: list[pd.DataFrame], reader: str, **keys) -> str:
    """Write the parts of a data set below ``folder``; the path of its description."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        path = folder / f"parts/{number}.{reader}"
        part.to_parquet(path) if reader == "parquet" else part.to_csv(path, index=False)
    columns = {name: name for name in parts[0].columns}
    source = {"file": "parts", "reader": reader, "columns": columns, "timestamp_unit": "s"}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"title": "Mine", "sources": [source], **keys}))
    return str(path)


class Inline:
    """Ray's part in the preparation: each task runs at once, in this process."""

    exceptions = SimpleNamespace(RayError=(), RayTaskError=())

    def cluster_resources(self):
        return {"CPU": 3}

    def shutdown(self):
        pass

    def put(self, value):
        return pickle.loads(pickle.dumps(value))

    def get(self, value):
        return value

    def remote(self, task):
        def options(num_returns):
            def remote(*given):
                found = [self.put(value) for value in task(*given)]
                assert len(found) == num_returns
                return found[0] if num_returns == 1 else found

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(options=options)


ROWS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(-2, 3), st.integers(1, 5)),
    min_size=2,
    max_size=60,
)


@given(
    rows=ROWS,
    n_parts=st.integers(2, 5),
    minima=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    duplicates=st.sampled_from(["keep", "first", "last", "consecutive"]),
    order=st.sampled_from(["file", "random", "no times"]),
    slab=st.sampled_from([3, 1000]),
)
@example([(0, 0, 0, 2), (0, 1, 0, 2)], 2, (0, 0), "keep", "random", 3)  # boxes without users
@settings(max_examples=60, deadline=None)
def test_any_parts_give_the_sequences_of_one_machine(
    tmp_path_factory, rows, n_parts, minima, duplicates, order, slab
):
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp", "rating"])
    frame = frame.assign(user="u\u00e9" + frame["user"].astype(str), item=-frame["item"])
    if order == "no times":
        frame = frame.drop(columns="timestamp")
    parts = [frame.iloc[at] for at in np.array_split(np.arange(len(frame)), n_parts)]
    keys = {
        "filters": {
            "k_core": {"user": minima[0], "item": minima[1]},
            "duplicates": duplicates,
            "rating": {"min": 2},
        },
        "ties": "random" if order == "random" and duplicates != "consecutive" else "file",
    }
    found = spec.read(described(tmp_path_factory.mktemp("parts"), parts, "parquet", **keys))
    raw = source.find(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "connect", lambda *_: Inline())
        patch.setattr("datasets.machines.distributed.SLAB", slab)
        assert outcome(found, raw, RAY) == outcome(found, raw, "here")


def outcome(found, raw, executor):
    """What preparation gives: the sequences' digest and times, or the error."""
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *words: said.append(words))
        try:
            sequences = prepare(found, raw, executor)
        except DataError as error:
            return said, str(error)
    times = sequences.timestamps
    return said, sequences.digest, None if times is None else times.tolist()


class Elsewhere(Inline):
    """Machines that do not share the folder of the files."""

    def put(self, value):
        return replace(value, folder=Path("/nowhere")) if isinstance(value, shares.Files) else value


def test_a_machine_without_the_files_is_named(here, monkeypatch):
    found = spec.read(described(here, [shop(100), shop(100)], "csv"))
    raw = source.find(replace(found, folder=Path(".")))
    monkeypatch.setattr(cluster, "connect", lambda *_: Elsewhere())
    with pytest.raises(
        DataError, match=r"^parts/0.csv: the machine .* has no such file, or one of"
    ):
        prepare(found, raw, RAY)


@pytest.fixture(scope="module")
def nodes():
    """A cluster: (environment variables of its commands, the second node's name)."""
    pytest.importorskip("ray")
    with clusters.ray_folder() as variables, clusters.two_nodes(variables) as (address, name):
        yield variables | {"RAY_ADDRESS": address}, name


def shop(n_rows: int) -> pd.DataFrame:
    """Rows with ties, duplicates, and users and items that a k-core removes in several rounds."""
    random = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "user": (60 * random.random(n_rows) ** 2).astype(int),
            "item": (80 * random.random(n_rows) ** 3).astype(int),
            "rating": random.integers(1, 6, n_rows),
            "timestamp": random.integers(0, n_rows // 20, n_rows),
        }
    )
    chain = [{"user": 100 + n, "item": 200 + n + k, "rating": 5, "timestamp": n} for n in range(9)
             for k in (0, 0, 1)]  # fmt: skip
    return pd.concat([rows, pd.DataFrame(chain)])


def both(words: list[str], variables: dict[str, str]) -> list:
    """The command here, and on the cluster."""
    done = []
    for executor in ("here", "ray"):
        command_line = ["python", "-m", "datasets.prepare", *words, "--executor", executor]
        done.append(command(*command_line, **variables))
        for cached in Path("data/prepared").glob("*"):
            cached.unlink()
    return done


@pytest.mark.process
@pytest.mark.parametrize("reader", ["parquet", "csv"])
def test_a_cluster_gives_the_same_digest_and_counts(here, nodes, reader):
    rows = shop(2000)
    keys = {"filters": {"k_core": 3}, "ties": "random"}
    if reader == "csv":
        rows = rows.assign(user="user \u00e9" + rows["user"].astype(str))
        keys = {"filters": {"k_core": 3, "duplicates": "last", "rating": {"min": 2}}}
    parts = [rows.iloc[at] for at in np.array_split(np.arange(len(rows)), 7)]
    words = [described(here, parts, reader, **keys)]
    alone, together = both(words, nodes[0])
    assert together.returncode == 0, together.stderr
    assert "7 files" in together.stdout
    assert "outside the 3-core" in together.stdout
    assert together.stdout == alone.stdout


@pytest.mark.process
def test_a_bad_row_is_the_same_line(here, nodes):
    parts = [shop(100) for _ in range(5)]
    described(here, parts, "csv")
    for number in (2, 4):
        with open(f"parts/{number}.csv", "a") as part:
            part.write("7,8,9\n")
    alone, together = both(["mine.yaml"], nodes[0])
    assert together.returncode == 1
    assert "Error: parts/2.csv:129: 3 fields" in together.stderr
    assert together.stderr == alone.stderr


@pytest.mark.process
def test_one_file_is_prepared_on_one_machine(here, nodes):
    described(here, [shop(100)], "csv")
    alone, together = both(["mine.yaml"], nodes[0])
    assert together.returncode == 0
    first, *rest = together.stdout.splitlines()
    assert first == (
        "mine is prepared on this machine alone: it is one file, and a cluster reads a part in "
        "each task"
    )
    assert rest == alone.stdout.splitlines()


@pytest.mark.process
def test_without_a_cluster_it_is_one_line(here, run_command):
    pytest.importorskip("ray")
    described(here, [shop(100), shop(100)], "csv")
    address = f"127.0.0.1:{free_port()}"
    words = ["mine.yaml", "--executor", "ray"]
    done = run_command("python", "-m", "datasets.prepare", *words, RAY_ADDRESS=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: no Ray cluster answers at {address} ($RAY_ADDRESS): ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.process
def test_a_machine_is_lost_and_the_others_go_on(here, nodes):
    """The last test of this file: afterwards, the cluster has one node."""
    variables, name = nodes
    described(here, [shop(300_000)], "csv", filters={"k_core": 3})
    for number in range(1, 9):
        os.link("parts/0.csv", f"parts/{number}.csv")
    words = ["datasets.prepare", "mine.yaml", "--executor", "ray"]
    process = Process(words, os.environ | variables | {"PYTHONPATH": str(ROOT)})
    while len(clusters.processes("ray::read")) < 2:  # one on each node
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    assert clusters.kill(name) > 0
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    alone = command("python", "-m", "datasets.prepare", "mine.yaml", SEQREC_MEMORY_GB="0.1")
    assert said[0].split("digest ")[1][:16] == alone.stdout.split("digest ")[1][:16]
