"""How fast a trial runs here, against what the machine can do.

python -m benchmark.speed --dataset ml-1m --data_dir ../shared/data
python -m benchmark.speed --dataset amazon-shape.npz --steps 50 --json speed.json

``--dataset`` is a data set's name, or an .npz of items and offsets (bench/peer_data.py writes one).
Every setting of a trial is an option. Torch, numpy and pandas suffice to run this on an .npz.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import fields

import benchmark  # noqa: F401  (first: it sets how OpenMP waits, which torch reads when imported)

# isort: split
import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from benchmark.settings import Settings
from benchmark.training.memory import peak_memory
from benchmark.training.trainer import Trainer
from datasets.errors import DataError
from datasets.sequences import Sequences, leave_one_out

WARM_UP_STEPS = 10

# What torch's counter leaves out: attention on a CPU, and products that are added in place.
# Shapes of the arguments -> operations, a multiplication and an addition counted as two.
UNCOUNTED = {
    torch.ops.aten.addmm_: lambda _, a, b, **__: 2 * a[0] * a[1] * b[1],
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(grad, q, k, v)
    ),
}


class Clock:
    """Seconds spent in functions that it wraps; a CUDA device is waited for."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = {}

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def wrap(self, name: str, function: Callable) -> Callable:
        def timed(*args, **kwargs):
            started = self.now()
            result = function(*args, **kwargs)
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - started
            return result

        return timed


def peak_flops(device: torch.device, precision: str) -> float:
    """The best rate of a large matrix product, in FLOP/s: what this machine can do."""
    size = 8192 if device.type == "cuda" else 1536
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    clock = Clock(device)
    times = []
    for _ in range(12):
        started = clock.now()
        a @ b
        times.append(clock.now() - started)
    return 2 * size**3 / min(times)


class Steps:
    """The first steps of an epoch, the same ones whenever they are run."""

    def __init__(self, trainer: Trainer, count: int):
        self.trainer = trainer
        self.count = min(count, len(trainer.batches))
        self.tokens = self.sequences = 0

    def run(self, take: Callable) -> None:
        """``take`` each batch, as the trainer's ``progress`` hands them out."""

        def first(batches, **_):
            self.tokens = self.sequences = 0
            for _, batch in zip(range(self.count), batches, strict=False):
                self.tokens += int((batch != self.trainer.model.n_items).sum())
                self.sequences += len(batch)
                yield batch

        self.trainer.progress = first
        self.trainer.begin_epoch()
        take()
        self.trainer.progress = lambda batches, **_: batches


def measure(trainer: Trainer, count: int) -> dict[str, float]:
    """Rates of training over ``count`` steps, and of ranking all users once."""
    settings, device, clock = trainer.settings, trainer.device, Clock(trainer.device)
    Steps(trainer, WARM_UP_STEPS).run(trainer.train_epoch)
    peak = peak_flops(device, settings.precision)
    steps = Steps(trainer, count)
    started = clock.now()
    steps.run(trainer.train_epoch)
    seconds = clock.now() - started
    with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        steps.run(trainer.train_epoch)
    flops = counter.get_total_flops() / seconds
    trainer.ranks(trainer.split.valid)
    started = clock.now()
    trainer.ranks(trainer.split.valid)
    ranking = clock.now() - started
    return {
        "sequences per second": steps.sequences / seconds,
        "tokens per second": steps.tokens / seconds,
        "milliseconds per step": 1e3 * seconds / steps.count,
        "seconds per epoch": seconds / steps.count * len(trainer.batches),
        "GFLOP per step": counter.get_total_flops() / steps.count / 1e9,
        "GFLOP/s in training": flops / 1e9,
        "GFLOP/s of a large matrix product": peak / 1e9,
        "share of that": flops / peak,
        "users per second in evaluation": len(trainer.split.valid.users) / ranking,
        "seconds per evaluation": ranking,
        "peak memory in MB": peak_memory(device),
    }


def stages(trainer: Trainer, count: int) -> pd.DataFrame:
    """Where a step's time goes: milliseconds and share of each stage.

    The products of the loss, and of its gradients, are all in "forward" (models/functional.py).
    """
    clock = Clock(trainer.device)
    timed = [
        (trainer.model, "examples", "drawing masks"),
        (trainer, "trained", "forward"),
        (torch.Tensor, "backward", "backward"),
        (trainer.optimizers, "step", "optimizer"),
        (trainer.averaging, "before_step", "mean of weights"),
        (trainer.averaging, "after_step", "mean of weights"),
    ]
    originals = [getattr(owner, name) for owner, name, _ in timed]
    for (owner, name, stage), original in zip(timed, originals, strict=True):
        setattr(owner, name, clock.wrap(stage, original))
    try:
        steps = Steps(trainer, count)
        started = clock.now()
        steps.run(trainer.train_epoch)
        total = clock.now() - started
    finally:
        for (owner, name, _), original in zip(timed, originals, strict=True):
            setattr(owner, name, original)
    clock.seconds["batches and the rest"] = total - sum(clock.seconds.values())
    rows = [(name, 1e3 * s / steps.count, s / total) for name, s in clock.seconds.items()]
    return pd.DataFrame(rows, columns=["stage", "ms per step", "share"])


def operations(trainer: Trainer, count: int, most: int = 12) -> pd.DataFrame:
    """The operations that take longest, by the time spent in them alone."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if trainer.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        Steps(trainer, count).run(trainer.train_epoch)
    cuda = trainer.device.type == "cuda"
    times = {
        event.key: event.self_device_time_total if cuda else event.self_cpu_time_total
        for event in profiler.key_averages()
    }
    total = sum(times.values())
    largest = sorted(times.items(), key=lambda item: -item[1])[:most]
    rows = [(name, t / 1e3 / min(count, len(trainer.batches)), t / total) for name, t in largest]
    return pd.DataFrame(rows, columns=["operation", "ms per step", "share"])


def settings_of(given: dict) -> Settings:
    """Raises ValueError if they do not go together, DataError for a wrong configuration file."""
    if "recbole_config" not in given:
        return Settings.of(**given)

    from benchmark.recbole import config

    return config.read(given).settings(**given)


def read(dataset: str, data_dir: str | None = None, recbole_config: str = ""):
    """(sequences, split) of a data set, or of an .npz with items and offsets."""
    if not dataset.endswith(".npz"):
        import datasets

        spec, sequences = datasets.load(dataset, data_dir, recbole_config)
        return sequences, spec.split_of(sequences)
    with np.load(dataset, allow_pickle=False) as arrays:
        items, offsets = arrays["items"], arrays["offsets"]
    users, n_items = np.arange(len(offsets) - 1), np.arange(items.max() + 1)
    sequences = Sequences(items.astype(np.int32), offsets, users.astype(str), n_items.astype(str))
    return sequences, leave_one_out(sequences)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", help="folder of the raw data")
    parser.add_argument("--steps", type=int, default=60, help="to time (default: 60)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    for setting in fields(Settings):
        parser.add_argument(f"--{setting.name}", type=setting.type, help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    data_dir, count, path = options.pop("data_dir"), options.pop("steps"), options.pop("json")
    try:
        settings = settings_of({k: v for k, v in options.items() if v is not None})
        data = read(settings.dataset, data_dir, settings.recbole_config)
    except (DataError, ValueError) as error:
        parser.error(str(error))
    trainer = Trainer(settings, *data)
    if not trainer.learns:
        parser.error(f"{settings.model} is counted in one pass: there are no steps to time")
    figures = measure(trainer, count)
    by_stage, by_operation = stages(trainer, count), operations(trainer, min(count, 20))
    model = by_stage[by_stage["stage"].isin(["forward", "backward"])]["ms per step"].sum() / 1e3
    figures["share in forward and backward"] = (
        figures["GFLOP per step"] / model / figures["GFLOP/s of a large matrix product"]
    )
    machine = {
        "device": str(trainer.device),
        "processor": torch.cuda.get_device_name(trainer.device)
        if trainer.device.type == "cuda"
        else f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    rows = machine | {"command": settings.command()} | {k: f"{v:,.4g}" for k, v in figures.items()}
    for name, value in rows.items():
        print(f"{name:<36}{value}")
    for table in (by_stage, by_operation):
        print()
        print(table.round(3).to_string(index=False))
    if path:
        record = {"machine": machine, "settings": settings.as_dict(), "figures": figures}
        record |= {"stages": by_stage.to_dict("records")}
        record |= {"operations": by_operation.to_dict("records")}
        with open(path, "w", encoding="utf-8") as out:
            json.dump(record, out, indent=1)


if __name__ == "__main__":
    main()
