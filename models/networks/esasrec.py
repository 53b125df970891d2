"""eSASRec: SASRec with gated layers.

Tikhonovich et al., "eSASRec: Enhancing Transformer-based Recommendations in a Modular Fashion",
RecSys 2025, https://arxiv.org/abs/2508.06450: SASRec's shifted sequence, LiGR's layers, and the
softmax over a sample of the catalogue.
"""

from typing import ClassVar

from torch import nn

from models.networks.encoder import EncoderLayer, GatedLayer
from models.networks.sasrec import SASRec


class eSASRec(SASRec):
    """SASRec with ``GatedLayer``, whose norms stand before the branches.

    The constructor lists SASRec's settings again, without ``norm``, because a model has the
    settings that its constructor names.
    """

    link = "https://github.com/blondered/transformer_benchmark"
    layer: ClassVar[type[EncoderLayer]] = GatedLayer

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
        repeats: str,
        initialisation: str,
        negatives: int,
        temperature: float,
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
            norm="pre",
            repeats=repeats,
            initialisation=initialisation,
            negatives=negatives,
            temperature=temperature,
        )
        # As in the authors' code, no norm follows the last layer. The vector's length is free, so
        # the model can be more or less confident.
        self.last_norm = nn.Identity()
