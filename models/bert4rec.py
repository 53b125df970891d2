"""BERT4Rec: a bidirectional transformer trained to fill in masked items (a Cloze task).

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
Transformer", CIKM 2019, https://arxiv.org/abs/1904.06690.
"""

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoder import EncoderLayer, rows, turns
from models.functional import dropout
from models.scorer import Query, Scorer


class Cloze(NamedTuple):
    """What the model reads, where it is asked, and what the answers are.

    Every row of a batch is asked k times, so that all shapes are fixed.
    """

    tokens: Tensor
    """[batch, n] int64: sequences (items, padding, masks in place), and m more masks after them."""
    appended: Tensor
    """[m] int64: the place in the sequence, from 0, at which each of those m masks stands."""
    attend: Tensor
    """[batch, 1 or n, n] bool: which token (row) sees which (column)."""
    places: Tensor
    """[batch, k] int64: the tokens that are asked."""
    targets: Tensor
    """[batch, k] int64: the items that are wanted there, -1 where none is."""


class BERT4Rec(Scorer):
    """Item sequences in, item scores out.

    Sequences are [batch, length] int64 with length <= max_length, padded on the left with
    ``n_items``; items are 0 .. n_items - 1. The embedding table has two rows past the catalogue:
    ``n_items`` is padding, ``n_items + 1`` is the mask.

    ``positions`` are "learned" and added to the items, as in the paper, or "rotary": attention
    knows how far two tokens are apart (Su et al. 2021, https://arxiv.org/abs/2104.09864), and what
    was learned at one place of a sequence holds at all. Each token, a mask too, may carry some
    ``neighbours`` before it, added with a weight for each distance and dimension.

    Layer norm comes "post" each residual sum, as in the paper, or "pre" each branch; and the
    ``head`` between the last layer and the items is "norm", that is linear, GELU and layer norm, as
    in the paper, or "linear". With "pre" and "linear" the output's length is free, and so the model
    is free to be more or less sure; a layer norm gives all outputs about the same length.
    """

    link = "https://recbole.io/docs/user_guide/model/sequential/bert4rec.html"
    recipes: ClassVar = {
        "fast": {},
        # As in the paper and its code, except what it says of the learning rate.
        "paper": {
            "epochs": 500,
            "patience": 10,
            "windows": "tiled",
            "last_share": 0.0,
            "dropout": 0.2,
            "attention_dropout": 0.2,
            "positions": "learned",
            "neighbours": 0,
            "norm": "post",
            "head": "norm",
            "repeats": "alike",
            "causal_share": 0.0,
            "negatives": 0,
            "batch_size": 256,
            "initialisation": "normal",
            "muon_ratio": 0.0,
            "schedule": "constant",
            "warmup_steps": 0,
            "ema_decay": 0.0,
        },
    }

    def __init__(
        self,
        n_items: int,
        *,
        max_length: int,
        hidden_size: int,
        layers: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        positions: str,
        neighbours: int,
        norm: str,
        head: str,
        repeats: str,
        initialisation: str,
        mask_ratio: float,
        last_share: float,
        causal_share: float,
        history_dropout: float,
        negatives: int,
    ):
        super().__init__(n_items, hidden_size, 2, repeats, negatives)
        self.max_length, self.window, self.dropout = max_length, max_length, dropout
        self.mask_ratio, self.last_share, self.causal_share = mask_ratio, last_share, causal_share
        self.history_dropout = history_dropout
        if positions == "learned":
            self.position_embedding = nn.Embedding(max_length, hidden_size)
        else:
            self.register_buffer("turns", turns(max_length, hidden_size // heads), False)
        if neighbours:
            weights = 0.5 ** torch.arange(1.0, neighbours + 1)[:, None]
            self.neighbours = nn.Parameter(weights.repeat(1, hidden_size))
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.encoder = nn.ModuleList(
            EncoderLayer(hidden_size, heads, inner_size, dropout, attention_dropout, norm)
            for _ in range(layers)
        )
        self.head = nn.Linear(hidden_size, hidden_size)
        self.head_norm = nn.LayerNorm(hidden_size, eps=1e-12) if head == "norm" else None
        self.initialise(initialisation)

    def examples(self, sequences: Tensor, generator: torch.Generator) -> Cloze:
        """What to train on, drawn anew at every call; ``generator`` lives on the CPU.

        A share ``causal_share`` of the batches is asked from left to right, the others in place.
        """
        batch, length = sequences.shape
        if torch.rand((), generator=generator).item() < self.causal_share and length > 1:
            draw = torch.rand(batch, length, generator=generator)
            return self._left_to_right(sequences, draw.to(sequences.device, non_blocking=True))
        draw = torch.rand(batch, length + 1, generator=generator)
        return self._in_place(sequences, draw.to(sequences.device, non_blocking=True))

    def _in_place(self, sequences: Tensor, draw: Tensor) -> Cloze:
        """Masks take the place of items, and see what is before and after them, as in the paper.

        Of a sequence of n items, max(1, round(mask_ratio * n)) random ones are masked, as in the
        paper's code; in a share ``last_share`` of the sequences the last item is one of them, as
        it is when the next item is asked for.
        """
        real = sequences != self.n_items
        masks = (real.sum(1, keepdim=True) * self.mask_ratio).round().clamp(min=1)  # [batch, 1]
        k = max(1, round(sequences.shape[1] * self.mask_ratio))  # no row has more
        draw, chance = draw[:, :-1].masked_fill(~real, -1.0), draw[:, -1]
        draw[:, -1].masked_fill_(chance < self.last_share, 2.0)
        places = draw.topk(k, dim=1).indices  # [batch, k]
        used = torch.arange(k, device=sequences.device) < masks
        items = sequences.gather(1, places)
        tokens = sequences.scatter(1, places, items.masked_fill(used, self.n_items + 1))
        return Cloze(
            tokens,
            places.new_empty(0),
            real[:, None],
            places,
            items.masked_fill(~used, -1),
        )

    def _left_to_right(self, sequences: Tensor, draw: Tensor) -> Cloze:
        """Every item but the first is asked for by a mask that sees only what is before it.

        The masks are appended, and stand at the positions of their items; an item sees itself and
        those before it. So a sequence of n items asks n - 1 times what is asked in the end, the
        next item after a history, where masks in place ask it once. (Attention masks of several
        kinds for one BERT: Dong et al. 2019, https://arxiv.org/abs/1905.03197.) A share
        ``history_dropout`` of what those after it see of an item is a mask, too.
        """
        batch, length = sequences.shape
        k = length - 1
        position = torch.arange(length, device=sequences.device)
        real = sequences != self.n_items
        asked = position[1:]
        known = torch.cat([position, asked - 1])  # the last item that each token may see
        sees = (position <= known[:, None]) & real[:, None]  # [batch, length + k, length]
        sees = F.pad(sees, (0, k)) | torch.eye(length + k, dtype=torch.bool, device=sees.device)
        has_past = real[:, :-1]
        mask = torch.full((batch, k), self.n_items + 1, device=sequences.device)
        seen = sequences.masked_fill(real & (draw < self.history_dropout), self.n_items + 1)
        return Cloze(
            torch.cat([seen, mask], dim=1),
            asked,
            sees,
            torch.arange(length, length + k, device=sequences.device).expand(batch, -1),
            sequences[:, 1:].masked_fill(~has_past, -1),
        )

    def forward(
        self, tokens: Tensor, appended: Tensor, attend: Tensor, places: Tensor, targets: Tensor
    ) -> Tensor:
        """Mean cross-entropy, in nats, of the answers to a ``Cloze``."""
        sequences = tokens[:, : tokens.shape[1] - len(appended)]
        vectors = self._project(self.encode(tokens, appended, attend, places))
        return self.loss(vectors, targets, self._seen(sequences, attend, places))

    def _seen(self, sequences: Tensor, attend: Tensor, places: Tensor) -> Tensor:
        """The items that each of ``places`` sees, each once, else -1: [batch, k, length or 0]."""
        sees = rows(attend, places)[..., : sequences.shape[1]]  # [batch, k or 1, length]
        return self.seen(sequences, sees).expand(-1, places.shape[1], -1)

    def encode(self, tokens: Tensor, appended: Tensor, attend: Tensor, places: Tensor) -> Tensor:
        """The parts of a ``Cloze`` -> [batch, k, hidden] at its places."""
        length = tokens.shape[1] - len(appended)
        # Sequences end at the last position whatever their length, so positions count from there.
        position = torch.arange(self.max_length - length, self.max_length, device=tokens.device)
        position = torch.cat([position, position[appended]])  # [n]
        x, angles = self.item_embedding(tokens), None
        if hasattr(self, "neighbours"):
            known = x[:, :length] * (tokens[:, :length] != self.n_items)[..., None]
            before = self._before(known)
            x = x + torch.cat([before, before[:, appended]], dim=1)
        if hasattr(self, "turns"):
            angles = self.turns[position][None]  # [1, n, hidden / heads / 2]
        else:
            x = x + self.position_embedding(position)
        x = dropout(self.norm(x), self.dropout, self.training)  # [batch, n, hidden]
        *first, last = self.encoder
        for layer in first:
            x = layer(x, attend, angles)
        return last(x, attend, angles, places)

    def _before(self, x: Tensor) -> Tensor:
        """A weighted sum of the few tokens before each: [batch, length, hidden] -> the same."""
        total = torch.zeros_like(x)
        for distance, weight in enumerate(self.neighbours, start=1):
            total = total + F.pad(x, (0, 0, distance, 0))[:, : x.shape[1]] * weight
        return total

    def _project(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return x if self.head_norm is None else self.head_norm(F.gelu(x))

    def queries(self, histories: Tensor) -> Query:
        """[batch, length] int64: what comes after each history.

        The mask takes the place after the last item, so the last max_length - 1 items are seen.
        """
        kept = histories[:, -(self.max_length - 1) :]
        mask = torch.full_like(histories[:, :1], self.n_items + 1)
        tokens = torch.cat([kept, mask], dim=1)
        attend = (tokens != self.n_items)[:, None]
        places = torch.full_like(mask, kept.shape[1])
        vectors = self._project(self.encode(tokens, places.new_empty(0), attend, places))
        return Query(vectors[:, 0], self._seen(tokens, attend, places)[:, 0])
