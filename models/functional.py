"""Operations that torch offers, made for what training here does with them.

On CUDA they are torch's own. On a CPU each is exact, and replaces the slowest parts of a step:
see docs/performance.md for what each one gave.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_PER_CHUNK = 64  # of logits: with a catalogue of 3,000 items they stay in a core's cache
LOGITS_PER_CHUNK = 1 << 28  # on CUDA


def cross_entropy(
    queries: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    seen: Tensor | None = None,
    gain: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy, in nats, of ``queries @ weight.T + bias`` over the whole catalogue.

    queries [n, hidden] and weight [n_items, hidden], bias [n_items], float; targets [n] int64,
    negative where there is nothing to predict. Each row's ``seen`` items, [n, m] int64, negative
    where there is none and no item twice, have logits higher by ``gain``, a scalar, if given.
    The [n, n_items] logits are never built.
    """
    if gain is None:
        seen, gain = targets.new_empty(len(targets), 0), bias.new_zeros(())
    if not queries.is_cuda:  # where to know how many are wanted would make the host wait
        wanted = targets >= 0
        queries, targets, seen = queries[wanted], targets[wanted], seen[wanted]
    kind = queries.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    return _CrossEntropy.apply(queries, weight, bias, gain, targets, seen, dtype)


class _CrossEntropy(torch.autograd.Function):
    """Gradients are computed with the loss, while a chunk's softmax is in cache.

    So no product is done twice: three per chunk (logits, and the gradients of queries and
    weight), where computing the logits again in the backward pass would take four.
    """

    @staticmethod
    def forward(
        ctx,
        queries: Tensor,
        weight: Tensor,
        bias: Tensor,
        gain: Tensor,
        targets: Tensor,
        seen: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Products and probabilities are in ``dtype``; sums over targets in that of ``weight``."""
        ctx.dtype = queries.dtype
        queries, items, bias = queries.to(dtype), weight.to(dtype), bias.to(dtype)
        counts = (targets >= 0).to(dtype)  # [n]: 1 where there is something to predict
        held = (seen >= 0).to(dtype)  # [n, m]
        gains = gain.to(dtype) * held
        targets, seen = targets.clamp(min=0)[:, None], seen.clamp(min=0)
        d_queries, d_gain = torch.empty_like(queries), torch.zeros_like(gain)
        d_weight, d_bias = torch.zeros_like(weight), weight.new_zeros(len(weight))
        loss = weight.new_zeros(())
        size = LOGITS_PER_CHUNK // len(items) + 1 if queries.is_cuda else ROWS_PER_CHUNK
        buffer = queries.new_empty(min(size, len(queries)), len(items))
        for first in range(0, len(queries), size):
            rows = slice(first, first + size)
            query, target, count = queries[rows], targets[rows], counts[rows, None]
            z = torch.addmm(bias, query, items.t(), out=buffer[: len(query)])  # [rows, n_items]
            z.scatter_add_(1, seen[rows], gains[rows])
            margin = z.amax(1, keepdim=True).to(loss.dtype) - z.gather(1, target)
            p = torch.softmax(z, 1, out=z)
            # The largest probability is at least 1 / n_items, so that its logarithm is always safe.
            loss += ((margin - p.amax(1, keepdim=True).to(loss.dtype).log()) * count).sum()
            p.scatter_add_(1, target, p.new_full(target.shape, -1.0))  # d loss / d logits
            torch.mm(p, items, out=d_queries[rows])
            if p.dtype == weight.dtype:
                d_weight.addmm_(p.t(), query * count)
            else:
                d_weight += p.t() @ (query * count)
            d_bias += p.t() @ count[:, 0]
            d_gain += (p.gather(1, seen[rows]) * held[rows] * count).sum()
        ctx.save_for_backward(d_queries * counts[:, None], d_weight, d_bias, d_gain)
        ctx.n = counts.sum(dtype=loss.dtype).clamp(min=1)
        return loss / ctx.n

    @staticmethod
    def backward(ctx, grad: Tensor):
        d_queries, d_weight, d_bias, d_gain = ctx.saved_tensors
        scale = grad / ctx.n
        d_queries = d_queries.to(ctx.dtype) * scale
        return d_queries, d_weight * scale, d_bias * scale, d_gain * scale, None, None, None


def dropout(x: Tensor, p: float, training: bool, onto: Tensor | None = None) -> Tensor:
    """``x``, each value zeroed with probability ``p`` and the others scaled; plus ``onto``.

    On a CPU, torch draws a Bernoulli variable per value on one core, which took a quarter of a
    step; here 64 random bits serve four values, and so ``p`` is rounded to a multiple of 2^-16.
    """
    if training and p:
        if not x.is_cuda:
            return _Dropout.apply(x, p, onto)
        x = F.dropout(x, p)
    return x if onto is None else onto + x


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, p: float, onto: Tensor | None) -> Tensor:
        levels = 1 << 16
        dropped = round(p * levels)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        draw = words.view(torch.int16)[: x.numel()].view(x.shape)
        keep = torch.ge(draw, dropped - levels // 2, out=torch.empty_like(x))  # 1.0 or 0.0
        ctx.save_for_backward(keep)
        ctx.scale, ctx.adds = levels / (levels - dropped), onto is not None
        if onto is None:
            return (x * keep).mul_(ctx.scale)
        return torch.addcmul(onto, x, keep, value=ctx.scale)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (keep,) = ctx.saved_tensors
        return (grad * keep).mul_(ctx.scale), None, grad if ctx.adds else None
