"""The peers' side of the comparison: its data, and its runners where they are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import amazon_shape

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


def test_amazon_shape_has_the_published_counts():
    items, offsets = amazon_shape.amazon_shape(seed=1)
    assert (len(offsets) - 1, len(np.unique(items)), len(items)) == (40_550, 31_094, 1_181_294)
    assert offsets[-1] == len(items)
    assert np.diff(offsets).min() >= 10
    assert np.bincount(items).min() >= 10
    again, _ = amazon_shape.amazon_shape(seed=1)
    assert (items == again).all()


@pytest.mark.parametrize("peer", ["suite", "recbole", "rectools"])
def test_a_runner_answers_line_by_line(peer, tmp_path):
    command = [ROOT / ".peers" / peer / "bin" / "python", ROOT / "bench" / f"{peer}_runner.py"]
    environment = dict(os.environ)
    if peer == "suite":
        command = [sys.executable, "-m", "bench.suite_runner"]
        environment["PYTHONPATH"] = str(ROOT)
    elif not command[0].exists():
        pytest.skip("made by bench/peers.sh, on demand")
    # RecBole's loss is 0/0 where a last batch of few samples has no mask: 450 % 30 is 0.
    lengths = np.full(50, 12)
    np.savez(
        tmp_path / "data.npz",
        items=np.arange(lengths.sum()) % 30,  # each item has one successor: to be learnt
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
    )
    samples = {"suite": 50, "rectools": 50, "recbole": (lengths - 3).sum()}
    # The suite's step size rises for 600 steps, and falls to 0 within 20 epochs, here 40 steps.
    rate = {"suite": "0.1"}.get(peer, "0.003")
    options = ["--batch-size", "30", "--threads", "1", "--learning-rate", rate]
    done = subprocess.run(
        [*command, "data.npz", *options],
        input="evaluate\nstep\nsteps 10\nsteps 100\nevaluate\n",  # ends without quit
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    ready, before, error, first, second, after = map(json.loads, done.stdout.splitlines())
    assert ready["ready"] is True
    assert ready["samples_per_epoch"] == samples[peer]
    assert ready["batches_per_epoch"] == -(-ready["samples_per_epoch"] // 30)
    assert "'step'" in error["error"]
    assert (first["steps"], second["steps"]) == (10, 100)
    assert second["epochs"] == pytest.approx(110 / ready["batches_per_epoch"])
    assert second["epochs"] > 1
    assert second["loss"] < first["loss"]
    for part in ("valid", "test"):
        assert after[part] != before[part]
        assert 0 <= after[part]["ndcg@10"] <= after[part]["recall@10"] <= 1
    assert before["users"] == after["users"] == 50
    assert [p.name for p in tmp_path.iterdir()] == ["data.npz"]  # nothing is left behind
