"""One trial on two real processes: as on one without dropout, repeatable with it."""

import os
from pathlib import Path

import pytest

from tests.conftest import TINY, free_port, until
from tests.forked import Process

pytestmark = pytest.mark.process

SAME = ["--epochs", "2", "--seed", "3", "--dropout", "0", "--batch-size", "127"]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"]


def history(store, run, key):
    return [m.value for m in store.get_metric_history(run.info.run_id, key)]


def test_two_processes_train_and_rank_as_one(train_here, run_command, store):
    alone = train_here(*SAME)
    assert alone.returncode == 0, alone.stderr
    words = [*TORCHRUN, str(free_port()), "-m", "benchmark.train", "--dataset", "demo"]
    shared = run_command("python", *words, *TINY, *SAME)
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout.count("epoch 2: loss") == 1  # only one process prints
    experiment = store.get_experiment_by_name("demo")
    second, first = store.search_runs([experiment.experiment_id])
    assert second.info.status == "FINISHED"
    assert second.data.params == first.data.params
    for key in ("train/loss", "valid/ndcg_at_10"):
        of_two, of_one = (history(store, run, key) for run in (second, first))
        assert len(of_one) == 2
        assert of_two == pytest.approx(of_one, rel=1e-4)
    for name, value in first.data.metrics.items():
        if name.startswith("test/"):
            assert second.data.metrics[name] == pytest.approx(value, rel=1e-3)


def test_a_batch_without_targets_is_shared_by_two_processes(run_command, run_verb, store, here):
    """Users of three interactions have one for training, after which nothing is predicted."""
    rows = [f"u{u},i{(u + n) % 7},{n}" for u in range(40) for n in range(3 if u < 30 else 9)]
    Path("data").mkdir()
    Path("data/short.csv").write_text("\n".join(["user,item,timestamp", *rows]))
    columns = "{user: user, item: item, timestamp: timestamp}"
    source = f"{{file: short.csv, reader: csv, columns: {columns}}}"
    Path("short.yaml").write_text(f"title: Short\nsources: [{source}]\n")
    words = ["--dataset", "short.yaml", *TINY, *SAME[:-1], "8", "--model", "SASRec"]
    alone = run_verb("train", *words)
    assert alone.returncode == 0, alone.stderr
    shared = run_command("python", *TORCHRUN, str(free_port()), "-m", "benchmark.train", *words)
    assert shared.returncode == 0, shared.stderr
    second, first = store.search_runs([store.get_experiment_by_name("short").experiment_id])
    of_two, of_one = (history(store, run, "train/loss") for run in (second, first))
    assert of_two == pytest.approx(of_one, rel=1e-4)


def test_with_dropout_two_processes_repeat_their_own_numbers(run_command, store):
    options = ["--epochs", "1", "--dropout", "0.2", "--batch-size", "512"]
    for _ in range(2):
        words = [*TORCHRUN, str(free_port()), "-m", "benchmark.train", "--dataset", "demo"]
        shared = run_command("python", *words, *TINY, *options)
        assert shared.returncode == 0, shared.stderr
    second, first = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    assert history(store, second, "train/loss") == history(store, first, "train/loss")
    results = [
        {name: value for name, value in run.data.metrics.items() if name.startswith("test/")}
        for run in (second, first)
    ]
    assert results[0] == results[1]


def test_two_processes_go_on_with_what_one_has_begun(train_here, run_command, store):
    words = ["benchmark.train", "--dataset", "demo", *TINY, *SAME]
    process = Process(words, {**os.environ})
    until(process, "epoch 1")
    process.kill()
    process.communicate(timeout=120)
    (cut,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    words = [*TORCHRUN, str(free_port()), "-m", "benchmark.train", "--resume", cut.info.run_id]
    shared = run_command("python", *words)
    assert shared.returncode == 0, shared.stderr
    assert train_here(*SAME).returncode == 0
    alone, resumed = store.search_runs([cut.info.experiment_id])
    assert resumed.info.status == "FINISHED"
    for key in ("train/loss", "valid/ndcg_at_10"):
        assert len(history(store, resumed, key)) == 2
        assert history(store, resumed, key) == pytest.approx(history(store, alone, key), rel=1e-4)
