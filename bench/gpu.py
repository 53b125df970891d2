"""How fast training and ranking run on a GPU: the peaks, a step, an epoch, by size of the batch.

    python -m bench.gpu --data-dir DIR --json gpu.json

Torch, numpy and pandas suffice. The data are **synthetic** sequences of the shape of Amazon-Books
(bench/amazon_shape.py), and ml-1m where DIR holds it. It takes two minutes. Whether a GPU computes
what a CPU computes is checked by tests/benchmark/training/test_cuda.py.
"""

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path

import pandas as pd
import torch

from bench.amazon_shape import amazon_shape
from benchmark.settings.settings import Settings
from benchmark.training.measurement import from_arrays, peak_flops
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from datasets.sequences import Sequences
from datasets.splitting.targets import Split

BATCH_SIZES = (32, 256, 1024, 4096)
EAGER_STEPS = 100  # timed without graphs
COPIED = 1 << 30  # bytes


def peaks(device: torch.device) -> dict[str, float]:
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(8):
        started = _now()
        target.copy_(source)
        times.append(_now() - started)
    return {
        "fp32 product, TFLOP/s": peak_flops(device, "fp32") / 1e12,
        "bf16 product, TFLOP/s": peak_flops(device, "bf16") / 1e12,
        "copy, GB/s read and written": 2 * COPIED / min(times) / 1e9,
    }


def row(name: str, sequences: Sequences, split: Split, precision: str, size: int) -> dict:
    """An epoch as users run it, after two that record the graphs; a step without graphs."""
    settings = Settings.of(device="cuda", precision=precision, batch_size=size, epochs=100)
    trainer = Trainer(settings, sequences, split)
    first, second, third = islice(trainer.epochs(), 3)
    del first, second
    steps = len(trainer.batches)
    trainer.step.graphs = None
    trainer.bar = lambda batches, **_: islice(batches, EAGER_STEPS)  # SLIST has been counted
    started = _now()
    trainer.begin_epoch()
    trainer.train_epoch()
    eager = _now() - started
    return {
        "data": name,
        "precision": precision,
        "batch": size,
        "steps": steps,
        "ms a step": 1e3 * third.train_seconds / steps,
        "without graphs": 1e3 * eager / min(EAGER_STEPS, steps),
        "s an epoch": third.train_seconds,
        "s to rank": third.valid_seconds,
        "users": split.valid.n_users,
        "peak MB": trainer.pruned_result().peak_memory_mb,
    }


def _now() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="folder with the raw file of ml-1m")
    parser.add_argument("--json", type=Path, help="file to which the figures are written, too")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("Error: this machine has no GPU")
    device = torch.device("cuda")
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    peak = peaks(device)
    for name, value in peak.items():
        print(f"{name:<32}{value:,.1f}")
    data = {"Amazon-Books' shape (synthetic)": from_arrays(*amazon_shape(seed=1))}
    if args.data_dir:
        spec, movies = load("ml-1m", args.data_dir)
        data["ml-1m"] = (movies, spec.split_of(movies))
    rows = [
        row(name, *of, precision, size)
        for name, of in data.items()
        for precision in ("fp32", "bf16")
        for size in BATCH_SIZES
    ]
    print(pd.DataFrame(rows).round(2).to_string(index=False))
    if args.json:
        args.json.write_text(json.dumps({"peaks": peak, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
