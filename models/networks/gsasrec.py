"""gSASRec: SASRec with a loss that corrects the overconfidence of negative sampling.

Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with
Negative Sampling", RecSys 2023, https://arxiv.org/abs/2308.07192.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.arguments import Setting
from models.networks.functional import Seen
from models.networks.sasrec import SASRec


class gSASRec(SASRec):
    """SASRec with gBCE: binary cross-entropy with a power of the target's probability.

    ``negatives`` is the paper's k and ``calibration`` its t: 0 is plain binary cross-entropy; 1
    gives scores as confident as those of a softmax over the whole catalogue. The constructor lists
    SASRec's settings again because a model has the settings that its constructor names.
    """

    link = "https://github.com/asash/gSASRec"
    recipes: ClassVar = {"fast": {"negatives": 256}}
    version: ClassVar = 2  # before, biases started at 0

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
        norm: str,
        repeats: str,
        initialisation: str,
        negatives: int,
        calibration: float,
    ):
        super().__init__(
            n_items,
            max_length=max_length,
            hidden_size=hidden_size,
            layers=layers,
            heads=heads,
            inner_size=inner_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
            positions=positions,
            norm=norm,
            repeats=repeats,
            initialisation=initialisation,
            negatives=negatives,
            temperature=0.0,
        )
        sampled = min(1.0, negatives / max(1, n_items - 1))  # the paper's alpha
        self.power = 1 - calibration * (1 - sampled)  # its beta
        # All items start as probable as they are on average. From 1/2, the first gradients would be
        # a hundred times the later ones, and Adam, which divides by the root of their mean square,
        # would hardly move for thousands of steps. (Lin et al. 2017, section 4.1,
        # https://arxiv.org/abs/1708.02002)
        nn.init.constant_(self.item_bias.weight, math.log(self.power / self.negatives))

    @classmethod
    def check(cls, settings: Mapping[str, Setting]) -> None:
        """Raises ValueError without negatives: the loss is binary, of each item by itself."""
        if settings["negatives"] == 0:
            raise ValueError("gSASRec needs negatives: 1 or more")

    def loss(self, vectors: Tensor, targets: Tensor, seen: Seen) -> Tensor:
        """The mean gBCE over targets, [batch, k], of ``vectors`` [batch, k, hidden]: [].

        Each sequence draws its own negatives, which all its targets share. The paper draws them for
        each target, which takes a vector for each of some hundred thousand items in a step; the
        expectation is the same. As in ``cross_entropy`` the catalogue is cut into parts, and one
        random item stands for each: no item is drawn twice, and a seen item is looked for in its
        own part alone.
        """
        wanted = targets >= 0  # [batch, k]
        positive = targets.clamp(min=0)
        right = (vectors * self.item_embedding(positive)).sum(-1)  # [batch, k]
        right = right + self.item_bias(positive)[..., 0]
        again = seen.items == targets[..., None]  # [batch, k, n]
        right = right + (seen.more(right[..., None]) * again).sum(-1)

        k = min(self.negatives, self.n_items)
        edges = torch.arange(k + 1, device=targets.device) * self.n_items // k
        sizes = edges.diff()  # [negatives]
        draw = torch.rand(len(targets), k, device=targets.device)
        drawn = edges[:-1] + (draw * sizes).long()  # [batch, negatives]
        biases = self.item_bias(drawn).mT  # [batch, 1, negatives]
        wrong = torch.baddbmm(biases, vectors, self.item_embedding(drawn).mT)  # [.., k, negatives]
        part = ((seen.items.clamp(min=0) + 1) * k - 1) // self.n_items  # [batch, k, n]
        known = drawn.gather(1, part.flatten(1)).view_as(part) == seen.items
        wrong = wrong.scatter_add(2, part, seen.more(wrong.gather(2, part)) * known)
        counts = sizes * (k / self.n_items) * (drawn[:, None] != targets[..., None])
        loss = (F.softplus(wrong) * counts).sum(-1) - self.power * F.logsigmoid(right)
        return (loss * wanted).sum() / wanted.sum().clamp(min=1)
