"""The speed benchmark runs, and its figures are consistent. No test checks the speed itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.training.measurement import load_arrays
from datasets import DataError
from tests.conftest import NETWORK

pytestmark = pytest.mark.process

FLAGS = [f"--{word[2:].replace('-', '_')}" if word.startswith("--") else word for word in NETWORK]


@pytest.fixture
def sequences(here):
    """A file of 40 users with 12 of 30 items each, in the format of bench/peer_data.py."""
    items = np.random.default_rng(0).permuted(np.tile(np.arange(30), (40, 1)), axis=1)[:, :12]
    np.savez("small.npz", items=items.ravel(), offsets=np.arange(41) * 12)
    return "small.npz"


def test_it_measures_training_evaluation_and_memory(run_command, sequences):
    words = ["--dataset", sequences, "--steps", "2", "--json", "speed.json", "--batch_size", "20"]
    done = run_command("python", "-m", "benchmark.speed", *words, *FLAGS)
    assert done.returncode == 0, done.stderr
    with open("speed.json") as file:
        record = json.load(file)
    figures = record["figures"]
    for name, value in figures.items():
        assert value > 0, name
        assert name in done.stdout
    seconds = figures["milliseconds per step"] / 1e3
    assert figures["sequences per second"] == pytest.approx(20 / seconds)
    assert figures["GFLOP/s in training"] == pytest.approx(figures["GFLOP per step"] / seconds)
    stages = {stage["stage"]: stage["ms per step"] for stage in record["stages"]}
    model = stages["forward"] + stages["backward"]
    in_optimizer = figures["GFLOP of them in the optimizer"]
    # Five iterations of three products for each of the 7 matrices, all 8 x 8.
    assert in_optimizer == pytest.approx(7 * 5 * 3 * 2 * 8**3 / 1e9)
    rate = (figures["GFLOP per step"] - in_optimizer) / model * 1e3
    peak = figures["GFLOP/s of a large matrix product"]
    assert figures["share in forward and backward"] == pytest.approx(rate / peak)
    assert record["settings"]["batch_size"] == 20
    assert sum(stage["share"] for stage in record["stages"]) == pytest.approx(1)
    assert "backward" in done.stdout


def test_the_counted_operations_are_those_of_the_formula(run_command, sequences):
    """Matrix products of a step, counted by hand: 40 sequences of 10 items, left to right."""
    words = ["--dataset", sequences, "--steps", "1", "--json", "speed.json", "--batch_size", "40"]
    words += ["--causal_share", "1", "--windows", "tiled", "--dropout", "0", "--muon_ratio", "0"]
    done = run_command("python", "-m", "benchmark.speed", *words, *FLAGS)
    assert done.returncode == 0, done.stderr
    with open("speed.json") as file:
        counted = json.load(file)["figures"]["GFLOP per step"] * 1e9
    rows, length, width, inner, items = 40, 10, 8, 8, 48  # 30 items, with padding
    asked = length - 1
    tokens = length + asked
    forward = rows * (
        2 * tokens * 2 * width * width  # keys and values of all tokens
        + asked * (2 * 2 * width * width + 2 * 2 * width * inner)  # queries, outputs, feed-forward
        + 2 * 2 * asked * tokens * width  # attention
        + asked * 2 * width * width  # head
        + asked * 2 * width * items  # logits
    )
    assert counted == pytest.approx(3 * forward, rel=0.1)


def test_an_array_file_that_unpacks_without_bounds_is_refused(here):
    np.savez_compressed("bomb.npz", items=np.zeros(10_000_000, np.int64), offsets=np.zeros(1))
    with pytest.raises(DataError, match=r"bomb.npz: it unpacks to more than 100 times its size"):
        load_arrays(Path("bomb.npz"))
