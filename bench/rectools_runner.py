"""Runner of RecTools' BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    .peers/rectools/bin/python bench/rectools_runner.py data.npz --seed 1 --threads 2

The model has the size of the other runners' models: width 64, 2 blocks, 2 attention heads, dropout
0.2, mask ratio 0.2. All other settings are RecTools' defaults, including the softmax over all
items. The training loop is that of pytorch-lightning.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from peer_gate import Gate, arguments, sequences
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel

K = 10  # cut-off of the metrics


class GateCallback(Callback):
    """Makes lightning's training loop wait at the gate before each step."""

    def __init__(self, gate: Gate, evaluate: Callable[[], dict]):
        self.gate = gate
        self.evaluate = evaluate

    def __deepcopy__(self, memo: dict) -> "GateCallback":
        # RecTools copies its trainer before training, with its callbacks. The copy must have the
        # same gate.
        return self

    def on_train_start(self, trainer, module) -> None:
        self.gate.open_for(
            self.evaluate,
            samples_per_epoch=len(trainer.train_dataloader.dataset),
            batches_per_epoch=trainer.num_training_batches,
            parameters=sum(p.numel() for p in module.parameters()),
        )

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        # Lightning loads the next batch before it calls this hook. The measured time of N steps
        # still includes loading N batches.
        self.gate.before_step()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.gate.add_loss(outputs["loss"].item())


class Split:
    """Leave-one-out split. All items of a user with fewer than three are for training."""

    def __init__(self, items: np.ndarray, offsets: np.ndarray):
        lengths = np.diff(offsets)
        users = np.repeat(np.arange(len(lengths)), lengths)
        position = np.arange(len(items)) - offsets[users]
        from_end = lengths[users] - position  # 1 for the last item of a user
        evaluated = lengths[users] >= 3
        self.interactions = pd.DataFrame(
            {
                Columns.User: users,
                Columns.Item: items,
                Columns.Weight: 1.0,
                Columns.Datetime: pd.Timestamp("2020") + pd.to_timedelta(position, unit="s"),
            }
        )
        self.train = Dataset.construct(self.interactions[~evaluated | (from_end > 2)])
        with_valid = Dataset.construct(self.interactions[~evaluated | (from_end > 1)])
        ends = offsets[1:][lengths >= 3]
        self.users = np.flatnonzero(lengths >= 3)
        # Name of the part -> (histories, targets of ``users``)
        self.parts = {
            "valid": (self.train, items[ends - 2]),
            "test": (with_valid, items[ends - 1]),
        }


def evaluate(model: BERT4RecModel, split: Split) -> dict:
    """Recall and ndcg at K on validation and test.

    Candidates are all items of the training data, those of the user's history included. A target or
    a user that does not occur in the training data counts as a miss.
    """
    # recommend() requires this flag, which RecTools sets at the end of the training.
    model.is_fitted = True
    results = {}
    for name, (histories, targets) in split.parts.items():
        top = model.recommend(
            split.users, histories, K, filter_viewed=False, on_unsupported_targets="ignore"
        )
        target_of = pd.Series(targets, index=split.users)
        hits = top[Columns.Item] == top[Columns.User].map(target_of)
        ranks = top.loc[hits, Columns.Rank]
        results[name] = {
            f"recall@{K}": len(ranks) / len(targets),
            f"ndcg@{K}": float((1 / np.log2(ranks + 1)).sum() / len(targets)),
        }
    model.torch_model.train()  # recommend() sets evaluation mode
    return results | {"users": len(split.users)}


def main() -> None:
    args = arguments(__doc__, batch_size=128)
    gate = Gate(args.threads)
    seed_everything(args.seed)
    split = Split(*sequences(args.data))
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
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[GateCallback(gate, lambda: evaluate(model, split))],
    )
    model.fit(split.train)


if __name__ == "__main__":
    main()
