"""The peers' side of the comparison: its data, and its runners where they are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import amazon_shape, compare

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

FAKE_RUNNER = """
import json, sys

qualities = json.loads(sys.argv[1])  # [valid ndcg@10, test ndcg@10] after each turn of 10 s
ready = {"ready": True, "samples_per_epoch": 4, "batches_per_epoch": 2}
print(json.dumps(ready), flush=True)
turn = 0
for line in sys.stdin:
    if line.startswith("steps"):
        turn += 1
        answer = {"steps": int(line.split()[1]), "finished": turn == len(qualities),
                  "epochs": turn, "train_seconds": 10.0, "peak_memory_mb": 100.0}
    else:
        valid, test = qualities[turn - 1]
        answer = {"valid": {"ndcg@10": valid}, "test": {"ndcg@10": test}, "seconds": 500.0}
    print(json.dumps(answer), flush=True)
"""
"""A process that answers as peer_gate.py says, without a library."""


def test_amazon_shape_has_the_published_counts():
    items, offsets = amazon_shape.amazon_shape(seed=1)
    assert (len(offsets) - 1, len(np.unique(items)), len(items)) == (40_550, 31_094, 1_181_294)
    assert offsets[-1] == len(items)
    assert np.diff(offsets).min() >= 10
    assert np.bincount(items).min() >= 10
    again, _ = amazon_shape.amazon_shape(seed=1)
    assert (items == again).all()


def test_a_library_stops_when_validation_has_reached_all_values(tmp_path, monkeypatch, capsys):
    (tmp_path / "fake.py").write_text(FAKE_RUNNER)
    turns = {
        "fast": [(0.1, 0.0), (0.05, 0.0), (0.3, 0.0), (0.4, 0.0)],
        "slow": [(0.01, 0.9), (0.1, 0.9), (0.1, 0.9), (0.1, 0.9), (0.3, 0.9), (0.3, 0.9)],
        "short": [(0.01, 0.9), (0.02, 0.9)],  # its training ends by itself
    }
    fakes = {k: [sys.executable, tmp_path / "fake.py", json.dumps(v)] for k, v in turns.items()}
    monkeypatch.setattr(compare, "COMMANDS", fakes)
    command = "compare data.npz --libraries fast,slow,short --reach .1 .3 --minutes .6 --json"
    monkeypatch.setattr(sys, "argv", [*command.split(), str(tmp_path / "found.json")])
    compare.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert {k: v["reached"] for k, v in found.items()} == {
        "fast": {"0.1": 10.0, "0.3": 30.0},
        "slow": {"0.1": 20.0, "0.3": None},  # whatever its test ndcg@10
        "short": {"0.1": None, "0.3": None},
    }
    # An evaluation is no training time: six tenths of a minute are four turns.
    assert {k: v["seconds"] for k, v in found.items()} == {"fast": 30, "slow": 40, "short": 20}
    never = "not in 20 s, when training ended"
    rows = [
        ["library", "s to 0.1", "s to 0.3"],
        ["fast", "10", "30"],
        ["slow", "20", "not within 0.6 min"],
        ["short", never, never],
    ]
    table = capsys.readouterr().out.split("first reached a value:")[1]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")]
    assert [line for line in lines if line and line[0].strip("-")] == rows


def test_a_library_without_its_environment_is_named(monkeypatch):
    monkeypatch.setattr(compare, "COMMANDS", {"absent": ["no/such/python"]})
    monkeypatch.setattr(sys, "argv", ["compare", "data.npz"])
    with pytest.raises(SystemExit, match=r"no/such/python is not there: run bench/peers\.sh"):
        compare.main()


@pytest.mark.parametrize("peer", ["seqrec", "recbole", "rectools", "warprec"])
def test_a_runner_answers_line_by_line(peer, tmp_path):
    command = [ROOT / ".peers" / peer / "bin" / "python", ROOT / "bench" / f"{peer}_runner.py"]
    environment = dict(os.environ)
    if peer == "seqrec":
        command = [sys.executable, "-m", "bench.seqrec_runner"]
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
    samples = {"recbole": (lengths - 3).sum()}.get(peer, 50)
    # Seqrec's step size rises for 600 steps. Its training ends after 200 epochs, here 400 steps.
    rate = {"seqrec": "0.1"}.get(peer, "0.003")
    rest = "steps 1000\nevaluate\nsteps 1\n" if peer == "seqrec" else ""
    options = ["--batch-size", "30", "--threads", "1", "--learning-rate", rate]
    done = subprocess.run(
        [*command, "data.npz", *options],
        input=f"evaluate\nstep\nsteps 10\nsteps 100\nevaluate\n{rest}",  # ends without quit
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answers = list(map(json.loads, done.stdout.splitlines()))
    ready, before, error, first, second, after = answers[:6]
    assert ready["ready"] is True
    assert ready["samples_per_epoch"] == samples
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
    if peer == "warprec":  # no target is in its user's history
        assert after["masked"]["valid"]["ndcg@10"] > after["valid"]["ndcg@10"]
    assert not first["finished"]
    assert not second["finished"]
    if rest:
        last, best, ended = answers[6:]
        assert (last["steps"], last["epochs"], last["finished"]) == (290, 200, True)
        assert best["valid"]["ndcg@10"] >= after["valid"]["ndcg@10"]
        assert "has ended" in ended["error"]
    assert [p.name for p in tmp_path.iterdir()] == ["data.npz"]  # nothing is left behind
