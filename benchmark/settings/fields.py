"""Every setting of seqrec, declared once: its default, its help text and its limits.

A setting has one name: on the command line, in files, in MLflow and in the code.
"""

from dataclasses import dataclass, fields

from benchmark.settings.declaration import Setting, setting
from models import MODELS

# Settings of gradient descent. A model that is counted has none of them.
LEARNING = {
    "learning_rate",
    "muon_ratio",
    "schedule",
    "warmup_steps",
    "epochs",
    "batch_size",
    "windows",
    "ema_decay",
    "patience",
    "precision",
}
RECIPES = ("fast", "paper")
"""The names of all models' recipes."""


@dataclass(frozen=True)
class Fields:
    """The settings, as fields. ``Settings`` says what belongs to which model.

    Defaults are BERT4Rec's. The default sizes (hidden 64, 2 layers, 2 heads, inner 256), mask ratio
    and length are those of RecBole's published BERT4Rec.
    """

    dataset: str = setting(
        "amazon-books", "Data set: a name in datasets/, or a YAML file.", group="data"
    )
    recbole_config: str = setting(
        "",
        "RecBole configuration file: filters, split, and defaults of settings; options override "
        "it.",
        group="data",
    )
    model: str = setting(
        "BERT4Rec",
        "Model to train, or FILE.py:CLASS or MODULE:CLASS, whose settings are options, too "
        "(docs/models.md).",
        choices=tuple(MODELS),
        or_else="FILE.py:CLASS or MODULE:CLASS",
        group="model",
    )
    recipe: str = setting(
        "fast",
        "Named set of defaults; options override it. paper is for BERT4Rec alone.",
        choices=RECIPES,
        group="model",
    )
    learning_rate: float = setting(0.002, "Learning rate of Adam.", above=0, at_most=1000)
    muon_ratio: float = setting(
        7.0,
        "Learning rate of Muon, which trains the encoder's matrices, as a multiple of Adam's; 0: "
        "Adam trains them, too.",
        at_least=0,
        at_most=1000,
    )
    schedule: str = setting(
        "plateau",
        "Learning-rate schedule after the warm-up: constant, plateau (falls to a quarter when "
        "validation stops getting better), or cosine (falls to 0 at the last step).",
        by_data=True,
        choices=("constant", "plateau", "cosine"),
    )
    warmup_steps: int = setting(
        600, "Warm-up: steps until the full learning rate is reached.", at_least=0
    )
    seed: int = setting(1, "Seed of all random numbers.", at_least=0, at_most=2**63 - 1)
    epochs: int = setting(
        200, "Largest number of epochs (passes over the training data).", at_least=1
    )
    batch_size: int = setting(32, "Training sequences per step.", by_data=True, at_least=1)
    max_length: int = setting(
        50,
        "Longest sequence that the model reads, in items.",
        at_least=2,
        at_most=100_000,
        group="model",
    )
    windows: str = setting(
        "sampled",
        "Windows into which longer training sequences are cut: tiled (the same in every epoch, "
        "without overlap) or sampled (drawn anew in each epoch).",
        by_data=True,
        choices=("tiled", "sampled"),
    )
    hidden_size: int = setting(
        64, "Width of the item embeddings and of the transformer layers.", at_least=1, group="model"
    )
    layers: int = setting(
        2,
        "Number of transformer layers, or of GRU layers.",
        at_least=1,
        at_most=1000,
        group="model",
    )
    heads: int = setting(
        2, "Number of attention heads per layer.", at_least=1, at_most=1000, group="model"
    )
    inner_size: int = setting(
        256, "Width of the feed-forward layers, or of the GRU layers.", at_least=1, group="model"
    )
    positions: str = setting(
        "rotary",
        "Position encoding: learned (embeddings added to the items) or rotary (queries and keys "
        "rotated in attention).",
        choices=("learned", "rotary"),
        group="model",
    )
    neighbours: int = setting(
        3,
        "Number of preceding items added to each token, with learned weights; 0: none.",
        at_least=0,
        at_most=1000,
        group="model",
    )
    norm: str = setting(
        "pre",
        "Place of layer norm: post (after each residual sum) or pre (before each branch).",
        choices=("post", "pre"),
        group="model",
    )
    head: str = setting(
        "linear",
        "Output head between encoder and item scores: linear (one linear layer) or norm (linear "
        "layer, GELU, layer norm).",
        choices=("linear", "norm"),
        group="model",
    )
    repeats: str = setting(
        "learned",
        "Scores of items already in the history: alike (as those of other items), learned (one "
        "learned weight raises or lowers them) or frequency (learned weights, by how often and how "
        "long ago an item occurred).",
        by_data=True,
        choices=("alike", "learned", "frequency"),
        group="model",
    )
    embeddings: str = setting(
        "slist",
        "Initial item embeddings: random, or slim or slist (a factorization of the weights of the "
        "model SLIM or SLIST, plus small random numbers).",
        by_data=True,
        choices=("random", "slim", "slist"),
        group="model",
    )
    blend: str = setting(
        "slist",
        "Second part of the scores, with a weight that is chosen on validation after training: "
        "none, or slim or slist (the logarithm of the scores of the model SLIM or SLIST).",
        by_data=True,
        choices=("none", "slim", "slist"),
        group="model",
    )
    initialisation: str = setting(
        "glorot",
        "Initial weights of linear layers: glorot (Glorot uniform) or normal (normal "
        "distribution, standard deviation 0.02).",
        choices=("glorot", "normal"),
        group="model",
    )
    dropout: float = setting(
        0.1,
        "Dropout probability of hidden values.",
        by_data=True,
        at_least=0,
        below=1,
        group="model",
    )
    attention_dropout: float = setting(
        0.0, "Dropout probability of attention weights.", at_least=0, below=1, group="model"
    )
    mask_ratio: float = setting(
        0.2, "Share of a sequence's items that are masked in training.", above=0, below=1
    )
    last_share: float = setting(
        1.0,
        "Share of training sequences whose last item is always among the masked ones.",
        at_least=0,
        at_most=1,
    )
    causal_share: float = setting(
        0.9,
        "Share of causal batches in training, where a mask attends only to the items before it.",
        at_least=0,
        at_most=1,
    )
    history_dropout: float = setting(
        0.0,
        "Share of the items before a mask that are masked, too, in causal batches.",
        at_least=0,
        below=1,
    )
    negatives: int = setting(
        4096,
        "Number of random items that the loss compares the target with, in catalogues larger than "
        "that; 0: all items.",
        at_least=0,
    )
    temperature: float = setting(
        0.0,
        "Temperature of cosine scores, such as 0.05: an item scores by the cosine of its embedding "
        "and the query, divided by it; 0: by their product.",
        at_least=0,
        at_most=1000,
        group="model",
    )
    ema_decay: float = setting(
        0.999,
        "Decay per step of the running mean of the weights, which is evaluated and kept; 0: the "
        "weights themselves.",
        at_least=0,
        below=1,
    )
    history: str = setting(
        "ranked",
        "Items of the user's history in evaluation: ranked (candidates like all others), masked "
        "(no candidates: a target among them is a miss) or novel (no candidates: a target among "
        "them is left out).",
        choices=("ranked", "masked", "novel"),
        group="evaluation",
    )
    evaluate_users: int = setting(
        0,
        "Users that are evaluated: a fixed sample of that many, the same in every trial; it is a "
        "part of the protocol; 0: all.",
        at_least=0,
        group="evaluation",
    )
    patience: int = setting(
        3,
        "Early stopping: epochs without a better validation ndcg@10 until the learning rate falls "
        "(schedule plateau) or training stops.",
        by_data=True,
        at_least=1,
    )
    precision: str = setting(
        "fp32",
        "Number format in training: fp32, or bf16 (mixed precision); evaluation is in fp32.",
        choices=("fp32", "bf16"),
    )
    device: str = setting(
        "auto",
        "Device: cpu, cuda, cuda:1, ...; auto: CUDA if there is any, else the CPU.",
        group="machine",
    )
    calibration: float = setting(
        0.75,
        "Calibration of gSASRec's loss (the paper's t): from 0 (plain binary cross-entropy) to 1 "
        "(confidence as of a softmax over all items).",
        at_least=0,
        at_most=1,
    )


SETTINGS: dict[str, Setting] = {f.name: f.metadata["setting"] for f in fields(Fields)}
"""The declarations, by name."""
