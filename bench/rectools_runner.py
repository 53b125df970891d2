"""Runner of RecTools' BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    .peers/rectools/bin/python bench/rectools_runner.py data.npz --seed 1 --threads 2

The model has the size of the other runners' models: width 64, 2 blocks, 2 attention heads, dropout
0.2, mask ratio 0.2. All other settings are RecTools' defaults, including the softmax over all
items. The training loop is that of pytorch-lightning.
"""

import pandas as pd
from peer_gate import Gate, arguments, sequences
from peer_lightning import UNENDING, LightningGate
from peer_split import K, Split, quality
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel


class GateCallback(LightningGate, Callback):
    """The gate, which RecTools' copy of its trainer shares."""

    def __deepcopy__(self, memo: dict) -> "GateCallback":
        # RecTools copies its trainer before training, with its callbacks. The copy must have the
        # same gate.
        return self


def known_interactions(split: Split) -> dict[str, Dataset]:
    """By part, the interactions that are known when it is evaluated."""
    interactions = pd.DataFrame(
        {
            Columns.User: split.users,
            Columns.Item: split.items,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp("2020") + pd.to_timedelta(split.positions, unit="s"),
        }
    )
    return {part: Dataset.construct(interactions[known]) for part, known in split.known.items()}


def evaluate(model: BERT4RecModel, split: Split, known: dict[str, Dataset]) -> dict:
    """Recall and ndcg at K on validation and test.

    Candidates are all items of the training data, those of the user's history included. A target or
    a user that does not occur in the training data counts as a miss.
    """
    # recommend() requires this flag, which RecTools sets at the end of the training.
    model.is_fitted = True
    results = {}
    for name, targets in split.targets.items():
        top = model.recommend(
            split.evaluated, known[name], K, filter_viewed=False, on_unsupported_targets="ignore"
        )
        target_of = pd.Series(targets, index=split.evaluated)
        hits = top[Columns.Item] == top[Columns.User].map(target_of)
        results[name] = quality(top.loc[hits, Columns.Rank].to_numpy(), len(targets))
    model.torch_model.train()  # recommend() sets evaluation mode
    return results | {"users": len(split.evaluated)}


def main() -> None:
    args = arguments(__doc__, batch_size=128)
    gate = Gate(args.threads)
    seed_everything(args.seed)
    split = Split(*sequences(args.data))
    known = known_interactions(split)
    model = BERT4RecModel(
        n_factors=64,
        n_blocks=2,
        n_heads=2,
        dropout_rate=0.2,
        mask_prob=0.2,
        session_max_len=args.max_length,
        loss="softmax",
        lr=args.learning_rate,
        batch_size=args.batch_size,
        recommend_torch_device="cpu",
    )
    # RecTools' default trainer, except that this one has no last epoch, and waits at the gate.
    model._trainer = Trainer(
        **UNENDING,
        callbacks=[GateCallback(gate, lambda: evaluate(model, split, known))],
    )
    model.fit(known["valid"])


if __name__ == "__main__":
    main()
