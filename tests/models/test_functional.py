"""Cross-entropy and dropout, compared with torch's own or with their definitions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.functional import Seen, cross_entropy, dropout


@settings(deadline=None)
@given(
    n=st.integers(1, 200),
    n_items=st.integers(4, 90),
    n_seen=st.integers(0, 4),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    shared=st.booleans(),
    unit=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_cross_entropy_and_its_gradients_are_those_of_the_full_matrix(
    n, n_items, n_seen, scale, shared, unit, seed
):
    generator = torch.Generator().manual_seed(seed)
    queries, weight, bias, gains, share = (
        (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
        for shape in ((n, 8), (n_items, 8), (n_items, 1), (n, n_seen), ())
    )
    seen = torch.rand(n, n_items, generator=generator).topk(n_seen).indices  # distinct items
    seen[torch.rand(n, n_seen, generator=generator) < 0.3] = -1
    targets = torch.randint(-1, n_items, (n,), generator=generator)
    targets[0] = 0  # at least one row has a target
    row = torch.arange(n)[:, None]
    factor = torch.ones(n, n_items + 1, dtype=torch.float64)
    raised = torch.zeros_like(factor)  # index -1 is the extra column
    logits = queries @ (weight / weight.norm(dim=1, keepdim=True) if unit else weight).t()
    logits = logits + bias[:, 0]
    if shared:
        factor = factor.index_put((row, seen), share)
    raised = raised.index_put((row, seen), gains)
    logits = logits * factor[:, :-1] + raised[:, :-1]
    expected = F.cross_entropy(logits, targets, ignore_index=-1)
    moved = (queries, weight, bias, gains, share)[: 4 + shared]
    slopes = torch.autograd.grad(expected, moved)

    single = [x.detach().float().requires_grad_() for x in moved]
    found = cross_entropy(*single[:3], targets, Seen(seen, *single[3:]), unit=unit)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    for a, b in zip(torch.autograd.grad(found * 3, single), slopes, strict=True):
        # float32 rounds logits above 10,000 by 0.001 or more, and so the probabilities.
        atol = scale * (1e-4 + 1e-7 * scale**2)
        torch.testing.assert_close(a.double(), b * 3, rtol=1e-3, atol=atol)


N_ITEMS, NEGATIVES = 45, 10
PARTS = torch.tensor([4, 5] * 5)  # the sizes of the 10 parts of 45 items
PART = torch.repeat_interleave(torch.arange(NEGATIVES), PARTS)


@pytest.fixture
def sampled():
    """Inputs that require gradients, targets, seen items, and the full logits [n, N_ITEMS]."""
    torch.manual_seed(0)
    shapes = ((5, 4), (N_ITEMS, 4), (N_ITEMS, 1), (5, 9), ())
    inputs = [torch.randn(shape).requires_grad_() for shape in shapes]
    queries, weight, bias, gains, share = inputs
    targets = torch.tensor([0, 44, 17, 18, 30])
    seen = torch.rand(5, N_ITEMS).topk(9).indices
    seen[0, 0], seen[1, :5] = 0, -1  # row 0 has seen its target; row 1 has seen fewer
    row = torch.arange(5)[:, None]
    factor = torch.ones(5, N_ITEMS + 1).index_put((row, seen), share)
    raised = torch.zeros(5, N_ITEMS + 1).index_put((row, seen), gains)
    logits = queries @ weight.t() + bias[:, 0]
    return inputs, targets, Seen(seen, gains, share), logits * factor[:, :-1] + raised[:, :-1]


def rows_of(seen, rows):
    return Seen(seen.items[rows], seen.gains[rows], seen.share)


def test_a_few_negatives_are_a_softmax_over_one_item_of_each_part(sampled):
    inputs, targets, seen, logits = sampled
    asked = torch.cat([targets, torch.tensor([-1])])
    rows = [0, 1, 2, 3, 4, 4]
    torch.manual_seed(1)
    found = cross_entropy(inputs[0][rows], *inputs[1:3], asked, rows_of(seen, rows), NEGATIVES)

    torch.manual_seed(1)
    drawn = PARTS.cumsum(0) - PARTS + (torch.rand(NEGATIVES) * PARTS).long()
    own = logits.gather(1, targets[:, None])
    rivals = logits[:, drawn] + PARTS.log()
    rivals = rivals.masked_fill(PART[targets][:, None] == torch.arange(NEGATIVES), -torch.inf)
    expected = (torch.cat([own, rivals], 1).logsumexp(1) - own[:, 0]).mean()
    torch.testing.assert_close(found, expected)
    slopes = torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs)
    for a, b in zip(*slopes, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.process
def test_a_few_negatives_stand_for_the_catalogue(sampled):
    """On average, the sum in the softmax equals the sum over items outside the target's part."""
    (queries, weight, bias, *_), targets, seen, logits = sampled
    with torch.no_grad():
        others = PART[targets][:, None] != PART
        ratios = (logits - logits.gather(1, targets[:, None])).exp()
        for row in range(5):
            one = slice(row, row + 1)
            arguments = queries[one], weight, bias, targets[one], rows_of(seen, one), NEGATIVES
            draws = torch.stack([cross_entropy(*arguments) for _ in range(1500)]).exp()
            error = draws.std() / 1500**0.5
            expected = 1 + (ratios[row] * others[row]).sum()
            assert abs(draws.mean() - expected) < 5 * error


def test_enough_negatives_are_the_whole_catalogue(sampled):
    (queries, weight, bias, *_), targets, seen, logits = sampled
    arguments = queries, weight, bias, targets, seen
    expected = F.cross_entropy(logits, targets)
    torch.testing.assert_close(cross_entropy(*arguments, N_ITEMS), expected)
    torch.testing.assert_close(cross_entropy(*arguments, 0), expected)


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
