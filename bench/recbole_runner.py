"""RecBole's BERT4Rec, trained and evaluated by RecBole, on command (see peer_gate.py).

    .peers/recbole/bin/python bench/recbole_runner.py data.npz --seed 1 --threads 2

Configured as its published page was; what is not set here is RecBole's default, which has the same
values (hidden 64, 2 layers, 2 heads, inner 256, dropout .2, mask_ratio .2, ft_ratio .5).
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from peer_gate import Gate, arguments, sequences
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import BERT4Rec
from recbole.trainer import Trainer
from recbole.utils import init_seed

NAME = "peer"  # of the data set, as RecBole looks for it: NAME/NAME.inter

PUBLISHED = {
    "loss_type": "CE",
    "train_neg_sample_args": None,  # as CE demands
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
    "repeatable": True,  # the history is not masked
    "metrics": ["Recall", "NDCG"],
    "topk": 10,
    "valid_metric": "NDCG@10",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
}


class GatedLoader:
    """RecBole's own batches; each is made and handed out when the gate opens."""

    def __init__(self, loader, gate: Gate):
        self.loader, self.gate = loader, gate

    def __iter__(self) -> Iterator:
        batches = iter(self.loader)  # shuffles
        for _ in range(len(self.loader)):
            self.gate.before_step()
            yield next(batches)


def write_atomic_file(path: Path, items: np.ndarray, offsets: np.ndarray) -> None:
    """Positions serve as times: RecBole keeps times as float32, which these numbers fit."""
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pd.DataFrame(
        {
            "user_id:token": users,
            "item_id:token": items,
            "timestamp:float": np.arange(len(items)) - offsets[users],
        }
    ).to_csv(path, sep="\t", index=False)


def prepare(data: str, seed: int, **settings):
    """(trainer, training, validation and test loaders), as RecBole's own run_recbole makes them.

    RecBole writes into the working directory, and reads the command line, which should be empty.
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
            "metric_decimal_place": 6,  # only the rounding: 4 hide what 1,000 users can show
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
    sys.argv[1:] = []
    gate = Gate(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole leaves folders wherever it runs
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
            trainer.model.train()  # _train_epoch calls it at its start only
            return results | {"users": len(test.dataset)}

        def loss_of(interaction):
            loss = trainer.model.calculate_loss(interaction)
            gate.add_loss(loss.item())
            return loss

        gate.open_for(
            evaluate,
            samples_per_epoch=len(training.dataset),
            batches_per_epoch=len(training),
            parameters=sum(p.numel() for p in trainer.model.parameters()),
        )
        # Before the first epoch, fit() does this; after each, it logs, evaluates and saves, which
        # here the driver decides. What makes the steps is RecBole's own _train_epoch.
        trainer.eval_collector.data_collect(training)
        for epoch in count():
            trainer._train_epoch(GatedLoader(training, gate), epoch, loss_of)


if __name__ == "__main__":
    main()
