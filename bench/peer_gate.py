"""Control of a runner: the driver decides when the library trains and when it evaluates.

A runner is a process that trains the model of one library. bench/compare.py, the driver, starts
several runners and lets them take turns, so that the load of the machine affects all alike.

The driver writes one request per line to the runner's stdin. The runner answers each with one line
of JSON on stdout. All output of the library goes to stderr.

    (start)       {"ready": true, "prepare_seconds", "samples_per_epoch", "batches_per_epoch",
                   "parameters"}: sent without a request, when the library is ready to train
    steps N       {"steps": N, "finished", "epoch_fraction", "epochs", "train_seconds",
                   "cpu_seconds", "loss", "peak_memory_mb"}: after N more training steps, which may
                   cross the end of an epoch. finished is true if the training has ended by itself:
                   "steps" is then the number of steps that it made. epoch_fraction is that of these
                   steps; epochs counts from the start of the training. loss is the mean over these
                   steps. cpu_seconds is the CPU time of all threads, which other load affects less
                   than train_seconds
    evaluate      {"valid": {"recall@10", "ndcg@10"}, "test": {...}, "seconds", "users"}, and what
                   else a runner says
    quit          no answer; the process exits, as it does at the end of stdin
    (any other)   {"error"}; steps, too, when the training has ended

The library's own training loop runs unchanged, except for a hook that calls ``Gate.before_step``
before each step. That call blocks until the driver has requested a step. Time is measured from the
start of the first step of a request to the end of its last step.
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
    description: str, batch_size: int | None, learning_rate: float | None = 0.001
) -> argparse.Namespace:
    """The parsed command line of a runner. All runners have the same options.

    ``description`` is the runner's docstring; its first line is shown by --help. The default length
    of a sequence is that of RecBole's published page. A batch size or learning
    rate of None leaves it to the library.
    """
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("data", help=".npz file written by bench/peer_data.py")
    parser.add_argument("--seed", type=int, default=1, help="seed of the weights and the batches")
    parser.add_argument("--threads", type=int, default=2, help="number of threads of torch")
    parser.add_argument("--batch-size", type=int, default=batch_size, help="samples per step")
    parser.add_argument("--max-length", type=int, default=50, help="items per sequence, at most")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, help="learning rate")
    return parser.parse_args()


def sequences(path: str) -> tuple[np.ndarray, np.ndarray]:
    """(items, offsets) from an .npz file; bench/peer_data.py describes them."""
    with np.load(path) as arrays:
        return arrays["items"], arrays["offsets"]


class Gate:
    """The runner's side of the protocol.

    Create it before the data are prepared: its creation starts the clock of prepare_seconds.
    Imports are not counted.
    """

    def __init__(self, threads: int):
        torch.set_num_threads(threads)
        # Answers go to the original stdout. Everything else that is printed, also by compiled code,
        # goes to stderr.
        self.answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.ready: dict[str, int] = {}
        self.evaluate: Callable[[], dict] | None = None
        self.steps = 0  # of the current request
        self.left = 0  # steps of the current request that are still to be made
        self.done = 0  # steps of all requests
        self.loss = 0.0  # sum over the steps of the current request
        self._start_clocks()

    def open_for(
        self,
        evaluate: Callable[[], dict],
        *,
        samples_per_epoch: int,
        batches_per_epoch: int,
        parameters: int,
    ) -> None:
        """Declare the library ready. Call this once, before the first step.

        ``evaluate`` returns {"valid", "test", "users"} for the current weights.
        """
        self.evaluate = evaluate
        self.ready = {
            "samples_per_epoch": samples_per_epoch,
            "batches_per_epoch": batches_per_epoch,
            "parameters": parameters,
        }

    def before_step(self) -> None:
        """Block until the driver requests a step. Exits the process after the last request."""
        if self.left == 0:
            self._close(finished=False)
            self.steps = self._next_steps()
            self.left = self.steps
            self._start_clocks()
        self.left -= 1
        self.done += 1

    def end(self) -> None:
        """Declare that the training has ended by itself; it made a step, at least.

        Answers requests until the last one, and exits the process.
        """
        self.steps -= self.left
        self._close(finished=True)
        while True:
            self._next_steps()
            self._answer(error="the training has ended: send evaluate or quit")

    def add_loss(self, loss: float) -> None:
        """Report the loss of the step that was just made."""
        self.loss += loss

    def _start_clocks(self) -> None:
        self.started = time.perf_counter()
        self.cpu_started = time.process_time()

    def _close(self, finished: bool) -> None:
        """Stop the clocks and answer the request that is now complete."""
        seconds = time.perf_counter() - self.started
        cpu_seconds = time.process_time() - self.cpu_started
        if not self.steps:
            self._answer(ready=True, prepare_seconds=seconds, **self.ready)
            return
        self._answer(
            steps=self.steps,
            finished=finished,
            epoch_fraction=self.steps / self.ready["batches_per_epoch"],
            epochs=self.done / self.ready["batches_per_epoch"],
            train_seconds=seconds,
            cpu_seconds=cpu_seconds,
            loss=self.loss / self.steps,
            # The peak since the process started. ru_maxrss is in kilobytes on Linux.
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
        self.loss = 0.0

    def _next_steps(self) -> int:
        """Answer requests until the next "steps N"; N."""
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
                    self._answer(
                        error=f"unknown request {line.strip()!r}: send steps N, evaluate or quit"
                    )
        sys.exit(0)

    def _answer(self, **answer: object) -> None:
        print(json.dumps(answer), file=self.answers, flush=True)
