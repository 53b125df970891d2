"""Prepare an atomic file with RecBole's own reader, filters and k-core, for prepare_engines.py.

    .peers/recbole/bin/python bench/recbole_loader.py Books.inter      # prints one JSON object

The filters are those of RecBole's published page for Amazon-Books. The time is that of creating
RecBole's Dataset. The sequences and their digest are then computed by seqrec, and their time is
not counted.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from recbole.config import Config
from recbole.data.dataset import SequentialDataset

sys.path.insert(1, str(Path(__file__).parents[1]))
from datasets.sequences import from_interactions

NAME = "peer"  # RecBole searches for the data set in data/NAME/NAME.inter

FILTERS = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "val_interval": {"rating": "[3,inf)", "timestamp": "[1490000000,inf)"},
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
    "train_neg_sample_args": None,
}


def kept(dataset: SequentialDataset) -> pd.DataFrame:
    """The interactions that RecBole kept, in the order of the file, with the file's ids."""
    rows = dataset.inter_feat
    return pd.DataFrame(
        {
            "user": dataset.id2token("user_id", np.asarray(rows["user_id"])),
            "item": dataset.id2token("item_id", np.asarray(rows["item_id"])),
            # RecBole stores times as float32, which is exact for whole days.
            "timestamp": np.asarray(rows["timestamp"], np.float64),
        }
    )


def main() -> None:
    path = Path(sys.argv[1]).resolve()
    sys.argv[1:] = []  # RecBole would parse the arguments as its own
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole creates folders in the working directory
        folder = Path("data", NAME)
        folder.mkdir(parents=True)
        (folder / f"{NAME}.inter").symlink_to(path)
        config = Config(
            model="BERT4Rec",
            dataset=NAME,
            config_dict=FILTERS | {"data_path": "data", "use_gpu": False},
        )
        start = time.perf_counter()
        dataset = SequentialDataset(config)
        seconds = time.perf_counter() - start
    result = {"digest": from_interactions(kept(dataset)).digest, "prepare_seconds": seconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
