"""Checks of what a learned model trains on, and of its loss."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from benchmark.contract.subject import N_ITEMS, Broken, Subject, check_tensor, training
from models.model import Examples, LearnedModel

BATCHES = 20  # of new sequences, for the losses that are compared
LEAK = 0.03  # share of the loss by which true targets may be better than exchanged ones ...
LEAK_ERRORS = 5.0  # ... and standard errors


def examples(subject: Subject) -> None:
    """Targets are items of their own sequences, and follow from ``generator`` alone."""
    model = subject.learned()
    sequences = training(model)
    found = model.examples(sequences, torch.Generator().manual_seed(3))
    targets = found.targets
    check_tensor("targets", targets, (len(sequences.items), None), floating=False)
    if not (targets >= 0).any():
        raise Broken("there is no target (>= 0) in full training sequences")
    if int(targets.max()) >= N_ITEMS:
        raise Broken(f"a target is {int(targets.max())}: padding ({N_ITEMS}) is no target; use -1")
    own = (targets[:, :, None] == sequences.items[:, None]).any(-1) | (targets < 0)
    if not own.all():
        raise Broken("a target is no item of its own sequence")
    if not torch.equal(found.rows(slice(1, 3)).targets, targets[1:3]):
        raise Broken("rows(slice(1, 3)) has other targets than the rows 1 and 2")
    again = model.examples(sequences, torch.Generator().manual_seed(3))
    if not all(map(torch.equal, found, again)):
        raise Broken("the same generator state draws other examples: draw with `generator` alone")
    model.examples(sequences.last(1), torch.Generator().manual_seed(3))  # sequences of one item


def loss(subject: Subject) -> None:
    """The loss is finite, has gradients, and is a mean over targets."""
    model = subject.learned()
    found = model.examples(training(model), torch.Generator().manual_seed(3))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    value = model(*found)
    check_tensor("the loss", value, (), floating=True)
    if not torch.isfinite(value):
        raise Broken(f"the loss is {float(value.detach())}")
    if not value.requires_grad:
        raise Broken("the loss has no gradient")
    value.backward()
    if all(p.grad is None for p in model.parameters()):
        raise Broken("no parameter has a gradient")
    one = model.examples(training(model).last(1), torch.Generator().manual_seed(3))
    if not torch.isfinite(model(*one)):
        raise Broken("the loss of sequences of one item, without any target, is not finite: give 0")
    model.eval()  # without dropout
    with torch.no_grad():
        whole, again = (float(model(*found)) for _ in range(2))
        parts = [found.rows(slice(None, 3)), found.rows(slice(3, None))]
        counts = [int((part.targets >= 0).sum()) for part in parts]
        mean = float(np.average([float(model(*part)) for part in parts], weights=counts))
    if whole == again and not np.isclose(mean, whole, rtol=1e-2):
        raise Broken(
            f"the loss is no mean over targets: {whole:.4f} of a batch, {mean:.4f} by its parts, "
            "weighted by their numbers of targets"
        )
    _check_buffers(model, before)


def _check_buffers(model: LearnedModel, before: dict[str, Tensor]) -> None:
    """Scores have to be the same with the buffers ``before`` training and with those after it."""
    histories = training(model).last(model.max_length)
    with torch.no_grad():
        after = model.scores(model.queries(histories), 0, N_ITEMS)
        for name, buffer in model.named_buffers():
            if name in before and before[name].shape == buffer.shape:
                buffer.copy_(before[name])
        again = model.scores(model.queries(histories), 0, N_ITEMS)
    if not torch.equal(after, again):
        raise Broken(
            "a buffer that changes in training changes the scores: what is evaluated has the mean "
            "of the parameters, and not this buffer (in place of BatchNorm, use LayerNorm)"
        )


def embeddings(subject: Subject) -> None:
    """``items`` returns the memory of a parameter, so that SLIST's factors can be written to it."""
    model = subject.learned()
    table = model.items()
    check_tensor("items()", table, (N_ITEMS, None), floating=True)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    if table.untyped_storage().data_ptr() not in weights:
        raise Broken(
            "items() is a copy: return the memory of a parameter, such as weight[:n_items]"
        )


def future(subject: Subject) -> None:
    """A model does not see its targets in training. On random sequences nobody can predict them: if
    true targets have a smaller loss than exchanged ones, the model has seen them."""
    model = subject.fitted
    assert isinstance(model, LearnedModel), "CHECKS has this for learned models alone"
    generator = torch.Generator().manual_seed(6)
    gaps = []
    with torch.no_grad():
        for _ in range(BATCHES):
            found = model.examples(training(model, generator), generator)
            true, exchanged = float(model(*found)), float(model(*_exchanged(found, generator)))
            gaps.append((exchanged - true) / max(abs(exchanged), 1e-9))
    gap = float(np.mean(gaps))
    error = float(np.std(gaps, ddof=1)) / len(gaps) ** 0.5
    if gap > LEAK and gap > LEAK_ERRORS * error:
        raise Broken(
            f"in training the model sees what it is to predict: on random sequences, its loss is "
            f"{gap:.0%} smaller for the true targets than for exchanged ones"
        )


def _exchanged(found: Examples, generator: torch.Generator) -> Iterable[Tensor]:
    """The examples with targets that change places among all rows."""
    tensors = list(found)
    places = [n for n, t in enumerate(tensors) if t is found.targets]
    if not places:
        raise Broken(
            "forward does not take `targets`, so this check cannot tell whether the model sees them"
        )
    targets = found.targets.clone()
    wanted = targets >= 0
    values = targets[wanted]
    targets[wanted] = values[torch.randperm(len(values), generator=generator)]
    tensors[places[0]] = targets
    return tensors
