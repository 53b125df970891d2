"""RecTools' BERT4Rec, trained by pytorch-lightning's loop, on command (see peer_gate.py).

    .peers/rectools/bin/python bench/rectools_runner.py data.npz --seed 1 --threads 2

The size is that of the other runners (width 64, 2 blocks, 2 heads, dropout .2, masks .2); the rest
is RecTools' default, softmax over the whole catalogue included.
"""

import numpy as np
import pandas as pd
from peer_gate import Gate, arguments, sequences
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel

K = 10


class GateCallback(Callback):
    """Holds lightning's loop before each batch, and tells where it stands."""

    def __init__(self, gate: Gate, evaluate):
        self.gate, self.evaluate = gate, evaluate

    def __deepcopy__(self, memo):
        return self  # RecTools copies its trainer, callbacks included, before it fits

    def on_train_start(self, trainer, module) -> None:
        self.gate.open_for(
            self.evaluate,
            samples_per_epoch=len(trainer.train_dataloader.dataset),
            batches_per_epoch=trainer.num_training_batches,
            parameters=sum(p.numel() for p in module.parameters()),
        )

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        # Batches are fetched one ahead of the gate: N steps still cost N fetches.
        self.gate.before_step()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.gate.add_loss(outputs["loss"].item())


class Split:
    """Leave one out; users with fewer than three items are trained on whole."""

    def __init__(self, items: np.ndarray, offsets: np.ndarray):
        lengths = np.diff(offsets)
        users = np.repeat(np.arange(len(lengths)), lengths)
        position = np.arange(len(items)) - offsets[users]
        from_end = lengths[users] - position  # 1 is the last item
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
        # name -> (histories, the item to predict for each of ``users``)
        self.parts = {
            "valid": (self.train, items[ends - 2]),
            "test": (with_valid, items[ends - 1]),
        }


def evaluate(model: BERT4RecModel, split: Split) -> dict:
    """Quality at 10 among all items that RecTools knows (those of training), history included.

    A target that it does not know, or a user of whom it knows nothing, is a miss.
    """
    model.is_fitted = True  # its loop has not ended, but recommend() should not mind
    results = {}
    for name, (histories, targets) in split.parts.items():
        top = model.recommend(
            split.users, histories, K, filter_viewed=False, on_unsupported_targets="ignore"
        )
        wanted = pd.Series(targets, index=split.users)
        ranks = top.loc[top[Columns.Item] == top[Columns.User].map(wanted), Columns.Rank]
        results[name] = {
            f"recall@{K}": len(ranks) / len(targets),
            f"ndcg@{K}": float((1 / np.log2(ranks + 1)).sum() / len(targets)),
        }
    model.torch_model.train()  # recommend() leaves it in evaluation mode
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
    # RecTools' own trainer, but without an end and with the gate.
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
