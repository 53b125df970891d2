"""Train RecTools' SASRec or BERT4Rec on an exported split, and write the best items of each query.

    .peers/rectools/bin/python bench/rectools_lists.py exported/ml-100k/rectools lists --epochs 20

OUTPUT/valid.parquet and OUTPUT/test.parquet are files for benchmark.score. bench/other_libraries.py
runs all steps. Settings that are absent here have RecTools' defaults.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel

MODELS = {"SASRec": SASRecModel, "BERT4Rec": BERT4RecModel}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exported", type=Path, help="folder of datasets.export --to rectools")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--model", choices=MODELS, default="SASRec")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--k", type=int, default=100, help="items of each list")
    parser.add_argument("--masked", action="store_true", help="leave the history out of the lists")
    args = parser.parse_args()
    seed_everything(args.seed)
    model = MODELS[args.model](
        n_factors=64,
        n_blocks=2,
        n_heads=2,
        session_max_len=50,
        loss="softmax",
        epochs=args.epochs,
        recommend_torch_device="cpu",
    )
    model.fit(Dataset.construct(pd.read_parquet(args.exported / "train.parquet")))
    args.output.mkdir(parents=True, exist_ok=True)
    for part in ("valid", "test"):
        histories = pd.read_parquet(args.exported / f"{part}-histories.parquet")
        several = (histories[Columns.User] == histories["query"]).all()
        histories = histories.drop(columns="query")
        found = model.recommend(
            histories[Columns.User].unique(),
            Dataset.construct(histories),
            args.k,
            filter_viewed=args.masked,
            on_unsupported_targets="warn",
        )
        if several:  # users have several histories, and user_id is the number of a query
            found = found.rename(columns={Columns.User: "query"})
        found.to_parquet(args.output / f"{part}.parquet")
    shutil.copy(args.exported / "exported.json", args.output)


if __name__ == "__main__":
    main()
