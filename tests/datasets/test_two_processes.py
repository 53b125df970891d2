"""Two real processes that need the same data at once, and a server that waits for the test."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.datasets.test_load import ROWS, Mirror, described, mirror  # noqa: F401 (a fixture)

pytestmark = pytest.mark.process

LOAD = "from datasets.prepare import load; print(load('mine.yaml')[1].digest)"
WAITS = "data/mine.csv: another process is downloading it: waiting\n"


class Slow(Mirror):
    """A server that answers when ``go`` is set."""

    asked, go = 0, None

    def do_GET(self):
        type(self).asked += 1
        self.go.wait(60)
        super().do_GET()


@pytest.fixture
def slow(mirror, here):  # noqa: F811
    """The handler class of the server from which mine.yaml is downloaded."""
    handler, url = mirror
    handler.__bases__, handler.go = (Slow,), threading.Event()
    described(here, sources=[{"file": "mine.csv", "reader": "amazon-2018", "url": f"{url}/m.csv"}])
    return handler


def started(code: str = LOAD) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> list[str]:
    """Lines that the process has printed, once it has ended without error."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def until(condition) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("the condition did not become true within a minute")


def test_the_second_waits_for_the_first_and_uses_its_result(slow, here):
    first = started()
    until(lambda: slow.asked)
    second = started()
    assert second.stdout.readline() == WAITS
    slow.go.set()
    assert ended(first)[-1] == ended(second)[-1]  # the digest
    assert slow.asked == 1
    assert (here / "data/mine.csv").read_text() == ROWS
    assert sorted(path.name for path in (here / "data").glob("[!.]*")) == ["mine.csv", "prepared"]
    assert len(list((here / "data/prepared").glob("[!.]*"))) == 1


def test_one_process_prepares_and_the_other_takes_that(here):
    described(here)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS)
    (here / "slowly.py").write_text(
        "import os, time\nfrom datasets import prepare\nwork = prepare.prepare\n"
        "def slowly(*what):\n    print('prepares', flush=True)\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n    return work(*what)\n"
        "prepare.prepare = slowly\n"
    )
    first = started(f"import slowly; {LOAD}")
    assert first.stdout.readline() == "prepares\n"
    second = started(f"import slowly; {LOAD}")
    assert second.stdout.readline().endswith(".npz: another process is preparing it: waiting\n")
    Path("go").touch()
    rest = ended(second)
    assert len(rest) == 1  # the digest: it has prepared nothing
    assert ended(first)[-1] == rest[0]


def test_one_that_was_killed_is_not_waited_for(slow, here):
    first = started()
    until(lambda: slow.asked)
    second = started()
    assert second.stdout.readline() == WAITS
    first.send_signal(signal.SIGKILL)
    first.communicate()
    slow.go.set()
    ended(second)
    assert (here / "data/mine.csv").read_text() == ROWS


def test_without_locks_both_download_and_nothing_is_mixed_up(slow, here):
    without = "import filelock\ndef no(*a, **k): raise OSError(37, 'No locks available')\n"
    without += "filelock.FileLock.acquire = no\n"
    both = [started(without + LOAD) for _ in range(2)]
    until(lambda: slow.asked == 2)
    slow.go.set()
    assert ended(both[0])[-1] == ended(both[1])[-1]
    assert (here / "data/mine.csv").read_text() == ROWS
    assert not list((here / "data").glob("*.part"))


def test_a_process_that_ends_while_it_reads_ends_as_it_wants(here, run_command):
    """No thread may read ahead: the process would be aborted without a message."""
    Path("m.csv").write_text("i1,u1,5,1\n" * 1_000_000)
    done = run_command(
        *("python", "-c"),
        "import time\nfrom pathlib import Path\n"
        "from datasets.reading import layouts, readers, streams, text\n"
        "text.BLOCK_BYTES = 1 << 20\n"
        "read, seen = streams._CheckedText.readinto, []\n"
        "def slow_later(*what):\n"
        "    seen.append(1)\n    time.sleep(0.3 if len(seen) > 20 else 0)\n    return read(*what)\n"
        "streams._CheckedText.readinto = slow_later\n"
        "next(readers.read(Path('m.csv'), layouts.LAYOUTS['amazon-2018']))\n"
        "raise SystemExit('enough')",
    )
    assert (done.returncode, done.stderr) == (1, "enough\n")
