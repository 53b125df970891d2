"""A training step as a CUDA graph: all its kernels are launched at once."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from models.model import Examples

Update = Callable[[Examples], Tensor]
"""Trains on examples, and returns their mean loss, []."""

Shapes = tuple[tuple[torch.Size, torch.dtype], ...]

EAGER_STEPS = 2  # of each shape before its graph: in them, libraries load and choose their kernels


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    loss: Tensor


class Graphs:
    """The CUDA graphs of a trial's training step, one for each shape of examples.

    A step of these models is some hundred kernels of a few microseconds each, and a processor takes
    longer to launch them one by one than the GPU takes to run them. All graphs share their memory,
    for only one runs at a time.
    """

    def __init__(self) -> None:
        self.occurred: Counter[Shapes] = Counter()
        self.recorded: dict[Shapes, _Recorded] = {}
        self.pool = torch.cuda.graph_pool_handle()

    def run(self, update: Update, examples: Examples) -> Tensor:
        """Run ``update``, as a graph from the third time on that the shapes of examples occur.

        ``update`` is always the same. It reads no value from the device, and all its tensors but
        the examples are in the same place in each step. The returned loss is overwritten by the
        next step.
        """
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in examples)
        self.occurred[shapes] += 1
        if self.occurred[shapes] <= EAGER_STEPS:
            return update(examples)
        if shapes not in self.recorded:
            self.recorded[shapes] = self._record(update, examples)
        step = self.recorded[shapes]
        torch._foreach_copy_(step.inputs, list(examples))
        step.graph.replay()
        return step.loss

    def _record(self, update: Update, examples: Examples) -> _Recorded:
        """Record a step without running it."""
        inputs = [tensor.clone() for tensor in examples]
        graph = torch.cuda.CUDAGraph()
        with _no_garbage_collection(), torch.cuda.graph(graph, pool=self.pool):
            loss = update(type(examples)(*inputs))
        return _Recorded(graph, inputs, loss)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A graph of an earlier trial must not be destroyed while one is recorded: CUDA refuses it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
