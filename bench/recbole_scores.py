"""Train a sequential model of RecBole on an exported split, and write the scores of all items.

    .peers/recbole/bin/python bench/recbole_scores.py exported/ml-100k/recbole scores --epochs 20

OUTPUT/valid.npz and OUTPUT/test.npz are files for benchmark.score. bench/other_libraries.py runs
all steps. Settings that are absent here have RecBole's defaults. RecBole chooses the epoch by
validation ndcg@10.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exported", type=Path, help="folder of datasets.export --to recbole")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--model", default="SASRec")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    exported = args.exported.absolute()
    output = args.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    sys.argv[1:] = []  # RecBole would parse the arguments as its own
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole creates folders in the working directory
        config = Config(
            model=args.model,
            config_file_list=[exported / f"{exported.name}.yaml"],
            config_dict={
                "data_path": str(exported.parent),
                "epochs": args.epochs,
                "seed": args.seed,
                "use_gpu": False,
                "loss_type": "CE",
                "train_neg_sample_args": None,  # RecBole requires this for the loss CE
                "show_progress": False,
            },
        )
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        training, valid, test = data_preparation(config, dataset)
        init_seed(config["seed"], config["reproducibility"])
        model = get_model(args.model)(config, training._dataset).to(config["device"])
        trainer = Trainer(config, model)
        trainer.fit(training, valid)
        checkpoint = torch.load(trainer.saved_model_file, weights_only=False)
        model.load_state_dict(checkpoint["state_dict"])
        model.eval()
        for part, loader in (("valid", valid), ("test", test)):
            np.savez(output / f"{part}.npz", **scores(model, loader, dataset))
    shutil.copy(exported / "exported.json", output)


@torch.inference_mode()
def scores(model: torch.nn.Module, loader, dataset) -> dict[str, np.ndarray]:
    """Arrays for benchmark.score: items, and users and scores of each batch. Item 0 is padding."""
    arrays = {"items": dataset.id2token("item_id", np.arange(1, dataset.item_num)).astype(str)}
    for number, (interaction, *_) in enumerate(loader):
        found = model.full_sort_predict(interaction).view(-1, dataset.item_num)
        users = dataset.id2token("user_id", interaction["user_id"].numpy())
        arrays[f"users_{number}"] = users.astype(str)
        arrays[f"scores_{number}"] = found[:, 1:].contiguous().numpy()
    return arrays


if __name__ == "__main__":
    main()
