"""What a trial shows on the terminal while it trains: a bar of steps, and a line for each epoch."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from benchmark import interruption
from benchmark.measures.metrics import SELECTION_METRIC
from benchmark.training.results import Epoch

T = TypeVar("T")


def step_bar(steps: Iterable[T], *, total: int, desc: str, initial: int = 0) -> Iterator[T]:
    """A progress bar; a signal takes effect between two steps."""
    for step in tqdm(
        steps, total=total, desc=desc, initial=initial, unit="batch", leave=False, disable=None
    ):
        interruption.heed()
        yield step


def print_epoch(epoch: Epoch) -> None:
    print(_line(epoch), flush=True)


def _line(epoch: Epoch) -> str:
    mark = "  *" if epoch.improved else ""
    what = " ".join(f"{name}={value:g}" for name, value in epoch.variant.items()) or "counted"
    if epoch.train_loss is not None:
        what = f"loss {epoch.train_loss:.4f}"
    return (
        f"{'tried' if epoch.part == 'tried' else f'epoch {epoch.number}'}: {what}  "
        f"valid {SELECTION_METRIC} {epoch.valid[SELECTION_METRIC]:.4f}  "
        f"train {epoch.train_seconds:.1f} s, valid {epoch.valid_seconds:.1f} s{mark}"
    )
