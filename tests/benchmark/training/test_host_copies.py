"""No value of a training step is read by the host: on a GPU it would wait for the whole step.

No GPU is needed. Every tensor claims to be on one, so that the step takes the path for GPUs, and
every operation that would wait there is refused.
"""

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.settings.settings import Settings
from benchmark.training.optimizer import Optimizers
from models import build, learned_models
from models.model import Histories

READS = {Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.nonzero}
READS |= {Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, torch.nonzero}
ITEMS = 60


class HostCopyError(Exception):
    pass


class ClaimsGpu(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function == Tensor.is_cuda.__get__:
            return True
        if function in READS:
            raise HostCopyError(function.__name__)
        return function(*args, **kwargs or {})


class RefusesHostCopies(TorchDispatchMode):
    """The same below Python: the backward pass, and operations that call others."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        by_mask = function._overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_)
        masks = args[1] if by_mask else []
        if any(mask is not None and mask.dtype == torch.bool for mask in masks):
            raise HostCopyError("a tensor indexed by a mask has as many rows as the mask says")
        if function._overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise HostCopyError(str(function))
        return function(*args, **kwargs or {})


def step(model, optimizers, examples) -> None:
    """A training step as ``Step._update`` has it."""
    with ClaimsGpu(), RefusesHostCopies():
        loss = model(*examples)
        optimizers.zero_grad()
        loss.backward()
        optimizers.step()


def prepared(name: str, **changes):
    """A small model, its optimizers, and examples of 5 random sequences."""
    has = Settings.of(model=name).has
    small = {"hidden_size": 8, "inner_size": 8, "heads": 2, "max_length": 9}
    small |= {"embeddings": "random", "blend": "none"} | changes
    settings = Settings.of(model=name, **{key: v for key, v in small.items() if has(key)})
    model = build(name, ITEMS, settings.values())
    sequences = torch.randint(ITEMS, (5, 9))
    examples = model.examples(Histories(sequences, sequences), torch.Generator())
    return model, Optimizers(model, settings, steps_per_epoch=10), examples


@pytest.mark.parametrize("negatives", [0, 16])
@pytest.mark.parametrize("repeats", ["learned", "frequency"])
@pytest.mark.parametrize("name", learned_models())
def test_a_step_reads_no_value_on_the_host(name, repeats, negatives):
    if name == "gSASRec" and not negatives:
        pytest.skip("gSASRec needs negatives")
    step(*prepared(name, repeats=repeats, negatives=negatives))


@pytest.mark.parametrize(
    "reads",
    [Tensor.item, Tensor.tolist, Tensor.numpy, bool, float, lambda x: torch.ones(3)[x.ravel() > 0]],
)
def test_a_model_that_reads_a_value_is_found(reads):
    model, optimizers, examples = prepared("SASRec")
    forward = model.forward

    def reading(*examples):
        loss = forward(*examples)
        reads(loss.detach())
        return loss

    model.forward = reading
    with pytest.raises(HostCopyError):
        step(model, optimizers, examples)
