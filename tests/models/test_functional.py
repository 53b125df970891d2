"""The operations made for a CPU against torch's own, or against what they promise."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.functional import cross_entropy, dropout


@settings(deadline=None)
@given(
    n=st.integers(1, 200),
    n_items=st.integers(4, 90),
    n_seen=st.integers(0, 4),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_cross_entropy_and_its_gradients_are_those_of_the_full_matrix(
    n, n_items, n_seen, scale, seed
):
    generator = torch.Generator().manual_seed(seed)
    queries, weight, bias, gain = (
        (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
        for shape in ((n, 8), (n_items, 8), (n_items,), ())
    )
    seen = torch.rand(n, n_items, generator=generator).topk(n_seen).indices  # no item twice
    seen[torch.rand(n, n_seen, generator=generator) < 0.3] = -1
    targets = torch.randint(-1, n_items, (n,), generator=generator)
    targets[0] = 0  # at least one is wanted
    raised = torch.zeros(n, n_items + 1, dtype=torch.float64)
    raised[torch.arange(n)[:, None], seen] = 1  # the last column takes what is none
    logits = queries @ weight.t() + bias + gain * raised[:, :-1]
    expected = F.cross_entropy(logits, targets, ignore_index=-1)
    slopes = torch.autograd.grad(expected, (queries, weight, bias, gain))

    single = [x.detach().float().requires_grad_() for x in (queries, weight, bias, gain)]
    found = cross_entropy(*single[:3], targets, seen, single[3])
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    for a, b in zip(torch.autograd.grad(found * 3, single), slopes, strict=True):
        torch.testing.assert_close(a.double(), b * 3, rtol=1e-3, atol=1e-4 * scale)


def test_negatives_stand_for_the_catalogue():
    """Against the same softmax written out, and, over many draws, the sum over the catalogue."""
    n_items, negatives, n = 45, 10, 6
    torch.manual_seed(0)
    queries, weight, bias = (torch.randn(shape) for shape in ((n, 4), (n_items, 4), (n_items,)))
    gain = torch.tensor(-0.8)
    inputs = [x.requires_grad_() for x in (queries, weight, bias, gain)]
    targets = torch.tensor([0, 44, 17, 18, 30, -1])
    seen = torch.rand(n, n_items).topk(9).indices
    seen[0, 0], seen[1, :5] = 0, -1  # the first has its target, the second less than others
    part = torch.repeat_interleave(torch.arange(negatives), torch.tensor([4, 5] * 5))
    logits = torch.where(
        torch.zeros(n, n_items + 1).scatter(1, seen % (n_items + 1), 1.0)[:, :-1] > 0,
        queries @ weight.t() + bias + gain,
        queries @ weight.t() + bias,
    )
    sums = torch.zeros(n - 1)
    for draw in range(4000):
        torch.manual_seed(draw)
        found = cross_entropy(queries, weight, bias, targets, seen, gain, negatives)
        if draw < 3:
            torch.manual_seed(draw)
            first = torch.arange(negatives) * n_items // negatives
            sizes = part.bincount()
            drawn = first + (torch.rand(negatives) * sizes).long()
            assert (part[drawn] == torch.arange(negatives)).all()
            shared = logits[:-1][:, drawn] + sizes.log()
            own = logits[:-1].gather(1, targets[:-1, None])
            other = part[targets[:-1]][:, None] != torch.arange(negatives)
            rivals = shared.masked_fill(~other, -torch.inf)
            expected = (torch.cat([own, rivals], 1).logsumexp(1) - own[:, 0]).mean()
            torch.testing.assert_close(found, expected)
            for a, b in zip(
                torch.autograd.grad(found, inputs),
                torch.autograd.grad(expected, inputs, retain_graph=True),
                strict=True,
            ):
                torch.testing.assert_close(a, b)
        alone = [
            cross_entropy(queries[[i]], weight, bias, targets[[i]], seen[[i]], gain, negatives)
            for i in ([draw % 5])
        ]
        sums[draw % 5] += alone[0].detach().exp() / 800
    own = logits[:-1].gather(1, targets[:-1, None])
    counted = part[targets[:-1]][:, None] != part  # [5, n_items]
    expected = 1 + ((logits[:-1] - own).exp() * counted).sum(1)
    torch.testing.assert_close(sums, expected.detach(), rtol=0.05, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean_and_the_gradient_knows_which(p):
    torch.manual_seed(0)
    x = torch.ones(1001, 99, requires_grad=True)
    onto = torch.full((1001, 99), 5.0, requires_grad=True)
    out = dropout(x, p, True, onto)
    kept = out != 5.0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.01)
    torch.testing.assert_close(
        out[kept], torch.full_like(out[kept], 5 + 1 / (1 - p)), rtol=1e-4, atol=0
    )
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out - 5.0).detach())
    assert (onto.grad == 1).all()
    torch.manual_seed(0)
    torch.testing.assert_close(dropout(x, p, True), out - 5.0)


def test_dropout_repeats_with_the_seed_and_rests_in_evaluation():
    x = torch.randn(7, 13)

    def draw(seed):
        torch.manual_seed(seed)
        return dropout(x, 0.5, True)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert dropout(x, 0.5, False) is x
    assert torch.equal(dropout(x, 0.5, False, onto=x), x + x)
