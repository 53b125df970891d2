"""`python -m datasets.prepare`: prepared data and a card, also when it is repeated or killed."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import datasets
from datasets import card, parts, prepare
from datasets.download import BLOCK
from datasets.prepare import load
from datasets.specs import spec
from tests.conftest import card_of
from tests.datasets.test_load import (
    ROWS,
    Mirror,
    described,
    downloaded,
    mirror,  # noqa: F401 (a fixture)
)
from tests.datasets.test_two_processes import until

CARD = """\
# Mine

**Dataset:** mine

**Data filtering:** delete interactive records with rating less than 2 or timestamp more than \
1490000000 (2017-03-20 08:53 UTC)

**K-core filtering:** delete users and items with less than 3 interactions, until all have as many

**Evaluation method:** chronological arrangement, leave one out split data set and full sorting

**Order:** no equal times: time alone orders each user's interactions

**Times:** 0 to 4

**Evaluation metric:** Recall@10, NDCG@10, MRR@10, Hit@10, Precision@10

**Digest:** `DIGEST`, of the prepared sequences

## Dataset Information

| Dataset | #Users | #Items | #Interactions | Sparsity |
| --- | --- | --- | --- | --- |
| Mine | 4 | 5 | 20 | 0.00% |

**Configuration file (mine.yaml):**

```yaml
title: Mine
sources:
- file: mine.csv
  reader: amazon-2018
filters:
  rating:
    min: 2.0
  timestamp:
    max: 1490000000.0
  k_core: 3
split: leave-one-out
ties: file
targets: last
```

**Cold targets:** 100.0% of test targets are items without training interactions; 0 users with \
test targets have no training interactions

**Warning:** with 5 items, every item is among the first 10: metrics at 10 do not tell models apart
"""
FILTERS = {"rating": {"min": 2}, "timestamp": {"max": 1.49e9}, "k_core": 3}


@pytest.mark.process
def test_it_says_what_it_made_and_does_nothing_twice(here, run_command):
    name = described(here, filters=FILTERS)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS + "i9,u1,1,1\n")
    first = run_command("python", "-m", "datasets.prepare", name)
    assert first.returncode == 0, first.stderr
    read, *said = first.stdout.splitlines()
    assert read == "data/mine.csv: 21 rows read, 1 with rating outside [2.0, inf]"
    assert said[0].startswith("Mine: 4 users, 5 items, 20 interactions, sparsity 0.00%; digest ")
    assert said[1].startswith("leave-one-out: 12 interactions for training, 4 users for validation")
    assert said[2].startswith("cold targets: 100.0% of test targets are items without training")
    assert said[3].startswith("warning: with 5 items, every item is among the first 10: ")
    places = [Path(line.split(": ")[1]) for line in said[4:]]
    assert [path.suffix for path in places] == [".npz", ".md"]
    digest = load(name)[1].digest
    assert places[1].read_text() == CARD.replace("DIGEST", digest)
    changed = places[0].stat().st_mtime_ns
    again = run_command("python", "-m", "datasets.prepare", name)
    assert again.stdout.splitlines() == said
    assert places[0].stat().st_mtime_ns == changed
    assert sorted(path.suffix for path in places[0].parent.glob("[!.]*")) == [".md", ".npz"]


@pytest.mark.parametrize("name", spec.names())
def test_the_configuration_on_a_card_describes_the_same_data_set(here, name):
    shipped = spec.read(name)
    sequences = prepare.prepare(spec.read("demo"))
    if shipped.split == spec.GIVEN:
        given = np.full(len(sequences.items), parts.TRAIN)
        given[sequences.offsets[1:] - 2] = parts.VALID
        given[sequences.offsets[1:] - 1] = parts.TEST
        sequences = replace(sequences, parts=given)
    page = card_of(shipped, sequences).render()
    configuration = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    (here / f"{name}.yaml").write_text(configuration)
    assert spec.read(f"{name}.yaml") == shipped
    assert page.count("Synthetic") == (name == "demo")


@pytest.mark.parametrize(
    ("sparsity", "text"),
    [
        (0.9990630, "99.91%"),
        (0.9557, "95.57%"),
        (0.9999, "99.99%"),
        (0.999958, "99.996%"),
        (1 - 4.2e-6, "99.9996%"),
        (0.0, "0.00%"),
        (1.0, "100.00%"),
    ],
)
def test_a_large_data_set_is_not_called_empty(sparsity, text):
    assert card.percent(sparsity) == text


@pytest.mark.process
def test_a_mistake_is_one_line_and_no_traceback(here, run_command):
    done = run_command("python", "-m", "datasets.prepare", "ml-2m")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: no data set is called 'ml-2m': choose one of .*\n", done.stderr)


class BreaksOff(Mirror):
    """A server whose first answer ends early; later ones wait until ``go`` is set."""

    go = threading.Event()

    def do_GET(self):
        if self.requests:
            type(self).waits = True
            self.go.wait(60)
        super().do_GET()


def killed(when: Callable[[], bool]) -> None:
    """Start to prepare mine.yaml; kill the process (SIGKILL) once ``when`` is true."""
    process = subprocess.Popen([sys.executable, "-m", "datasets.prepare", "mine.yaml"])
    until(when)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


@pytest.mark.process
def test_killed_at_each_step_it_goes_on(mirror, here, run_command, monkeypatch):  # noqa: F811
    handler, url = mirror
    monkeypatch.setenv("PYTHONPATH", str(Path(datasets.__file__).parents[1]))
    rows = "".join(f"i{n % 1000},u{n // 50},5,{n}\n" for n in range(2_000_000))
    handler.__bases__, handler.body, handler.cuts = (BreaksOff,), rows.encode(), [1_000_000]
    name = downloaded(here, url)
    killed(lambda: hasattr(handler, "waits"))  # it downloads
    kept = (here / "data/mine.csv.part").stat().st_size
    assert 1_000_000 - BLOCK <= kept <= 1_000_000
    handler.go.set()
    killed((here / "data/prepared").exists)  # it reads
    assert not list((here / "data/prepared").glob("*.npz"))
    assert (here / "data/mine.csv").read_bytes() == handler.body
    assert handler.requests[-1][1] == f"bytes={kept}-"
    asked = len(handler.requests)
    done = run_command("python", "-m", "datasets.prepare", name)
    assert done.returncode == 0, done.stderr
    assert "data/mine.csv: 2,000,000 rows read\n" in done.stdout
    assert "Mine: 40,000 users, 1,000 items, 2,000,000 interactions" in done.stdout
    assert len(handler.requests) == asked
    assert not list(here.glob("data/**/*.part"))


@pytest.mark.process
def test_two_at_once_leave_what_one_leaves(mirror, here, run_command):  # noqa: F811
    handler, url = mirror
    downloaded(here, url)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "datasets.prepare", "mine.yaml"],
            env={"PYTHONPATH": str(Path(datasets.__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=120)[0].splitlines()[-2:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert said[0] == said[1] == said[2]
    assert len(handler.requests) == 1


def test_no_file_is_written_through_a_link(mirror, here):  # noqa: F811
    """Names of temporary files that can be guessed may be links, in a folder of many users."""
    _, url = mirror
    name = downloaded(here, url)
    first = CliRunner().invoke(prepare.command, [name])
    made = [Path(line.split(": ")[1]) for line in first.output.splitlines()[-2:]]
    (here / "precious").write_text("precious")
    for path in made:
        path.unlink()
        path.with_name(f"{path.name}.part").symlink_to(here / "precious")
    again = CliRunner().invoke(prepare.command, [name])
    assert again.output.splitlines()[-2:] == first.output.splitlines()[-2:]
    assert all(path.is_file() and not path.is_symlink() for path in made)
    (here / "data/mine.csv").unlink()
    (here / "data/mine.csv.part").symlink_to(here / "precious")
    refused = CliRunner().invoke(prepare.command, [name])
    assert refused.exit_code == 1
    assert "data/mine.csv.part is a link: remove it; try again" in refused.output
    assert (here / "precious").read_text() == "precious"
