"""BERT4Rec: a bidirectional transformer trained to fill in masked items (a Cloze task).

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
Transformer", CIKM 2019, https://arxiv.org/abs/1904.06690.
"""

from typing import ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.model import Histories
from models.networks.encoder import Encoder, EncoderLayer, rows
from models.networks.functional import dropout
from models.networks.scorer import Query, Scorer


class Cloze(NamedTuple):
    """The ``Examples`` of BERT4Rec: the tokens it reads, the places it predicts at, the targets.

    Every row of a batch has k places, so that all shapes are fixed.
    """

    tokens: Tensor
    """[batch, n] int64: sequences (items, padding, masks in place), and m more masks after them."""
    appended: Tensor
    """[m] int64: the place in the sequence, from 0, for which each of those m masks stands."""
    attend: Tensor
    """[batch, 1 or n, n] bool: which token (row) sees which (column)."""
    places: Tensor
    """[batch, k] int64: the tokens at which an item is predicted."""
    targets: Tensor
    """[batch, k] int64: the items to predict there, -1 where there is none."""
    items: Tensor
    """[batch, length] int64: the interactions that lead to the targets, older ones included."""
    baskets: Tensor
    """[batch, length] int64, of these items."""
    limits: Tensor
    """[batch, k] int64: of these columns, the last one before each target."""

    def rows(self, chosen: slice) -> Self:
        """``appended`` is the same for all rows."""
        return type(self)(
            self.tokens[chosen],
            self.appended,
            self.attend[chosen],
            self.places[chosen],
            self.targets[chosen],
            self.items[chosen],
            self.baskets[chosen],
            self.limits[chosen],
        )


class BERT4Rec(Scorer):
    """Item sequences in, item scores out.

    The embedding table has two rows past the catalogue: ``n_items`` is padding, ``n_items + 1`` is
    the mask.

    ``positions`` are "learned" embeddings added to the items', as in the paper, or "rotary" (see
    ``Encoder``). ``neighbours`` preceding items are added to each token, masks included, with a
    learned weight for each distance and dimension.

    ``norm`` places layer norm after each residual sum ("post", as in the paper) or before each
    branch ("pre"). The ``head`` between the last layer and the item embeddings is a linear layer
    ("linear"), followed by GELU and layer norm as in the paper ("norm"). With "pre" and "linear"
    the length of the output is free, so the model can be more or less confident; a layer norm gives
    all outputs about the same length.
    """

    link = "https://recbole.io/docs/user_guide/model/sequential/bert4rec.html"
    recipes: ClassVar = {
        "fast": {},
        # The paper's architecture and batches. Its optimizer differs: weight decay, clipping and a
        # falling learning rate, without early stopping.
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
            "embeddings": "random",
            "blend": "none",
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
        temperature: float,
    ):
        super().__init__(n_items, hidden_size, 2, repeats, negatives, temperature)
        self.max_length = max_length
        self.window = max_length
        self.dropout = dropout
        self.mask_ratio = mask_ratio
        self.last_share = last_share
        self.causal_share = causal_share
        self.history_dropout = history_dropout
        learned = positions == "learned"
        self.position_embedding = nn.Embedding(max_length, hidden_size) if learned else None
        self.neighbours: nn.Parameter | None = None  # [neighbours, hidden]
        if neighbours:
            weights = 0.5 ** torch.arange(1.0, neighbours + 1)[:, None]
            self.neighbours = nn.Parameter(weights.repeat(1, hidden_size))
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.encoder = Encoder(
            hidden_size=hidden_size,
            layers=layers,
            heads=heads,
            inner_size=inner_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm=norm,
            max_length=max_length,
            rotary=not learned,
            layer=EncoderLayer,
        )
        self.head = nn.Linear(hidden_size, hidden_size)
        self.head_norm = nn.LayerNorm(hidden_size, eps=1e-12) if head == "norm" else None
        self.initialise(initialisation)

    def examples(self, sequences: Histories, generator: torch.Generator) -> Cloze:
        """A share ``causal_share`` of the batches is masked from left to right, the others in
        place.

        See ``_left_to_right`` and ``_in_place``.
        """
        read = sequences.last(self.window).items
        batch, length = read.shape
        causal = torch.rand((), generator=generator).item() < self.causal_share and length > 1
        width = length if causal else length + 1
        # From pinned memory the copy does not wait for the steps before it.
        draw = torch.rand(batch, width, generator=generator, pin_memory=read.is_cuda)
        draw = draw.to(read.device, non_blocking=True)
        return self._left_to_right(sequences, draw) if causal else self._in_place(sequences, draw)

    def _in_place(self, histories: Histories, draw: Tensor) -> Cloze:
        """Masks take the place of items and see the items before and after them, as in the paper.

        In a sequence of n items, max(1, round(mask_ratio * n)) random items are masked, as in the
        paper's code. In a share ``last_share`` of the sequences the last item is one of them, as in
        the prediction of the next item. ``draw`` [batch, length + 1] float is uniform in [0, 1).
        """
        sequences = histories.last(self.window).items  # [batch, length]
        real = sequences != self.n_items
        masks = (real.sum(1, keepdim=True) * self.mask_ratio).round().clamp(min=1)  # [batch, 1]
        k = max(1, round(sequences.shape[1] * self.mask_ratio))  # no row has more
        chance = draw[:, -1]
        draw = draw[:, :-1].masked_fill(~real, -1.0)  # [batch, length]
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
            *histories,
            places + histories.items.shape[1] - sequences.shape[1] - 1,
        )

    def _left_to_right(self, histories: Histories, draw: Tensor) -> Cloze:
        """Every item but the first is predicted by a mask that sees only the items before it.

        The masks are appended to the sequence and have the positions of their items; an item sees
        itself and the items before it. So a sequence of n items trains n - 1 predictions of the
        next item, the task of the evaluation, where masks in place train one. (Several kinds of
        attention masks for one BERT: Dong et al. 2019, https://arxiv.org/abs/1905.03197.) A share
        ``history_dropout`` of the items that masks see is replaced by masks. ``draw`` [batch,
        length] float is uniform in [0, 1).
        """
        sequences = histories.last(self.window).items
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
            *histories,
            (asked - 1 + histories.items.shape[1] - length).expand(batch, -1),
        )

    def forward(
        self,
        tokens: Tensor,
        appended: Tensor,
        attend: Tensor,
        places: Tensor,
        targets: Tensor,
        items: Tensor,
        baskets: Tensor,
        limits: Tensor,
    ) -> Tensor:
        """The mean cross-entropy of a ``Cloze``, in nats: []."""
        sequences = tokens[:, : tokens.shape[1] - len(appended)]
        vectors = self._project(self.encode(tokens, appended, attend, places))
        sees = rows(attend, places)[..., : sequences.shape[1]]  # [batch, k or 1, length]
        sees = sees.expand(-1, places.shape[1], -1)
        seen = self.seen(Histories(items, baskets), limits, vectors, sequences, sees)
        return self.loss(vectors, targets, seen)

    def encode(self, tokens: Tensor, appended: Tensor, attend: Tensor, places: Tensor) -> Tensor:
        """The parts of a ``Cloze`` -> [batch, k, hidden] at its places."""
        length = tokens.shape[1] - len(appended)
        # A sequence ends at the last position, whatever its length.
        position = torch.arange(self.max_length - length, self.max_length, device=tokens.device)
        position = torch.cat([position, position[appended]])  # [n]
        x = self.item_embedding(tokens)  # [batch, n, hidden]
        if self.neighbours is not None:
            known = x[:, :length] * (tokens[:, :length] != self.n_items)[..., None]
            before = _weighted_sum(known, self.neighbours)
            x = x + torch.cat([before, before[:, appended]], dim=1)
        if self.position_embedding is not None:
            x = x + self.position_embedding(position)
        x = dropout(self.norm(x), self.dropout, self.training)
        encoded: Tensor = self.encoder(x, attend, position, places)  # [batch, k, hidden]
        return encoded

    def _project(self, x: Tensor) -> Tensor:
        """The head: [batch, k, hidden] -> the same."""
        projected: Tensor = self.head(x)
        if self.head_norm is not None:
            projected = self.head_norm(F.gelu(projected))
        return projected

    def queries(self, histories: Histories) -> Query:
        """The query for the item after each history.

        A mask takes the place after the last item, so the last max_length - 1 items are seen.
        """
        kept = histories.last(self.max_length - 1).items
        mask = torch.full_like(kept[:, :1], self.n_items + 1)
        tokens = torch.cat([kept, mask], dim=1)
        attend = (tokens != self.n_items)[:, None]
        places = torch.full_like(mask, kept.shape[1])
        vectors = self._project(self.encode(tokens, places.new_empty(0), attend, places))
        limits = torch.full_like(places, histories.items.shape[1] - 1)
        return Query(vectors[:, 0], self.seen(histories, limits, vectors, tokens, attend))


def _weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the few tokens before each: [batch, length, hidden] -> the same.

    ``weights`` [neighbours, hidden]: by distance, from 1.
    """
    total = torch.zeros_like(x)
    for distance, weight in enumerate(weights, start=1):
        total = total + F.pad(x, (0, 0, distance, 0))[:, : x.shape[1]] * weight
    return total
