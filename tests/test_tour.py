"""docs/tour.py with a real server and a real browser: each picture shows a different page."""

import matplotlib.image
import numpy as np
import pytest

from tests.benchmark.sweeps.test_sweep import words_for
from tests.conftest import ROOT

pytestmark = pytest.mark.process

NAMES = ["compared", "curves", "report", "model"]


@pytest.fixture
def take(chromium_path, run_command, here, server):
    """``take(*options)`` runs the script with these options. It writes pictures to ./pictures."""
    words = ["python", str(ROOT / "docs/tour.py"), "--server", server, "--output", "pictures"]
    return lambda *options: run_command(*words, *options)


def test_each_picture_shows_a_page_of_its_own(take, run_command, here, server):
    sweep = words_for("learning_rate choice [0.001, 0.01]", "--epochs", "2", "--promote")
    report = ["-m", "benchmark.report", "--experiment", "demo", "--format", "html"]
    for words in (sweep, report):
        done = run_command("python", *words, MLFLOW_TRACKING_URI=server)
        assert done.returncode == 0, done.stderr
    done = take("--experiment", "demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"pictures/{name}.png" for name in NAMES]
    taken = [matplotlib.image.imread(f"pictures/{name}.png")[..., :3] for name in NAMES]
    for picture in taken:
        assert picture.shape == (800, 1280, 3)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    for number, picture in enumerate(taken):
        for other in taken[:number]:
            assert (picture != other).any(axis=2).mean() > 0.01


def test_what_is_missing_is_one_line(take, server):
    done = take("--experiment", "demo")
    assert (done.returncode, done.stderr) == (1, "Error: there is no experiment 'demo'\n")
    done = take("--experiment", "Default")
    message = "Error: experiment 'Default' has no trial with a learning_rate\n"
    assert (done.returncode, done.stderr) == (1, message)
