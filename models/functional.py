"""Operations that torch offers, made for what training here does with them.

On CUDA they are torch's own. On a CPU each is exact, and replaces the slowest parts of a step:
see docs/performance.md for what each one gave.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_PER_CHUNK = 64  # of logits: with a catalogue of 3,000 items they stay in a core's cache


def cross_entropy(queries: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of ``queries @ weight.T + bias`` over the whole catalogue.

    queries [n, hidden] and weight [n_items, hidden], bias [n_items], float; targets [n] int64,
    negative where there is nothing to predict. The [n, n_items] logits are never built.
    """
    if queries.is_cuda:
        targets = targets.clamp(min=-1)
        return F.linear_cross_entropy(queries, weight, targets, linear_bias=bias, ignore_index=-1)
    wanted = targets >= 0
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
    return _CrossEntropy.apply(queries[wanted], weight, bias, targets[wanted], dtype)


class _CrossEntropy(torch.autograd.Function):
    """Gradients are computed with the loss, while a chunk's softmax is in cache.

    So no product is done twice: three per chunk (logits, and the gradients of queries and
    weight), where computing the logits again in the backward pass would take four.
    """

    @staticmethod
    def forward(
        ctx, queries: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Products and probabilities are in ``dtype``; sums over targets in that of ``weight``."""
        n = max(1, len(queries))
        ctx.dtype, ctx.n = queries.dtype, n
        queries, items, bias = queries.to(dtype), weight.to(dtype), bias.to(dtype)
        d_queries = torch.empty_like(queries)
        d_weight, d_bias = torch.zeros_like(weight), weight.new_zeros(len(weight))
        buffer = queries.new_empty(min(ROWS_PER_CHUNK, n), len(items))
        loss = weight.new_zeros(())
        for first in range(0, len(queries), ROWS_PER_CHUNK):
            rows = slice(first, first + ROWS_PER_CHUNK)
            query, target = queries[rows], targets[rows, None]
            z = torch.addmm(bias, query, items.t(), out=buffer[: len(query)])  # [rows, n_items]
            margin = z.amax(1, keepdim=True).to(loss.dtype) - z.gather(1, target)
            p = torch.softmax(z, 1, out=z)
            # The largest probability is at least 1 / n_items, so that its logarithm is always safe.
            loss += (margin - p.amax(1, keepdim=True).to(loss.dtype).log()).sum()
            p.scatter_add_(1, target, p.new_full(target.shape, -1.0))  # d loss / d logits
            torch.mm(p, items, out=d_queries[rows])
            if p.dtype == weight.dtype:
                d_weight.addmm_(p.t(), query)
            else:
                d_weight += p.t() @ query
            d_bias += p.sum(0)
        ctx.save_for_backward(d_queries, d_weight, d_bias)
        return loss / n

    @staticmethod
    def backward(ctx, grad: Tensor):
        d_queries, d_weight, d_bias = ctx.saved_tensors
        scale = grad / ctx.n
        return d_queries.to(ctx.dtype) * scale, d_weight * scale, d_bias * scale, None, None


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
