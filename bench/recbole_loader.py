"""RecBole's own reading, filtering and k-core of an atomic file (see prepare_engines.py).

    .peers/recbole/bin/python bench/recbole_loader.py Books.inter      # prints one line of JSON

Its Dataset is made by RecBole, with the filters of the published Amazon-Books page; what it keeps
is then put in order and named by the suite's digest, outside of the seconds reported.
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

NAME = "peer"  # of the data set, as RecBole looks for it: NAME/NAME.inter

FILTERS = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "val_interval": {"rating": "[3,inf)", "timestamp": "[1490000000,inf)"},
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
    "train_neg_sample_args": None,
}


def kept(dataset) -> pd.DataFrame:
    """The rows that RecBole kept, in file order, with the ids of the file."""
    rows = dataset.inter_feat
    return pd.DataFrame(
        {
            "user": dataset.id2token("user_id", np.asarray(rows["user_id"])),
            "item": dataset.id2token("item_id", np.asarray(rows["item_id"])),
            # float32 by then, which is exact for whole days
            "timestamp": np.asarray(rows["timestamp"], np.float64),
        }
    )


def main() -> None:
    path = Path(sys.argv[1]).resolve()
    sys.argv[1:] = []  # RecBole reads them too
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole leaves folders wherever it runs
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
