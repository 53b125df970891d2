"""How fast training and evaluation run here, against the peak rate of this machine.

Torch, numpy and pandas suffice.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import benchmark  # noqa: F401  (first: it sets how OpenMP waits, which torch reads when imported)

# isort: split
import numpy as np
import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from benchmark.training.graphs import EAGER_STEPS
from benchmark.training.memory import peak_memory
from benchmark.training.trainer import Trainer
from datasets.ids import Ids
from datasets.reading.bombs import check_unpacked
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out
from datasets.splitting.targets import Split
from models.model import Histories
from models.progress import T, no_bar

WARM_UP_STEPS = 10
PROFILED_STEPS = 20
LARGEST_OPERATIONS = 12

# Operations that torch's counter leaves out: attention on a CPU, and products added in place. Each
# function gets the shapes of the arguments; a multiplication and an addition count as two.
UNCOUNTED = {
    torch.ops.aten.addmm_: lambda _, a, b, **__: 2 * a[0] * a[1] * b[1],
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(grad, q, k, v)
    ),
}


@dataclass(frozen=True)
class Measurement:
    figures: dict[str, float]
    """Rates, seconds and shares by name."""
    stages: pd.DataFrame
    """Columns stage, "ms per step" and share."""
    operations: pd.DataFrame
    """Columns operation, "ms per step" and share."""


def measure(trainer: Trainer, steps: int) -> Measurement:
    """Time ``steps`` training steps and the ranking of all users.

    The trainer's model has to be a learned one.
    """
    figures = _figures(trainer, steps)
    stages = _stages(trainer, steps)
    model = stages[stages["stage"].isin(["forward", "backward"])]["ms per step"].sum() / 1e3
    operations = figures["GFLOP per step"] - figures["GFLOP of them in the optimizer"]
    figures["share in forward and backward"] = (
        operations / model / figures["GFLOP/s of a large matrix product"]
    )
    return Measurement(figures, stages, _operations(trainer, min(steps, PROFILED_STEPS)))


def load_arrays(path: Path) -> tuple[Sequences, Split]:
    """Sequences from an .npz file of ``items`` [n] and ``offsets`` [users + 1], leave-one-out.

    Raises DataError for a decompression bomb.
    """
    with ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        check_unpacked(path, unpacked, path.stat().st_size)
    with np.load(path, allow_pickle=False) as arrays:
        return from_arrays(arrays["items"], arrays["offsets"])


def from_arrays(items: np.ndarray, offsets: np.ndarray) -> tuple[Sequences, Split]:
    """Sequences of ``items`` [n] int and ``offsets`` [users + 1] int64, leave-one-out."""
    users = Ids.of(np.arange(len(offsets) - 1).astype(str))
    ids = Ids.of(np.arange(items.max() + 1).astype(str))
    sequences = Sequences(items.astype(np.int32), offsets, users, ids)
    return sequences, leave_one_out(sequences)


def peak_flops(device: torch.device, precision: str) -> float:
    """The best rate of a large matrix product on this machine, in FLOP/s."""
    size = 8192 if device.type == "cuda" else 1536
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    clock = Clock(device)
    times = []
    for _ in range(12):
        started = clock.now()
        a @ b
        times.append(clock.now() - started)
    return 2.0 * size**3 / min(times)


class Clock:
    """Adds up the seconds that wrapped functions take. It waits for a CUDA device."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = {}

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = self.now()
            result = function(*args, **kwargs)
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - started
            return result

        return timed


class Steps:
    """The first steps of an epoch, the same ones in each run."""

    def __init__(self, trainer: Trainer, count: int):
        self.trainer = trainer
        self.count = min(count, len(trainer.batches))
        self.tokens = 0
        self.sequences = 0

    def run(self) -> None:
        """Train on these steps, and count their tokens and sequences."""
        self.trainer.bar = self._first
        self.trainer.begin_epoch()
        self.trainer.train_epoch()
        self.trainer.bar = no_bar

    def _first(self, steps: Iterable[T], *, total: int, desc: str, initial: int = 0) -> Iterator[T]:
        if not desc.startswith("epoch"):
            yield from steps
            return
        self.tokens = 0
        self.sequences = 0
        for _, batch in zip(range(self.count), steps, strict=False):
            assert isinstance(batch, Histories)
            items = batch.last(self.trainer.model.max_length).items
            self.tokens += int(torch.ne(items, self.trainer.model.n_items).sum())
            self.sequences += len(items)
            yield batch


@contextmanager
def _eager(trainer: Trainer) -> Iterator[None]:
    """Launch all operations of a step one by one: those of a CUDA graph cannot be told apart."""
    graphs = trainer.step.graphs
    trainer.step.graphs = None
    try:
        yield
    finally:
        trainer.step.graphs = graphs


def _figures(trainer: Trainer, count: int) -> dict[str, float]:
    """Rates of training over ``count`` steps, and of ranking all validation users once."""
    device = trainer.device
    clock = Clock(device)
    steps = Steps(trainer, count)
    if device.type == "cuda":  # a step becomes a graph when its shapes occur for the third time
        for _ in range(EAGER_STEPS + 1):
            steps.run()
    else:
        Steps(trainer, WARM_UP_STEPS).run()
    peak = peak_flops(device, trainer.settings.precision)
    started = clock.now()
    steps.run()
    seconds = clock.now() - started
    operations, in_optimizer = _count(trainer, steps)
    trainer.ranks(trainer.split.valid)
    started = clock.now()
    trainer.ranks(trainer.split.valid)
    ranking = clock.now() - started
    return {
        "sequences per second": steps.sequences / seconds,
        "tokens per second": steps.tokens / seconds,
        "milliseconds per step": 1e3 * seconds / steps.count,
        "seconds per epoch": seconds / steps.count * len(trainer.batches),
        "GFLOP per step": operations / steps.count / 1e9,
        "GFLOP of them in the optimizer": in_optimizer / steps.count / 1e9,
        "GFLOP/s in training": operations / seconds / 1e9,
        "GFLOP/s of a large matrix product": peak / 1e9,
        "share of that": operations / seconds / peak,
        "users per second in evaluation": trainer.split.valid.n_users / ranking,
        "seconds per evaluation": ranking,
        "peak memory in MB": peak_memory(device),
    }


def _count(trainer: Trainer, steps: Steps) -> tuple[float, float]:
    """(the operations of these steps, those of them in the optimizer)."""
    in_optimizer = 0

    def counted(step: Callable[[], None]) -> Callable[[], None]:
        def counted_step() -> None:
            nonlocal in_optimizer
            before = counter.get_total_flops()
            step()
            in_optimizer += counter.get_total_flops() - before

        return counted_step

    counter = FlopCounterMode(display=False, custom_mapping=UNCOUNTED)
    with _eager(trainer), _replaced(trainer.step.optimizers, "step", counted), counter:
        steps.run()
    return float(counter.get_total_flops()), float(in_optimizer)


@contextmanager
def _replaced(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """Inside the block, the method ``name`` of ``owner`` is what ``wrap`` makes of it."""
    original = getattr(owner, name)
    setattr(owner, name, wrap(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _stages(trainer: Trainer, count: int) -> pd.DataFrame:
    """The time of each stage of a step, in milliseconds and as a share.

    "forward" holds all products of the loss and of its gradients (models/networks/functional.py).
    On a GPU the stages are run one by one, not as the graph that ``_figures`` times.
    """
    clock = Clock(trainer.device)
    timed: list[tuple[Any, str, str]] = [
        (trainer.model, "examples", "drawing masks"),
        (trainer.step.shared, "forward", "forward"),
        (torch.Tensor, "backward", "backward"),
        (trainer.step.optimizers, "step", "optimizer"),
        (trainer.step.averaging, "before_step", "mean of weights"),
        (trainer.step.averaging, "after_step", "mean of weights"),
    ]
    steps = Steps(trainer, count)
    with ExitStack() as replaced, _eager(trainer):
        for owner, name, stage in timed:
            replaced.enter_context(_replaced(owner, name, partial(clock.wrap, stage)))
        started = clock.now()
        steps.run()
        total = clock.now() - started
    clock.seconds["batches and the rest"] = total - sum(clock.seconds.values())
    rows = [(name, 1e3 * s / steps.count, s / total) for name, s in clock.seconds.items()]
    return pd.DataFrame(rows, columns=["stage", "ms per step", "share"])


def _operations(trainer: Trainer, count: int) -> pd.DataFrame:
    """The operations that take longest, by the time spent in each alone."""
    cuda = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    steps = Steps(trainer, count)
    with profile(activities=activities) as profiler:
        steps.run()
    times = {
        event.key: float(event.self_device_time_total if cuda else event.self_cpu_time_total)
        for event in profiler.key_averages()
    }  # microseconds
    total = sum(times.values())
    largest = sorted(times.items(), key=lambda item: -item[1])[:LARGEST_OPERATIONS]
    rows = [(name, t / 1e3 / steps.count, t / total) for name, t in largest]
    return pd.DataFrame(rows, columns=["operation", "ms per step", "share"])
