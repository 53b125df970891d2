"""Cross-entropy over a catalogue and dropout, faster on a CPU than torch's own.

Both are exact. They replace the slowest parts of a training step; docs/performance.md has what each
gave. On CUDA dropout is torch's own.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_PER_THREAD = 64  # targets at a time: their logits for some thousand items fit a core's cache
LOGITS_PER_CHUNK = 1 << 28  # on CUDA


class Seen(NamedTuple):
    """The items that the history of each of n targets has, and how their scores differ.

    The score of such an item is ``share`` times its score as any item, plus its gain.
    """

    items: Tensor
    """[n, m] int64: each item once, and -1."""
    gains: Tensor
    """[n, m] float"""
    share: Tensor | None = None
    """[]; None: 1."""

    def more(self, scores: Tensor) -> Tensor:
        """What is added to the scores that the items have as any item, [n, m]."""
        return self.gains if self.share is None else self.gains + (self.share - 1) * scores


def cross_entropy(
    queries: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    seen: Seen | None = None,
    negatives: int = 0,
    by_rows: bool = False,
    unit: bool = False,
) -> Tensor:
    """The mean cross-entropy of the logits ``queries @ weight.T + bias.T``, in nats: [].

    ``queries`` [n, hidden]; ``weight`` [n_items or more, hidden], whose first n_items rows are
    items; ``bias`` [n_items, 1]; all float. ``targets`` [n] int64, negative where there is nothing
    to predict. The logits of ``seen`` items differ as it says.

    A target is compared with the whole catalogue (``negatives`` 0), or with a random sample of
    ``negatives`` items if the catalogue has more. The logits, [n, n_items or negatives], are never
    built as a whole. With ``by_rows`` the gradients of weight and bias are sparse and hold the rows
    that were used; without negatives these are all rows.
    """
    if seen is None:
        seen = Seen(targets.new_empty(len(targets), 0), bias.new_empty(len(targets), 0))
    items, gains, share = seen
    if not queries.is_cuda:  # on CUDA the host would wait for the number of targets
        wanted = targets >= 0
        queries, targets, items, gains = (x[wanted] for x in (queries, targets, items, gains))
    known = columns = targets.clamp(min=0)
    own = F.embedding(known, weight, sparse=by_rows)  # [n, hidden]
    if unit:
        own = F.normalize(own, dim=1)
    again = items == targets[:, None]  # [n, m]
    own_bias = F.embedding(known, bias, sparse=by_rows)[:, 0]
    if share is not None:
        own_logits = (queries * own).sum(1) + own_bias
        own_bias = own_bias + (share - 1) * own_logits * again.any(1)
    own_bias = own_bias + (gains * again).sum(1)
    log_sizes = bias.new_zeros(())
    if 0 < negatives < len(bias):
        drawn, sizes, columns, items = _sample(len(bias), known, items, negatives)
        weight = F.embedding(drawn, weight, sparse=by_rows)
        log_sizes = sizes.log()
        bias = F.embedding(drawn, bias, sparse=by_rows)[:, 0]
    else:
        weight, bias = weight[: len(bias)], bias[:, 0]
    if unit:
        weight = F.normalize(weight, dim=1)
    log_sizes = log_sizes.expand(len(bias))
    kind = queries.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    loss: Tensor = _CrossEntropy.apply(
        queries,
        weight,
        bias + log_sizes,
        own,
        own_bias,
        gains,
        share,
        log_sizes,
        targets >= 0,
        columns[:, None],
        items,
        dtype,
    )
    return loss


def _sample(
    n_items: int, targets: Tensor, seen: Tensor, negatives: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A random sample that stands for the catalogue.

    The catalogue is cut into ``negatives`` parts; one random item stands for each part, and its
    logit counts as often as the part has items. So the sum over the catalogue in the softmax has
    the right expectation, but for the few other items in the target's own part, which are left out.
    The part of an item follows from its number, so nothing is looked up.

    Returns the drawn items [negatives] and the sizes of their parts [negatives]; the column that a
    target's own logit replaces [n]; and the columns of the seen items [n, m], -1 for items that
    were not drawn; all int64.
    """
    edges = torch.arange(negatives + 1, device=targets.device) * n_items // negatives
    sizes = edges.diff()
    drawn = edges[:-1] + (torch.rand(negatives, device=targets.device) * sizes).long()
    columns, parts = (((items + 1) * negatives - 1) // n_items for items in (targets, seen))
    seen = torch.where((seen >= 0) & (drawn[parts] == seen), parts, -1)
    return drawn, sizes, columns, seen


class _CrossEntropy(torch.autograd.Function):
    """The gradients are computed with the loss, while the softmax of a chunk is in the cache.

    So there are three products for each chunk: the logits, and the gradients of queries and weight.
    Computing the logits again in the backward pass would take four.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,  # [n, hidden]
        weight: Tensor,  # [k, hidden]: the items that all targets are compared with
        bias: Tensor,  # [k]
        own: Tensor,  # [n, hidden]: the targets' own weights
        own_bias: Tensor,  # [n]
        gains: Tensor,  # [n, m]: what is added to the logits of ``seen``
        share: Tensor | None,  # []: what these logits are multiplied by before
        log_sizes: Tensor,  # [k]: the part of ``bias`` that is not multiplied
        wanted: Tensor,  # [n] bool
        columns: Tensor,  # [n, 1]: the column, of k, that the target's logit replaces
        seen: Tensor,  # [n, m]: columns, of k, or -1
        dtype: torch.dtype,
    ) -> Tensor:
        """Products and probabilities are in ``dtype``, sums over targets in that of ``weight``."""
        ctx.dtype = queries.dtype
        ctx.shared = share is not None
        queries = queries.to(dtype)
        items = weight.to(dtype)
        bias = bias.to(dtype)
        own_logits = ((queries * own).sum(1) + own_bias).to(dtype)[:, None]  # [n, 1]
        held = (seen >= 0).to(dtype)  # [n, m]: 1 where a gain is added
        counts = wanted.to(dtype)[:, None]  # [n, 1]
        gain = gains.to(dtype) * held
        seen = seen.clamp(min=0)
        d_queries = torch.empty_like(queries)
        d_gain = torch.empty_like(gain)
        d_share = weight.new_zeros(())
        d_weight = torch.zeros_like(weight)
        d_bias = weight.new_zeros(len(weight))
        d_own = weight.new_empty(own_logits.shape)  # d loss / d own_logits
        loss = weight.new_zeros(())
        if queries.is_cuda:
            size = LOGITS_PER_CHUNK // len(items) + 1
        else:
            size = ROWS_PER_THREAD * torch.get_num_threads()
        buffer = queries.new_empty(min(size, len(queries)), len(items))
        for first in range(0, len(queries), size):
            rows = slice(first, first + size)
            query, column, count = queries[rows], columns[rows], counts[rows]
            z = torch.addmm(bias, query, items.t(), out=buffer[: len(query)])  # [rows, k]
            more = gain[rows]
            if share is not None:
                logits = (z.gather(1, seen[rows]) - log_sizes[seen[rows]]) * held[rows]
                more = more + (share - 1) * logits
            z.scatter_add_(1, seen[rows], more.to(z.dtype))
            z.scatter_(1, column, own_logits[rows])
            margin = (z.amax(1, keepdim=True) - own_logits[rows]).to(loss.dtype)
            p = torch.softmax(z, 1, out=z)
            # The largest probability is at least 1 / k, so that its logarithm is always safe.
            loss += ((margin - p.amax(1, keepdim=True).to(loss.dtype).log()) * count).sum()
            d_own[rows] = (p.gather(1, column) - 1) * count
            p.scatter_(1, column, 0.0)  # the target's own part is in d_own
            p_seen = p.gather(1, seen[rows]) * held[rows]
            d_gain[rows] = p_seen * count
            if share is not None:
                d_share += (d_gain[rows] * logits).sum()
                p.scatter_add_(1, seen[rows], ((share - 1) * p_seen).to(p.dtype))
            torch.mm(p, items, out=d_queries[rows])
            if p.dtype == weight.dtype:
                d_weight.addmm_(p.t(), query * count)
            else:
                d_weight += p.t() @ (query * count)
            d_bias += p.t() @ count[:, 0]
        d_queries = d_queries * counts + d_own * own
        d_gain = d_gain.to(gains.dtype)
        ctx.save_for_backward(
            d_queries, d_weight, d_bias, d_own * queries, d_own[:, 0], d_gain, d_share
        )
        ctx.n = counts.sum(dtype=loss.dtype).clamp(min=1)
        mean: Tensor = loss / ctx.n
        return mean

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        *slopes, d_share = [slope * (grad / ctx.n) for slope in ctx.saved_tensors]
        shared = d_share if ctx.shared else None
        return slopes[0].to(ctx.dtype), *slopes[1:], shared, None, None, None, None, None


def dropout(x: Tensor, p: float, training: bool, onto: Tensor | None = None) -> Tensor:
    """Dropout on ``x``: each value is zeroed with probability ``p``, the others are scaled by
    1 / (1 - p). ``onto``, of the same shape, is added to the result.

    On a CPU, torch draws a Bernoulli variable for each value on one core, which took a quarter of a
    step. Here 64 random bits serve four values, so ``p`` is rounded to a multiple of 2^-16.
    """
    if training and p:
        if not x.is_cuda:
            dropped: Tensor = _Dropout.apply(x, p, onto)
            return dropped
        x = F.dropout(x, p)
    return x if onto is None else onto + x


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, onto: Tensor | None) -> Tensor:
        levels = 1 << 16
        dropped = min(round(p * levels), levels - 1)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        draw = words.view(torch.int16)[: x.numel()].view(x.shape)
        keep = torch.ge(draw, dropped - levels // 2, out=torch.empty_like(x))  # 1.0 or 0.0
        ctx.save_for_backward(keep)
        ctx.scale = levels / (levels - dropped)
        ctx.adds = onto is not None
        if onto is None:
            return (x * keep).mul_(ctx.scale)
        return torch.addcmul(onto, x, keep, value=ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (keep,) = ctx.saved_tensors
        return (grad * keep).mul_(ctx.scale), None, grad if ctx.adds else None
