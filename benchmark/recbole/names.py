"""RecBole's names of our settings: the one place where the keys of its files are mapped.

A setting that RecBole has under another name is a line here, and nowhere else.
"""

RENAMED = {
    "attn_dropout_prob": "attention_dropout",
    "hidden_dropout_prob": "dropout",
    "n_layers": "layers",
    "n_heads": "heads",
    "train_batch_size": "batch_size",
    "MAX_ITEM_LIST_LENGTH": "max_length",
    "stopping_step": "patience",
}
"""Other names of the same settings, in configuration files and in search spaces (hyper.test)."""

NEGATIVES = ("train_neg_sample_args", "neg_sampling")
"""Keys that say how negatives are drawn; their values are RecBole's own."""

_CONFIG_KEYS: dict[str, str | None] = {
    **RENAMED,
    **dict.fromkeys(NEGATIVES, "negatives"),
    "embedding_size": "hidden_size",
    **{name: name for name in ("hidden_size", "inner_size", "mask_ratio", "learning_rate")},
    **{name: name for name in ("epochs", "seed", "model", "dataset")},
}
_CONFIG_KEYS_OF_MODEL: dict[str, dict[str, str | None]] = {
    # RecBole's GRU4Rec has other keys, and "hidden_size" is the width of its GRU.
    "GRU4Rec": {
        "hidden_size": "inner_size",
        "inner_size": None,
        "num_layers": "layers",
        "dropout_prob": "dropout",
    },
    "gSASRec": dict.fromkeys(NEGATIVES),  # its loss needs negatives
}


def in_space(name: str) -> str:
    """The setting that a search space means by the name: ours if RecBole's is another."""
    return RENAMED.get(name, name)


def in_config(model: str) -> dict[str, str | None]:
    """The settings of the model that the keys of a configuration file mean; None is no setting."""
    return _CONFIG_KEYS | _CONFIG_KEYS_OF_MODEL.get(model, {})
