"""Runner of RecBole's BERT4Rec for bench/compare.py; peer_gate.py describes the protocol.

    .peers/recbole/bin/python bench/recbole_runner.py data.npz --seed 1 --threads 2

The configuration is that of RecBole's published page. Settings that are absent here have RecBole's
defaults, which equal the published values: hidden size 64, 2 layers, 2 attention heads, inner size
256, dropout 0.2, mask_ratio 0.2, ft_ratio 0.5.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peer_gate import Gate, arguments, sequences
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataloader.general_dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender import BERT4Rec
from recbole.trainer import Trainer
from recbole.utils import init_seed

NAME = "peer"  # RecBole searches for the data set in data/NAME/NAME.inter

PUBLISHED = {
    "loss_type": "CE",
    "train_neg_sample_args": None,  # RecBole requires this for the loss CE
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
    "repeatable": True,  # items of the history stay candidates
    "metrics": ["Recall", "NDCG"],
    "topk": 10,
    "valid_metric": "NDCG@10",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
}


class GatedLoader:
    """RecBole's batches. Each is created after the gate has opened for its step."""

    def __init__(self, loader: TrainDataLoader, gate: Gate):
        self.loader = loader
        self.gate = gate

    def __iter__(self) -> Iterator[Interaction]:
        batches = iter(self.loader)  # shuffles the samples
        for _ in range(len(self.loader)):
            self.gate.before_step()
            yield next(batches)


def write_atomic_file(path: Path, items: np.ndarray, offsets: np.ndarray) -> None:
    """Write the sequences as an atomic file, with positions in the sequence as times.

    RecBole stores times as float32, in which these small numbers are exact.
    """
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pd.DataFrame(
        {
            "user_id:token": users,
            "item_id:token": items,
            "timestamp:float": np.arange(len(items)) - offsets[users],
        }
    ).to_csv(path, sep="\t", index=False)


def prepare(data: str, seed: int, **settings: int | float) -> tuple:
    """RecBole's trainer and its loaders of training, validation and test data.

    The steps and their order are those of RecBole's run_recbole. ``settings`` are keys of RecBole's
    configuration. RecBole writes into the working directory and parses ``sys.argv``, which should
    have no arguments.
    """
    folder = Path("data", NAME)
    folder.mkdir(parents=True)
    write_atomic_file(folder / f"{NAME}.inter", *sequences(data))
    config = Config(
        model="BERT4Rec",
        dataset=NAME,
        config_dict=PUBLISHED
        | settings
        | {
            "data_path": "data",
            "seed": seed,
            "use_gpu": False,
            # More decimals than the default of 4, which would hide differences among few users.
            "metric_decimal_place": 6,
        },
    )
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    loaders = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = BERT4Rec(config, loaders[0]._dataset).to(config["device"])
    return Trainer(config, model), *loaders


def main() -> None:
    args = arguments(__doc__, batch_size=2048)
    args.data = os.path.abspath(args.data)
    sys.argv[1:] = []  # RecBole would parse the arguments as its own
    gate = Gate(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole creates folders in the working directory
        trainer, training, valid, test = prepare(
            args.data,
            args.seed,
            train_batch_size=args.batch_size,
            MAX_ITEM_LIST_LENGTH=args.max_length,
            learning_rate=args.learning_rate,
        )

        def evaluate() -> dict:
            results = {
                name: dict(trainer.evaluate(loader, load_best_model=False))
                for name, loader in (("valid", valid), ("test", test))
            }
            # Evaluation sets evaluation mode; _train_epoch sets training mode only at its start.
            trainer.model.train()
            return results | {"users": len(test.dataset)}

        def loss_of(interaction: Interaction) -> torch.Tensor:
            loss = trainer.model.calculate_loss(interaction)
            gate.add_loss(loss.item())
            return loss

        gate.open_for(
            evaluate,
            samples_per_epoch=len(training.dataset),
            batches_per_epoch=len(training),
            parameters=sum(p.numel() for p in trainer.model.parameters()),
        )
        # In place of RecBole's fit(), which evaluates and saves after each epoch: here the driver
        # decides when to evaluate. fit() also collects these data before the first epoch. The
        # training steps are those of RecBole's _train_epoch.
        trainer.eval_collector.data_collect(training)
        for epoch in count():
            trainer._train_epoch(GatedLoader(training, gate), epoch, loss_of)


if __name__ == "__main__":
    main()
