"""Cross-entropy over a catalogue and dropout, faster on a CPU than torch's own.

Both are exact. They replace the slowest parts of a training step; docs/performance.md has what each
gave. On CUDA dropout is torch's own.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_PER_THREAD = 96  # targets at a time: their logits for some thousand items fit into a cache
LOGITS_PER_CHUNK = 1 << 28  # on CUDA
ALIGNMENT = 16  # floats in a line of the cache
NEVER = -1e30  # the logit of an item that does not exist


class Seen(NamedTuple):
    """The items that the history of each of n targets has, and how their scores differ.

    The score of such an item is ``share`` times its score as any item, plus its gain.
    """

    items: Tensor
    """[..., m] int64: each item once, and -1."""
    gains: Tensor
    """[..., m] float"""
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
    built as a whole. With ``by_rows`` and negatives, the gradients of weight and bias are sparse
    and hold the rows that were used.
    """
    if seen is None:
        seen = Seen(targets.new_empty(len(targets), 0), bias.new_empty(len(targets), 0))
    items, gains, share = seen
    if not queries.is_cuda:  # on CUDA the host would wait for the number of targets
        wanted = targets >= 0
        queries, targets, items, gains = (x[wanted] for x in (queries, targets, items, gains))
    known = columns = targets.clamp(min=0)
    again = items == targets[:, None]  # [n, m]
    if 0 < negatives < len(bias):
        drawn, sizes, columns, items = _sample(len(bias), known, items, negatives)
        log_sizes = sizes.log()
        # Looked up together: each look-up has a gradient of the whole table's size.
        looked_up = torch.cat([known, drawn])
        parts = [len(known), negatives]
        own, weight = F.embedding(looked_up, weight, sparse=by_rows).split(parts)
        own_bias, bias = F.embedding(looked_up, bias, sparse=by_rows)[:, 0].split(parts)
    else:
        log_sizes = bias.new_zeros(()).expand(len(bias))
        own = F.embedding(known, weight, sparse=by_rows)  # [n, hidden]
        own_bias = F.embedding(known, bias, sparse=by_rows)[:, 0]
        weight, bias = weight[: len(bias)], bias[:, 0]
    if unit:
        own = F.normalize(own, dim=1)
        weight = F.normalize(weight, dim=1)
    if share is not None:
        own_logits = (queries * own).sum(1) + own_bias
        own_bias = own_bias + (share - 1) * own_logits * again.any(1)
    own_bias = own_bias + (gains * again).sum(1)
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
    Computing the logits again in the backward pass would take four. The bias is one more column of
    the weight, by which queries have a one: adding it to the logits would be one more pass over
    them.
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
        n, hidden = queries.shape
        k = len(weight)
        counts = wanted.to(dtype)[:, None]  # [n, 1]
        queries = F.pad(queries.to(dtype), (0, 1), value=1.0)  # [n, hidden + 1]
        counted = queries * counts
        items = _padded(torch.cat([weight, bias[:, None]], dim=1).to(dtype))  # [> k, hidden + 1]
        own_logits = ((queries[:, :hidden] * own).sum(1) + own_bias).to(dtype)[:, None]  # [n, 1]
        held = (seen >= 0).to(dtype)  # [n, m]: 1 where a gain is added
        gain = gains.to(dtype) * held
        seen = seen.clamp(min=0)
        d_queries = queries.new_empty(n, hidden)
        d_items = torch.zeros_like(items, dtype=weight.dtype)
        d_gain = torch.empty_like(gain)
        d_share = weight.new_zeros(())
        top, largest, own_p = (torch.empty_like(own_logits) for _ in range(3))  # [n, 1] each
        if queries.is_cuda:
            size = LOGITS_PER_CHUNK // len(items) + 1
        else:
            size = ROWS_PER_THREAD * torch.get_num_threads()
        logits = queries.new_empty(min(size, n), len(items))  # of one chunk after the other
        given = _chunks(size, queries, counted, own_logits, columns, seen, held, gain)
        found = _chunks(size, top, largest, own_p, d_gain, d_queries)
        for each, into in zip(given, found, strict=True):
            query, counted_query, own_logit, column, looked, adds, more = each
            highest, likeliest, own_likely, d_more, d_query = into
            z = torch.mm(query, items.t(), out=logits[: len(query)])  # [rows, > k]
            if share is not None:
                as_any = (z.gather(1, looked) - log_sizes[looked]) * adds
                more = more + (share - 1) * as_any
            z.scatter_add_(1, looked, more.to(z.dtype))
            z.scatter_(1, column, own_logit)
            torch.amax(z, 1, keepdim=True, out=highest)
            p = torch.softmax(z, 1, out=z)
            torch.amax(p, 1, keepdim=True, out=likeliest)
            torch.gather(p, 1, column, out=own_likely)
            p.scatter_(1, column, 0.0)  # the target's own part is in d_own
            torch.gather(p, 1, looked, out=d_more).mul_(adds)
            if share is not None:
                d_share += (d_more * counted_query[:, -1:] * as_any).sum()
                p.scatter_add_(1, looked, ((share - 1) * d_more).to(p.dtype))
            torch.mm(p, items[:, :hidden], out=d_query)
            if p.dtype == d_items.dtype:
                d_items.addmm_(p.t(), counted_query)
            else:
                d_items += p.t() @ counted_query
        # The largest probability is at least 1 / k, so that its logarithm is always safe.
        margin = (top - own_logits).to(weight.dtype) - largest.to(weight.dtype).log()
        d_own = ((own_p - 1) * counts).to(weight.dtype)  # d loss / d own_logits
        ctx.save_for_backward(
            d_queries * counts + d_own * own,
            d_items[:k, :hidden],
            d_items[:k, hidden],
            d_own * queries[:, :hidden],
            d_own[:, 0],
            (d_gain * counts).to(gains.dtype),
            d_share,
        )
        ctx.n = counts.sum(dtype=weight.dtype).clamp(min=1)
        mean: Tensor = (margin * counts).sum() / ctx.n
        return mean

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        *slopes, d_share = [slope * (grad / ctx.n) for slope in ctx.saved_tensors]
        shared = d_share if ctx.shared else None
        return slopes[0].to(ctx.dtype), *slopes[1:], shared, None, None, None, None, None


def _chunks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same ``size`` rows of all tensors, then the next ones. All rows are cut at once, since
    each operation of a loop over chunks costs as much as its arithmetic."""
    return zip(*(tensor.split(size) for tensor in tensors), strict=True)


def _padded(items: Tensor) -> Tensor:
    """``items`` [k, hidden + 1] with some more rows, which no query scores above zero.

    Rows of logits then begin where the processor reads fastest, and never a power of two apart,
    where they would displace each other in its caches.
    """
    rows = ALIGNMENT - len(items) % ALIGNMENT
    if (len(items) + rows).bit_count() == 1:
        rows += ALIGNMENT
    padded = F.pad(items, (0, 0, 0, rows))
    padded[-rows:, -1] = NEVER
    return padded


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
