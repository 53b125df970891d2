"""Lets a driver decide when a library trains: runners on one noisy machine can take turns.

A runner answers each line on its stdin with one line of JSON on its stdout (what the library prints
goes to stderr):

    (it starts)   {"ready": true, "prepare_seconds", "samples_per_epoch", "batches_per_epoch",
                   "parameters"}
    steps N       {"steps": N, "epoch_fraction", "epochs", "train_seconds", "cpu_seconds", "loss",
                   "peak_memory_mb"}: N further batches, over the ends of epochs; epochs counts
                   from the start, loss is the mean over these batches, cpu_seconds are those of
                   all threads (on a busy machine they say more than the clock)
    evaluate      {"valid": {"recall@10", "ndcg@10"}, "test": {...}, "seconds", "users"}
    quit          (it ends, as at the end of its stdin)

The library's own training loop runs, unaware: a hook in it calls ``before_step``, which returns
when a step may be made. Only the time that the loop has between the gates is counted.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch


def arguments(
    description: str, batch_size: int, learning_rate: float = 0.001
) -> argparse.Namespace:
    """The options that all runners have; the model's size is that of RecBole's published page."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("data", help="an .npz of bench/peer_data.py")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--max-length", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    return parser.parse_args()


def sequences(path: str) -> tuple[np.ndarray, np.ndarray]:
    """(items, offsets) as in bench/peer_data.py."""
    with np.load(path) as arrays:
        return arrays["items"], arrays["offsets"]


class Gate:
    """Answers the driver; ``evaluate`` gives {"valid", "test", "users"} of the weights as they are.

    Made first of all, because its clock is that of prepare_seconds (imports are not counted).
    """

    def __init__(self, threads: int):
        torch.set_num_threads(threads)
        self.answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever else is printed, also from compiled code, goes to stderr
        self.ready: dict = {}
        self.evaluate: Callable[[], dict] | None = None
        self.steps = self.left = self.done = 0
        self.loss = 0.0
        self._start_clocks()

    def open_for(
        self,
        evaluate: Callable[[], dict],
        *,
        samples_per_epoch: int,
        batches_per_epoch: int,
        parameters: int,
    ) -> None:
        """To be called when all is prepared, before the first step."""
        self.evaluate = evaluate
        self.ready = {
            "samples_per_epoch": samples_per_epoch,
            "batches_per_epoch": batches_per_epoch,
            "parameters": parameters,
        }

    def before_step(self) -> None:
        """Returns when the loop may make a step; ends the process when the driver is done."""
        if self.left == 0:
            self._close()
            self.left = self.steps = self._next_steps()
            self._start_clocks()
        self.left -= 1
        self.done += 1

    def add_loss(self, loss: float) -> None:
        self.loss += loss

    def _start_clocks(self) -> None:
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def _close(self) -> None:
        seconds = time.perf_counter() - self.started
        cpu_seconds = time.process_time() - self.cpu_started
        if not self.steps:
            self._answer(ready=True, prepare_seconds=seconds, **self.ready)
            return
        self._answer(
            steps=self.steps,
            epoch_fraction=self.steps / self.ready["batches_per_epoch"],
            epochs=self.done / self.ready["batches_per_epoch"],
            train_seconds=seconds,
            cpu_seconds=cpu_seconds,
            loss=self.loss / self.steps,
            # kilobytes on Linux; of the whole life of the process
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
        self.loss = 0.0

    def _next_steps(self) -> int:
        """Evaluate as often as the driver likes, until it asks for steps."""
        for line in sys.stdin:
            match line.split():
                case ["steps", number] if number.isdecimal() and int(number) > 0:
                    return int(number)
                case ["evaluate"]:
                    started = time.perf_counter()
                    result = self.evaluate()
                    self._answer(**result, seconds=time.perf_counter() - started)
                case ["quit"]:
                    break
                case _:
                    self._answer(error=f"{line.strip()!r} is none of: steps N, evaluate, quit")
        sys.exit(0)

    def _answer(self, **what) -> None:
        print(json.dumps(what), file=self.answers, flush=True)
